"""The same question of the same person, asked while it is under way, has one answer."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Group, User
from django.db import IntegrityError, transaction

from exports.lifecycle import limits, requests
from exports.models import Export
from exports.status import FINAL, Status
from tests.support.at_once import at_once
from tests.support.exporting import events, force_status
from tests.support.starting import start_or_find

pytestmark = pytest.mark.django_db

QUESTION = {
    "exporter": "flights",
    "format": "csv",
    "options": {"gzip": True, "bom": True},
    "columns": ["id", "delay"],
    "filters": {"month": 1, "dep_delay_min": 10},
    "label": "In January",
}


def ask(user, **other):
    return start_or_find(user=user, **{**QUESTION, **other})


def test_identical_request_returns_the_active_export(
    superuser, enqueued, django_capture_on_commit_callbacks
):
    with django_capture_on_commit_callbacks(execute=True):
        first, first_is_new = ask(superuser)
        second, second_is_new = ask(superuser)

    assert (first_is_new, second_is_new) == (True, False)
    assert second == first
    assert Export.objects.count() == 1
    assert enqueued == [first.pk]
    assert events(first.stream) == events(first.owner_stream) == ["export.queued"]


def test_empty_filters_do_not_make_a_request_different(superuser):
    first, _ = ask(superuser)

    again, is_new = ask(superuser, filters={**QUESTION["filters"], "tailnum": "", "carrier": None})

    assert (again, is_new) == (first, False)
    assert first.params["filters"] == QUESTION["filters"]


@pytest.mark.parametrize("status", sorted(set(Status) - FINAL))
def test_paused_or_active_export_answers_an_identical_request(superuser, status):
    first, _ = ask(superuser)
    force_status(first, status)

    assert ask(superuser) == (first, False)


@pytest.mark.parametrize("status", sorted(FINAL))
def test_finished_export_does_not_answer_an_identical_request(superuser, status):
    first, _ = ask(superuser)
    force_status(first, status)

    second, is_new = ask(superuser)

    assert is_new
    assert second != first
    assert second.fingerprint == first.fingerprint


@pytest.mark.parametrize(
    "other",
    [
        {"exporter": "planes", "columns": None, "filters": None},
        {"format": "jsonl", "options": {"gzip": True}},
        {"options": {"gzip": True}},
        {"columns": ["delay", "id"]},
        {"columns": None},
        {"filters": {"month": 1}},
        {"filters": None},
        {"changelist": {"model": "demo.flight", "query": ""}},
        {"label": "In winter"},
    ],
    ids=str,
)
def test_any_difference_makes_a_new_export(superuser, other):
    first, _ = ask(superuser)

    second, is_new = ask(superuser, **other)

    assert is_new
    assert second != first


def test_other_team_makes_a_new_export(superuser):
    team = Group.objects.create(name="Analysts")
    superuser.groups.add(team)
    ask(superuser)

    shared, is_new = ask(superuser, team=team.pk)

    assert is_new
    assert ask(superuser, team=str(team.pk)) == (shared, False)


def test_request_of_another_user_makes_a_new_export(superuser):
    other = User.objects.create_superuser("other")
    ask(superuser)

    export, is_new = ask(other)

    assert is_new
    assert export.owner == other


@pytest.mark.parametrize(
    "same",
    [
        {"filters": {"dep_delay_min": 10, "month": 1}},
        {"options": {"bom": True, "gzip": True}},
        {"options": {"bom": True, "gzip": True, "delimiter": ","}},
        {"label": " In January "},
        {"team": ""},
    ],
    ids=str,
)
def test_irrelevant_differences_find_the_same_export(superuser, same):
    first, _ = ask(superuser)

    assert ask(superuser, **same) == (first, False)


def test_export_without_a_fingerprint_is_never_identical(superuser):
    for _ in range(2):
        Export.objects.create(owner=superuser, exporter="flights", label="In January")

    assert ask(superuser)[1]


# -- At once --------------------------------------------------------------------------------


@pytest.mark.proves("identical-exports-are-shared")
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("locks", [True, False], ids=["with the lock", "by the constraint alone"])
def test_one_of_many_identical_requests_is_saved(superuser, enqueued, monkeypatch, locks):
    if not locks:
        monkeypatch.setattr(limits, "lock", lambda _: None)

    outcomes = at_once(8, lambda: ask(superuser))

    (export,) = Export.objects.all()
    assert [found.pk for found, _ in outcomes] == [export.pk] * 8
    assert sorted(is_new for _, is_new in outcomes) == [False] * 7 + [True]
    assert enqueued == [export.pk]
    assert events(export.stream) == ["export.queued"]


@pytest.mark.proves("identical-exports-are-shared")
def test_request_that_missed_a_concurrent_one_finds_it_later(superuser, monkeypatch):
    first, _ = ask(superuser)
    looks = looks_away_once(monkeypatch)

    assert ask(superuser) == (first, False)
    assert looks == [None, first]


def test_request_is_saved_if_the_concurrent_one_has_finished(superuser, monkeypatch):
    first, _ = ask(superuser)
    lock = limits.lock

    def over_at_the_second_look(user):
        if looks:
            force_status(first, Status.SUCCEEDED)
        lock(user)

    looks = looks_away_once(monkeypatch)
    monkeypatch.setattr(limits, "lock", over_at_the_second_look)

    second, is_new = ask(superuser)

    assert is_new
    assert looks == [None, None]
    assert second.status == Status.QUEUED


def looks_away_once(monkeypatch):
    """The first look does not see what is under way: as if it were saved just after."""
    active_duplicate = requests._active_duplicate
    looks = []

    def look(spec):
        looks.append(active_duplicate(spec) if looks else None)
        return looks[-1]

    monkeypatch.setattr(requests, "_active_duplicate", look)
    return looks


@pytest.mark.proves("identical-exports-are-shared")
def test_constraint_refuses_a_second_identical_active_export(superuser):
    first, _ = ask(superuser)

    with (
        pytest.raises(IntegrityError, match=r"owner_id|one_active_export"),
        transaction.atomic(),
    ):
        Export.objects.create(owner=superuser, exporter="x", fingerprint=first.fingerprint)
    assert Export.objects.get() == first
