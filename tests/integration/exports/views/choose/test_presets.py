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


def test_last_choice_is_preselected(signed_in, flights):
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


def test_last_choice_is_kept_for_each_user_and_exporter(user, signed_in, flights):
    signed_in.post(FLIGHTS, CHOSEN)
    other = User.objects.create_superuser("other")

    assert presets.last(other, "flights") is None
    assert presets.last(user, "planes") is None
    assert presets.last(user, "flights").params["columns"] == ["tailnum", "id"]


def test_choice_is_saved_as_a_preset_and_run_again(user, signed_in, flights):
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
def test_preset_without_a_name_gets_the_exports_label(signed_in, flights, label, name):
    signed_in.post(FLIGHTS, {**CHOSEN, "save": "", "preset": " ", "label": label})

    assert Preset.objects.get().name == name


def test_opened_preset_does_not_fill_in_the_label(user, signed_in, flights):
    preset = presets.save(spec_of(user, filters={"carrier": "UA"}), "Of United")

    form = signed_in.get(f"{FLIGHTS}?preset={preset.pk}").context["form"]

    assert form["preset"].value() == "Of United"
    assert not form["label"].value()


def test_preset_keeps_its_team(signed_in, flights, team):
    signed_in.post(FLIGHTS, {**CHOSEN, "team": team.pk, "save": "", "preset": "Ours"})

    preset = Preset.objects.get()
    page = signed_in.get(f"{FLIGHTS}?preset={preset.pk}")
    assert page.context["form"]["team"].value() == team.pk
    for shown in (page, signed_in.get(DASHBOARD)):
        assert "Shared with <bdi>Pilots</bdi>" in words(shown)
    signed_in.post(reverse("exports:run_preset", args=[preset.pk]))
    assert Export.objects.get().team == team


def test_team_of_the_last_export_is_not_preselected(signed_in, flights, team):
    signed_in.post(FLIGHTS, {**CHOSEN, "team": team.pk})

    assert Export.objects.get().team == team
    assert not signed_in.get(FLIGHTS).context["form"]["team"].value()


def test_preset_of_a_left_team_is_refused_with_a_reason(user, signed_in, team):
    preset = presets.save(spec_of(user, team=team.pk), "Ours")
    user.groups.clear()
    lost = "You are no longer in the team “Pilots”."

    ran = signed_in.post(reverse("exports:run_preset", args=[preset.pk]), follow=True)

    assert f"Ours: {lost} Choose a team to share it with" in text(ran)
    assert not Export.objects.exists()
    assert lost in text(signed_in.get(f"{FLIGHTS}?preset={preset.pk}"))


def test_admin_list_preset_of_a_left_team_names_the_remedy(client, team):
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


def test_preset_survives_the_deletion_of_its_team(user, signed_in, team):
    preset = presets.save(spec_of(user, team=team.pk), "Ours")

    team.delete()

    signed_in.post(reverse("exports:run_preset", args=[preset.pk]))
    assert Export.objects.get().team is None


def test_preset_is_replaced_by_one_with_the_same_name(user, signed_in, flights):
    for file_format in ("csv", "xlsx"):
        signed_in.post(FLIGHTS, {**CHOSEN, "format": file_format, "save": "", "preset": "Mine"})

    assert Preset.objects.get().format == "xlsx"


@pytest.mark.parametrize("name", ["x" * 101, "a\nb"])
def test_invalid_preset_name_is_refused(signed_in, flights, name):
    refused = signed_in.post(FLIGHTS, {**CHOSEN, "save": "", "preset": name})

    assert refused.status_code == 422
    assert "Enter a name of 1 to 100 characters." in text(refused)
    assert not Preset.objects.exists()


def test_number_of_presets_is_limited(user, monkeypatch):
    monkeypatch.setattr(presets, "MAX_PRESETS", 1)
    presets.save(spec_of(user), "one")
    presets.save(spec_of(user, format="xlsx"), "one")

    with pytest.raises(presets.InvalidPreset, match="You can save up to 1 presets"):
        presets.save(spec_of(user), "two")


def test_invalid_preset_explains_itself(user, signed_in):
    preset = presets.save(spec_of(user), "Mine")
    Preset.objects.filter(pk=preset.pk).update(params={"columns": ["gone"]})

    answer = signed_in.post(reverse("exports:run_preset", args=[preset.pk]), follow=True)

    assert 'Mine: "flights" has no column "gone".' in text(answer)
    assert signed_in.get(f"{FLIGHTS}?preset={preset.pk}").status_code == 200
    assert not Export.objects.exists()


def test_deleted_preset_leaves_its_exports(user, signed_in):
    preset = presets.save(spec_of(user), "Mine")
    signed_in.post(reverse("exports:run_preset", args=[preset.pk]))

    signed_in.post(reverse("exports:delete_preset", args=[preset.pk]))

    assert not Preset.objects.exists()
    assert Export.objects.count() == 1


@pytest.mark.parametrize("button", ["run_preset", "delete_preset"])
def test_foreign_preset_looks_missing(signed_in, button):
    other = User.objects.create_superuser("other")
    preset = presets.save(spec_of(other), "Mine")

    assert signed_in.post(reverse(f"exports:{button}", args=[preset.pk])).status_code == 404
    assert signed_in.get(f"{FLIGHTS}?preset={preset.pk}").status_code == 404
    assert "Mine" not in text(signed_in.get(DASHBOARD))
    assert Preset.objects.exists()


@pytest.mark.parametrize("button", ["run_preset", "delete_preset"])
def test_sign_in_for_a_button_leads_to_the_dashboard(user, signed_in, button):
    preset = presets.save(spec_of(user), "Mine")

    answer = signed_in.get(reverse(f"exports:{button}", args=[preset.pk]))

    assert answer["Location"] == DASHBOARD
    assert Preset.objects.exists()
    assert not Export.objects.exists()


def test_choice_from_an_admin_list_keeps_the_filters_of_the_page(user):
    listed = {"model": "demo.flight", "query": "carrier=UA"}
    admin = User.objects.create_superuser("admin")
    presets.remember(spec_of(admin, filters={"month": "1"}))
    presets.remember(spec_of(admin, columns=["id"], changelist=listed))

    assert presets.last(admin, "flights").params == {"columns": ["id"], "filters": {"month": "1"}}
