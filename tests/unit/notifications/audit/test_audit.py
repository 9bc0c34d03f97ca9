"""What an entry of the audit trail may say, and that the documents name every action."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
from django.test import RequestFactory

from notifications.audit import middleware, origin
from notifications.audit.record import MAX_DETAILS_BYTES, bounded
from notifications.audit_actions import Action, Interface

OPERATIONS = Path(__file__).resolve().parents[4] / "docs" / "operations.md"


def rows(heading):
    """The table below that heading of operations.md, by the name in its first cell."""
    _, _, below = OPERATIONS.read_text().partition(f"\n## {heading}\n")
    section = below.partition("\n## ")[0]
    return dict(re.findall(r"^\| `(\w+)` \| ([^|]+?) \|", section, re.M))


def test_documented_actions_are_the_recorded_actions():
    assert rows("Who did what?") == {
        **{each.value: str(each.label) for each in Action},
        **{each.value: str(each.label) for each in Interface},
    }


@pytest.mark.parametrize("choices", [Action, Interface])
def test_choices_fit_their_columns(choices):
    longest = {Action: 30, Interface: 10}[choices]

    assert max(len(each) for each in choices.values) <= longest


@pytest.mark.parametrize(
    "details",
    [
        {"names": [f"name {number}" for number in range(1_000)]},
        {"text": "x" * 10_000},
        {f"key {number}": "\n" * 1_000 for number in range(50)},
        {"names": ["ü" * 150] * 30, "rows": 1},
    ],
)
def test_details_are_bounded(details):
    kept = bounded(details)

    assert len(json.dumps(kept).encode()) <= MAX_DETAILS_BYTES
    assert kept


def test_details_within_the_limits_are_kept():
    details = {"rows": 3, "team": "Analysts", "names": ["a", "b"], "is_new": True}

    assert bounded(details) == details


def test_overlong_list_says_how_many_items_were_left_out():
    assert bounded({"names": ["x"] * 23})["names"][20:] == ["… 3 more"]


@pytest.mark.parametrize(
    ("apps", "headers", "interface"),
    [
        ([], {}, "page"),
        (["exports"], {"authorization": "Basic eDp5"}, "page"),
        (["admin"], {}, "admin"),
        (["ninja"], {}, "api"),
        (["ninja"], {"authorization": "Bearer x"}, "token"),
    ],
)
def test_interface_is_derived_from_address_and_headers(apps, headers, interface):
    request = RequestFactory().get("/", headers=headers)
    request.resolver_match = SimpleNamespace(app_names=apps)

    assert origin.of(request).interface == interface


@pytest.mark.parametrize(
    ("argv", "interface", "command"),
    [
        (["manage.py", "export", "flights"], "command", "export"),
        (["/srv/app/manage.py"], "command", ""),
        (["/usr/bin/django-admin", "shell"], "command", "shell"),
        (["/lib/django/__main__.py", "shell"], "command", "shell"),
        (["/lib/celery/__main__.py", "worker"], "system", ""),
        (["/usr/bin/daphne", "config.asgi"], "system", ""),
        ([""], "system", ""),
    ],
)
def test_interface_of_a_process_is_derived_from_its_arguments(
    monkeypatch, argv, interface, command
):
    monkeypatch.setattr("sys.argv", argv)

    assert (origin.current().interface, origin.current().command) == (interface, command)


def test_check_says_that_the_middleware_is_missing(settings):
    assert middleware.check() == []
    settings.MIDDLEWARE = [each for each in settings.MIDDLEWARE if "audit" not in each]

    [warning] = middleware.check()

    assert warning.id == "notifications.W001"
    assert warning.hint == 'Add "notifications.audit.middleware.audited" to MIDDLEWARE.'
