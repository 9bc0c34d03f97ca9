"""The audit trail of presets: each from a click to its entry."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Group, User

from exports.lifecycle import queue
from exports.models import Preset
from exports.spec import presets
from exports.spec.spec import build_spec
from tests.support.starting import start_export
from tests.support.trail import BY_ADMIN, BY_PAGE, client_of, entries, only, people, source

pytestmark = [pytest.mark.django_db, pytest.mark.proves("audit-trail-is-complete")]

CHOOSE = "/exports/new/airports/"
ACTIONS = [f"preset_{what}" for what in ("saved", "changed", "shared", "unshared", "deleted")]


@pytest.fixture
def ada():
    return User.objects.create_superuser("ada")


@pytest.fixture
def team(ada):
    team = Group.objects.create(name="Analysts")
    ada.groups.add(team)
    return team


@pytest.fixture
def page(ada):
    """Her browser."""
    return client_of(ada)


def save(client, name="Mine", url=CHOOSE, **chosen):
    form = {"format": "csv", "column": ["name"], "save": "", "preset": name, **chosen}
    answer = client.post(url, form)
    assert answer.status_code in {200, 303}
    return Preset.objects.get(name=name)


def written():
    return [each.action for each in entries(*ACTIONS)]


def subject(entry):
    return entry.object_kind, entry.object_key, entry.object_label


@pytest.mark.parametrize(
    ("url", "origin"), [(CHOOSE, BY_PAGE), ("/admin/demo/airport/export/", BY_ADMIN)]
)
def test_preset_that_is_saved_is_recorded(page, url, origin):
    preset = save(page, url=url)

    entry = only("preset_saved")
    assert (people(entry), source(entry)) == (("ada", ""), origin)
    assert subject(entry) == ("preset", str(preset.pk), "Mine")
    assert entry.details == {"exporter": "airports", "format": "csv"}


@pytest.mark.parametrize("more", [{"format": "jsonl"}, {"column": ["faa"]}, {"delimiter": ";"}])
def test_preset_that_is_changed_is_recorded(page, more):
    save(page)

    save(page, **more)

    assert written() == ["preset_saved", "preset_changed"]
    assert people(only("preset_changed")) == ("ada", "")


def test_unchanged_preset_is_not_recorded_again(page):
    chosen = {
        "url": "/exports/new/flights/",
        "column": ["tailnum", "id"],
        "header-tailnum": "Plane",
        "filter-arr_delay_min": "10",
        "filter-date_after": "2013-01-01",
        "delimiter": ";",
    }

    for _ in range(2):
        save(page, **chosen)

    assert {"columns", "headers", "filters"} <= set(Preset.objects.get(name="Mine").params)
    assert written() == ["preset_saved"]


def test_sharing_and_unsharing_a_preset_are_recorded(page, team):
    save(page, team=team.pk)
    save(page)

    assert written() == ["preset_saved", "preset_shared", "preset_changed", "preset_unshared"]
    for action in ("preset_shared", "preset_unshared"):
        assert (only(action).details["team"], people(only(action))) == ("Analysts", ("ada", ""))


def test_preset_that_is_deleted_is_recorded(page):
    preset = save(page)

    page.post(f"/exports/presets/{preset.pk}/delete")

    entry = only("preset_deleted")
    assert not Preset.objects.filter(name="Mine").exists()
    assert (people(entry), source(entry)) == (("ada", ""), BY_PAGE)
    assert subject(entry) == ("preset", str(preset.pk), "Mine")


def test_preset_deleted_with_its_owner_is_recorded(page, ada):
    save(page)
    operator = client_of(User.objects.create_superuser("operator"))

    operator.post(f"/admin/auth/user/{ada.pk}/delete/", {"post": "yes"})

    assert not Preset.objects.exists()
    assert people(only("preset_deleted")) == ("operator", "ada")


def test_deleted_team_unshares_its_presets(page, team):
    save(page, team=team.pk)

    page.post(f"/admin/auth/group/{team.pk}/delete/", {"post": "yes"})

    entry = only("preset_unshared")
    assert (entry.object_kind, entry.object_label, source(entry)) == ("group", "Analysts", BY_ADMIN)
    assert entry.details == {"presets": 1}
    assert entries("export_unshared") == []


def test_last_choice_is_not_recorded(page, ada, monkeypatch):
    monkeypatch.setattr(queue, "enqueue", lambda _: True)

    page.post(CHOOSE, {"format": "csv", "column": ["name"]})
    presets.last(ada, "airports").delete()

    assert written() == []


def test_number_of_recorded_saves_is_limited(page, ada, monkeypatch):
    """Else one user fills the disk: what is deleted leaves its entries."""
    monkeypatch.setattr(presets, "MAX_SAVES", 2)
    other = User.objects.create_superuser("other")
    for name in ("one", "two"):
        save(page, name).delete()

    refused = page.post(CHOOSE, {"format": "csv", "column": ["name"], "save": "", "preset": "3"})

    assert refused.status_code == 422
    assert "You can save 2 presets an hour. Try again later." in refused.text
    assert presets.save(build_spec(other, exporter="airports"), "mine").pk
    assert start_export(user=ada, exporter="airports").pk
