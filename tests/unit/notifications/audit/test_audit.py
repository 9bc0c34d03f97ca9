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


def test_every_action_is_documented_by_its_name_and_no_other():
    assert rows("Who did what?") == {
        **{each.value: str(each.label) for each in Action},
        **{each.value: str(each.label) for each in Interface},
    }


@pytest.mark.parametrize("choices", [Action, Interface])
def test_value_fits_its_column(choices):
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
def test_details_have_an_end_and_say_so(details):
    kept = bounded(details)

    assert len(json.dumps(kept).encode()) <= MAX_DETAILS_BYTES
    assert kept


def test_details_that_fit_are_kept_as_they_are():
    details = {"rows": 3, "team": "Analysts", "names": ["a", "b"], "is_new": True}

    assert bounded(details) == details


def test_list_that_is_too_long_says_how_many_more_there_are():
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
def test_interface_is_told_by_the_address_and_the_header(apps, headers, interface):
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
def test_process_is_told_by_its_command_line(monkeypatch, argv, interface, command):
    monkeypatch.setattr("sys.argv", argv)

    assert (origin.current().interface, origin.current().command) == (interface, command)


def test_check_says_that_the_middleware_is_missing(settings):
    assert middleware.check() == []
    settings.MIDDLEWARE = [each for each in settings.MIDDLEWARE if "audit" not in each]

    [warning] = middleware.check()

    assert warning.id == "notifications.W001"
    assert warning.hint == 'Add "notifications.audit.middleware.audited" to MIDDLEWARE.'
