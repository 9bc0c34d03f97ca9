"""Templates can be reviewed line by line."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
TEMPLATES = [
    path
    for folder in ("config", "demo", "exports", "notifications", "templates")
    for path in sorted((ROOT / folder).rglob("*"))
    if path.suffix in {".html", ".txt", ".svg"} and "templates" in path.parts
]
MAX_LENGTH = 160
# A condition with alternatives takes a line for each tag.
BRANCH = re.compile(r"\{% (?:elif|else)\b")
TAG = re.compile(r"\{%")


def test_templates_of_all_apps_are_found():
    names = {str(path.relative_to(ROOT)) for path in TEMPLATES}

    assert {
        "exports/templates/exports/dashboard.html",
        "notifications/templates/notifications/mail/notice.txt",
        "templates/_icons.svg",
        "templates/base.html",
    } <= names


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: str(path.relative_to(ROOT)))
def test_lines_of_templates_are_short(path):
    lines = path.read_text().splitlines()

    assert [line for line in lines if len(line) > MAX_LENGTH] == []


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: str(path.relative_to(ROOT)))
def test_branches_of_conditions_have_their_own_lines(path):
    lines = path.read_text().splitlines()

    assert [line for line in lines if BRANCH.search(line) and len(TAG.findall(line)) > 1] == []
