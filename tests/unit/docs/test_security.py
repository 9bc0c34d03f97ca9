"""The threat model in SECURITY.md: each line names its tests, and no pickle is read."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.sessions.serializers import JSONSerializer
from django.utils.module_loading import import_string

from config.celery import app

ROOT = Path(__file__).resolve().parents[3]
_, _, THREATS = (ROOT / "SECURITY.md").read_text().partition("\n## An anonymous visitor\n")
ROWS = re.findall(r"^\| (?!They \||It \|)(.+)\|$", THREATS, re.M)


def test_messages_and_results_cannot_be_pickles():
    assert list(app.conf.accept_content) == ["json"]
    assert list(app.conf.result_accept_content or app.conf.accept_content) == ["json"]
    assert (app.conf.task_serializer, app.conf.result_serializer) == ("json", "json")
    assert import_string(settings.SESSION_SERIALIZER) is JSONSerializer

    ours = [path for app in ("config", "exports", "notifications") for path in files(app)]
    assert ours
    assert [
        str(path) for path in ours if re.search(r"\b(pickle|marshal|shelve)\b", text(path))
    ] == []


@pytest.mark.parametrize("row", ROWS)
def test_claims_of_the_threat_model_name_their_tests(row):
    claim, _, proof = row.rpartition("|")

    assert claim.strip().endswith(".")
    assert re.search(r"`test_\w+(\.py)?`", proof), claim


def files(folder):
    return sorted((ROOT / folder).rglob("*.py"))


def text(path):
    return path.read_text()
