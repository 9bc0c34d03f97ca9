"""The forms that start an export."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import AnonymousUser, Group
from django.utils import translation

from exports.exceptions import UnknownColumn, UnknownFormat
from exports.forms.options import OptionsForm
from exports.forms.start import StartForm
from exports.spec import options


class Somebody(AnonymousUser):
    """A person with the given permissions, and no database."""

    is_active = True

    def __init__(self, *permissions):
        self.permissions = permissions

    def has_perm(self, perm, obj=None):
        return perm in self.permissions


def test_form_offers_exporters_that_the_user_may_run():
    form = StartForm(user=Somebody("demo.export_plane", "demo.export_airport"))

    assert form.fields["exporter"].widget.choices == [
        ("airports", "Airports"),
        ("planes", "Planes"),
    ]


def test_form_without_permissions_offers_no_exporter():
    form = StartForm(user=Somebody())

    assert form.exporters == []


def test_unknown_choice_is_left_to_the_lifecycle():
    form = StartForm({"exporter": "nothing", "format": "xyz"}, user=Somebody())

    assert form.is_valid()
    assert form.cleaned_data == {"exporter": "nothing", "format": "xyz"}


def test_user_with_teams_may_choose_a_team_or_none():
    teams = [Group(pk=3, name="Analysts"), Group(pk=7, name="Pilots")]
    chosen = {"exporter": "planes", "format": "csv"}

    form = StartForm(chosen, user=Somebody(), teams=teams)
    choices = form.fields["team"].widget.choices

    assert choices == [("", "No one"), (3, "Analysts"), (7, "Pilots")]
    assert form.is_valid()
    assert form.cleaned_data["team"] == ""


def test_user_without_a_team_has_no_team_field():
    asked = {"exporter": "planes", "format": "csv", "team": "3"}

    assert "team" not in StartForm(user=Somebody()).fields
    assert "team" in StartForm(asked, user=Somebody()).fields


@pytest.mark.parametrize("missing", ["exporter", "format"])
def test_both_fields_are_required(missing):
    data = {"exporter": "planes", "format": "csv"}
    del data[missing]

    form = StartForm(data, user=Somebody())

    assert list(form.errors) == [missing]


def test_refusal_is_shown_at_its_field():
    form = StartForm({"exporter": "planes", "format": "xyz"}, user=Somebody())
    form.is_valid()

    form.show_error(UnknownFormat("There is no such format."))

    assert form.errors == {"format": ["There is no such format."]}


def test_refusal_without_a_field_is_shown_above_the_form():
    form = StartForm({"exporter": "planes", "format": "csv"}, user=Somebody())
    form.is_valid()

    form.show_error(UnknownColumn("There is no such column."))

    assert form.non_field_errors() == ["There is no such column."]


@pytest.mark.parametrize(
    ("data", "asked"),
    [
        ({}, {}),
        ({"delimiter": ","}, {}),
        ({"delimiter": "\t", "bom": "on"}, {"delimiter": "\t", "bom": True}),
        ({"delimiter": ",", "gzip": "on"}, {"gzip": True}),
    ],
)
def test_form_stores_only_options_that_differ_from_the_default(data, asked):
    form = OptionsForm(data)

    assert form.is_valid()
    assert form.chosen == asked


def test_form_offers_the_known_delimiters():
    offered = OptionsForm().fields["delimiter"].widget.choices

    assert tuple(value for value, _ in offered) == options.DELIMITERS


@pytest.mark.parametrize(("language", "delimiter"), [("de", ";"), ("en", ",")])
def test_delimiter_is_preselected_by_the_readers_language(language, delimiter):
    with translation.override(language):
        form = StartForm(user=AnonymousUser())
        chosen = form.options["delimiter"].as_widget()
        assert not form.options.has_any

    assert ('value=";" selected' in chosen) == (delimiter == ";")


@pytest.mark.parametrize(
    ("format_", "sent", "asked"),
    [
        ("csv", ";", {"delimiter": ";"}),
        ("csv", ",", {}),
        ("csv", "", {}),
        ("xlsx", ";", {}),  # It was preselected for CSV, and nobody chose it for Excel.
        ("xlsx", "|", {"delimiter": "|"}),
    ],
)
def test_preselected_delimiter_is_stored_only_for_csv(format_, sent, asked):
    with translation.override("de"):
        form = OptionsForm({"delimiter": sent})
        assert form.is_valid()

        assert form.chosen_for(format_) == asked
