"""The style guide: every component in every state. It exists with DEBUG only, and saves nothing."""

from __future__ import annotations

import re
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from django import forms
from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.http import Http404
from django.shortcuts import render
from django.template.loader import get_template
from django.utils import timezone
from django.views.decorators.http import require_safe

from exports.conf import conf
from exports.exporters import registry
from exports.i18n.message import Message, dump
from exports.models import Export, Format
from exports.status import FINAL, Stage, Status, Wait

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

SCHEMES = ("light", "dark")
TOKENS = Path(__file__).parents[1] / "static" / "exports" / "css" / "tokens.css"
# A fixed time, so that two screenshots of the page can be compared.
NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)
NEVER = datetime(2999, 1, 1, tzinfo=UTC)
# The owner and the reader of the exports. This user has all permissions, and is in no table.
_user = get_user_model()
READER = _user(pk=0, is_superuser=True, is_active=True, **{_user.USERNAME_FIELD: "ada"})
ROWS, TOTAL = 124_608, 336_776


@require_safe
def style(request: HttpRequest) -> HttpResponse:
    """Show all components in the light and the dark scheme, side by side."""
    if not settings.DEBUG:
        raise Http404
    context = {
        "schemes": [_Scheme(name) for name in SCHEMES],
        "reader": SimpleNamespace(user=READER),
        "colours": re.findall(r"--([\w-]+): (?:light-dark|var)\(", TOKENS.read_text()),
        "icons": re.findall(r'id="icon-(\w+)"', get_template("_icons.svg").render()),
        "levels": ["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"],
        "toasts": ["info", "success", "warning", "error"],
        "previews": PREVIEWS,
        "noon": NOON,
    }
    return render(request, "exports/style_guide.html", context)


class _Scheme:
    """The contents of one half of the page."""

    def __init__(self, name: str) -> None:
        self.name = name
        made = [_export(f"{name} {title}", title, **fields) for title, fields in STATES.items()]
        self.active = [export for export in made if export.status not in FINAL]
        self.history = [export for export in made if export.status in FINAL]
        self.sheets = [self.active[-1], self.history[0]]
        self.fields = _Fields({"number": "x"}, prefix=name)
        self.inbox = SimpleNamespace(entries=[_entry(*each[:3], read=each[3]) for each in ENTRIES])


class _Fields(forms.Form):
    """A field of each kind. One of them has an error."""

    text = forms.CharField(initial="Flights", required=False, help_text="The purpose of the field.")
    number = forms.IntegerField()
    choice = forms.ChoiceField(choices=[("csv", "CSV"), ("xlsx", "Excel")], required=False)
    date = forms.DateField(widget=forms.DateInput(attrs={"type": "date"}), required=False)
    yes = forms.BooleanField(required=False)
    idle = forms.CharField(disabled=True, initial="Cannot be changed", required=False)


def _export(seed: str, label: str, **fields: Any) -> Export:
    renewed = timezone.now() - timedelta(seconds=fields.pop("silence", 0))
    given = {
        "pk": uuid.uuid5(uuid.NAMESPACE_OID, seed),
        "owner": READER,
        "exporter": next((each.name for each in registry.available(READER)), ""),
        "label": label,
        "format": Format.CSV,
        "created_at": NOON,
        "queued_at": NOON,
        "lease_expires_at": renewed + timedelta(seconds=conf.LEASE_SECONDS),
        "worker": "worker-1@here",
        "attempt": 1,
        **fields,
    }
    return Export(**given)


def _entry(level: str, title: str, body: str, *, read: bool) -> SimpleNamespace:
    notice = SimpleNamespace(level=level, title=title, body=body, url="#")
    return SimpleNamespace(offset=0, at=NOON, notice=notice, read=read)


_running = {"status": Status.RUNNING, "started_at": NOON, "rate": 45_210.4}
_extracting = {**_running, "stage": Stage.EXTRACTING, "rows_total": TOTAL, "rows_done": ROWS}
_over = {"started_at": NOON, "finished_at": NOON + timedelta(seconds=12), "stage": Stage.NONE}
_stopped = {**_over, "rows_total": TOTAL, "rows_done": ROWS}
_done = {
    **_over,
    "status": Status.SUCCEEDED,
    "file": "1.csv",
    "rows_total": TOTAL,
    "rows_done": TOTAL,
    "bytes": 56_050_889,
    "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "expires_at": NEVER,
    "read_from": NOON,
    "read_until": NOON + timedelta(seconds=9),
}
_paused = {"status": Status.PAUSED, "stage": Stage.NONE, "team": Group(pk=0, name="Analysts")}
_assembling = {"stage": Stage.ASSEMBLING, "rows_done": TOTAL, "assembled": 0.42}
_too_large = Message(
    "This export has %(rows)s rows; the limit is %(allowed)s. Add filters, or "
    "ask an administrator to raise the limit.",
    rows=TOTAL,
    allowed=100_000,
)

# A card for each status, each stage, and any other state that changes a card. The key is its title.
STATES: dict[str, dict[str, Any]] = {
    "Queued": {"status": Status.QUEUED, "attempt": 0},
    "Waiting for disk space": {"status": Status.QUEUED, "attempt": 0, "waits_for": Wait.SPACE},
    "Counting": {**_running, "stage": Stage.COUNTING, "rate": None},
    "Assembling": {**_extracting, **_assembling},
    "Continuing after a lost worker": {**_extracting, "attempt": 2, "rows_most": ROWS + 75_000},
    "No update from the worker": {**_extracting, "silence": 20},
    "Pausing": {**_extracting, "status": Status.PAUSING},
    "Paused, shared": {**_extracting, **_paused},
    "Cancelling": {**_extracting, "status": Status.CANCELLING},
    "Extracting": {**_extracting, "bytes": 20_000_000},
    "Ready": _done,
    "Ready, some rows were removed": {**_done, "rows_done": TOTAL - 1, "rows_removed": 1},
    "Expired, with a name that is longer than one line": {**_done, "expires_at": NOON},
    "Too large": {**_over, "status": Status.FAILED, **dump(_too_large)},
    "Failed": {**_stopped, "status": Status.FAILED, "error": "KeyError: 'faa'"},
    "Cancelled": {**_stopped, "status": Status.CANCELLED},
}

PREVIEWS: tuple[dict[str, Any], ...] = (
    {
        "sample": {
            "headers": ["id", "carrier", "delay"],
            "cells": [["1", "United Air Lines Inc.", "9"], ["2", "", "-11"]],
        },
    },
    {"sample": {"lines": ["id,carrier,delay", "1,United Air Lines Inc.,9", "2,,-11"]}},
    {"problem": "Choose at least one column."},
)

ENTRIES = (
    ("info", "Flights is ready", "336 776 rows, 53.5 MB.", False),
    ("error", "Airports has failed", "The file is larger than the limit allows.", False),
    ("info", "Planes is ready", "3 322 rows, 234.8 KB.", True),
)
