"""Choices that are kept: the last one, and those that were saved under a name."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.urls import reverse

from exports.models import Export, Preset
from exports.spec import presets
from tests.support.choosing import CHOSEN, DASHBOARD, FLIGHTS, spec_of, words
from tests.support.pages import text

pytestmark = pytest.mark.django_db


def test_the_last_choice_is_there_the_next_time(signed_in, flights):
    signed_in.post(FLIGHTS, {**CHOSEN, "delimiter": ";", "no_header": "on"})

    form = signed_in.get(FLIGHTS).context["form"]
    assert form.columns.spec_fields == {
        "columns": ["tailnum", "id"],
        "headers": {"tailnum": "Plane"},
    }
    assert form.filters.values == {"arr_delay_min": "10", "arr_delay_max": "12", "carrier": "UA"}
    assert form.options["delimiter"].value() == ";"
    assert form.options["no_header"].value() is True
    assert signed_in.get(f"{FLIGHTS}?fresh").context["form"].filters.values == {}


def test_each_person_and_exporter_has_a_last_choice_of_its_own(user, signed_in, flights):
    signed_in.post(FLIGHTS, CHOSEN)
    other = User.objects.create_superuser("other")

    assert presets.last(other, "flights") is None
    assert presets.last(user, "planes") is None
    assert presets.last(user, "flights").params["columns"] == ["tailnum", "id"]


def test_a_choice_is_saved_under_a_name_and_run_again(user, signed_in, flights):
    saved = signed_in.post(FLIGHTS, {**CHOSEN, "save": "", "preset": " Late ones "}, follow=True)

    preset = Preset.objects.get()
    assert "Saved as “Late ones”." in text(saved)
    assert saved.redirect_chain == [(f"{FLIGHTS}?preset={preset.pk}", 303)]
    assert saved.context["form"].filters.values["carrier"] == "UA"
    assert not Export.objects.exists()
    assert "Late ones" in text(signed_in.get(DASHBOARD))

    signed_in.post(reverse("exports:run_preset", args=[preset.pk]))

    export = Export.objects.get()
    assert (export.label, export.params) == ("Late ones", preset.params)


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("In the air", "In the air"),
        ("", "Flights"),
        (f"{'x' * 99} {'y' * 50}", "x" * 99),
    ],
)
def test_a_choice_without_a_name_gets_that_of_the_export(signed_in, flights, label, name):
    signed_in.post(FLIGHTS, {**CHOSEN, "save": "", "preset": " ", "label": label})

    assert Preset.objects.get().name == name


def test_a_choice_that_is_opened_gives_its_name_to_no_other_rows(user, signed_in, flights):
    preset = presets.save(spec_of(user, filters={"carrier": "UA"}), "Of United")

    form = signed_in.get(f"{FLIGHTS}?preset={preset.pk}").context["form"]

    assert form["preset"].value() == "Of United"
    assert not form["label"].value()


def test_a_choice_keeps_its_team_and_the_lists_say_so(signed_in, flights, team):
    signed_in.post(FLIGHTS, {**CHOSEN, "team": team.pk, "save": "", "preset": "Ours"})

    preset = Preset.objects.get()
    page = signed_in.get(f"{FLIGHTS}?preset={preset.pk}")
    assert page.context["form"]["team"].value() == team.pk
    for shown in (page, signed_in.get(DASHBOARD)):
        assert "Shared with <bdi>Pilots</bdi>" in words(shown)
    signed_in.post(reverse("exports:run_preset", args=[preset.pk]))
    assert Export.objects.get().team == team


def test_with_whom_the_last_export_was_shared_is_not_taken_for_the_next(signed_in, flights, team):
    signed_in.post(FLIGHTS, {**CHOSEN, "team": team.pk})

    assert Export.objects.get().team == team
    assert not signed_in.get(FLIGHTS).context["form"]["team"].value()


def test_a_choice_for_a_team_that_one_has_left_is_refused_in_words(user, signed_in, team):
    preset = presets.save(spec_of(user, team=team.pk), "Ours")
    user.groups.clear()
    lost = "You are no longer in the team “Pilots”."

    ran = signed_in.post(reverse("exports:run_preset", args=[preset.pk]), follow=True)

    assert f"Ours: {lost} Choose a team to share it with" in text(ran)
    assert not Export.objects.exists()
    assert lost in text(signed_in.get(f"{FLIGHTS}?preset={preset.pk}"))


def test_a_choice_from_a_list_of_the_admin_for_a_lost_team_says_what_can_be_done(client, team):
    admin = User.objects.create_superuser("admin")
    admin.groups.add(team)
    listed = {"model": "demo.flight", "query": "carrier=UA"}
    preset = presets.save(spec_of(admin, team=team.pk, changelist=listed), "Ours")
    admin.groups.clear()
    client.force_login(admin)

    ran = text(client.post(reverse("exports:run_preset", args=[preset.pk]), follow=True))

    assert "Ours: You are no longer in the team “Pilots”. Delete this preset, and save" in ran
    assert "save it again" not in ran
    assert not Export.objects.exists()


def test_a_choice_outlives_its_team(user, signed_in, team):
    preset = presets.save(spec_of(user, team=team.pk), "Ours")

    team.delete()

    signed_in.post(reverse("exports:run_preset", args=[preset.pk]))
    assert Export.objects.get().team is None


def test_a_name_that_is_there_is_saved_anew(user, signed_in, flights):
    for file_format in ("csv", "xlsx"):
        signed_in.post(FLIGHTS, {**CHOSEN, "format": file_format, "save": "", "preset": "Mine"})

    assert Preset.objects.get().format == "xlsx"


@pytest.mark.parametrize("name", ["x" * 101, "a\nb"])
def test_a_name_that_is_none_is_refused(signed_in, flights, name):
    refused = signed_in.post(FLIGHTS, {**CHOSEN, "save": "", "preset": name})

    assert refused.status_code == 422
    assert "Enter a name of 1 to 100 characters." in text(refused)
    assert not Preset.objects.exists()


def test_there_is_an_end_to_saving(user, monkeypatch):
    monkeypatch.setattr(presets, "MOST", 1)
    presets.save(spec_of(user), "one")
    presets.save(spec_of(user, format="xlsx"), "one")

    with pytest.raises(presets.InvalidPreset, match="You can save up to 1 presets"):
        presets.save(spec_of(user), "two")


def test_what_was_saved_and_cannot_be_had_any_more_says_why(user, signed_in):
    preset = presets.save(spec_of(user), "Mine")
    Preset.objects.filter(pk=preset.pk).update(params={"columns": ["gone"]})

    answer = signed_in.post(reverse("exports:run_preset", args=[preset.pk]), follow=True)

    assert 'Mine: "flights" has no column "gone".' in text(answer)
    assert signed_in.get(f"{FLIGHTS}?preset={preset.pk}").status_code == 200
    assert not Export.objects.exists()


def test_forgotten_is_gone_and_its_exports_stay(user, signed_in):
    preset = presets.save(spec_of(user), "Mine")
    signed_in.post(reverse("exports:run_preset", args=[preset.pk]))

    signed_in.post(reverse("exports:delete_preset", args=[preset.pk]))

    assert not Preset.objects.exists()
    assert Export.objects.count() == 1


@pytest.mark.parametrize("button", ["run_preset", "delete_preset"])
def test_somebody_elses_choice_is_not_there(signed_in, button):
    other = User.objects.create_superuser("other")
    preset = presets.save(spec_of(other), "Mine")

    assert signed_in.post(reverse(f"exports:{button}", args=[preset.pk])).status_code == 404
    assert signed_in.get(f"{FLIGHTS}?preset={preset.pk}").status_code == 404
    assert "Mine" not in text(signed_in.get(DASHBOARD))
    assert Preset.objects.exists()


@pytest.mark.parametrize("button", ["run_preset", "delete_preset"])
def test_who_signs_in_for_a_button_comes_to_the_dashboard(user, signed_in, button):
    preset = presets.save(spec_of(user), "Mine")

    answer = signed_in.get(reverse(f"exports:{button}", args=[preset.pk]))

    assert answer["Location"] == DASHBOARD
    assert Preset.objects.exists()
    assert not Export.objects.exists()


def test_a_choice_from_a_list_of_the_admin_leaves_the_filters_of_the_page(user):
    listed = {"model": "demo.flight", "query": "carrier=UA"}
    admin = User.objects.create_superuser("admin")
    presets.remember(spec_of(admin, filters={"month": "1"}))
    presets.remember(spec_of(admin, columns=["id"], changelist=listed))

    assert presets.last(admin, "flights").params == {"columns": ["id"], "filters": {"month": "1"}}
