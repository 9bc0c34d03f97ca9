"""One look: what is chosen once is chosen in one place, and every icon is there and in use."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest

from exports.status import Status
from notifications.inbox.types import Level

ROOT = Path(__file__).resolve().parents[3]
STATIC = ROOT / "exports" / "static" / "exports"
TOKENS = STATIC / "css" / "tokens.css"
PARTS = sorted([*STATIC.glob("css/*.css"), STATIC / "style_guide.css"])
TEMPLATES = [
    path
    for app in ("exports", "notifications", "demo", "templates")
    for path in (ROOT / app).rglob("*.html")
]
SPRITE = (ROOT / "templates" / "_icons.svg").read_text()

pytestmark = pytest.mark.only_on("sqlite")

COLOUR = re.compile(
    r"#[0-9a-f]{3,8}\b|\b(?:rgb|hsl|hwb|lab|lch|oklab|oklch|color|light-dark)a?\("
    r"|:[^;{]*\b(?:black|white|gr[ae]y|red|green|blue|yellow|orange)\b",
    re.IGNORECASE,
)
# What the scale of type and the families of fonts are for. "em" is relative to them.
TYPE = re.compile(r"font(?:-size)?:[^;]*\d(?:rem|px)|font-family:(?! var\(| inherit)[^;]+")

# Distances that are on the scale. Others are a matter of the one thing that has them.
DISTANCE = re.compile(
    r"\b(?:gap|padding|margin)[\w-]*:[^;(]*(?<![\d.-])(?:0\.25|0\.5|0\.75|1|2)rem\b[^;]*"
)


def without_comments(css: str) -> str:
    return re.sub(r"/\*.*?\*/", "", css, flags=re.DOTALL)


def literals(pattern: re.Pattern[str], css: str) -> list[str]:
    return pattern.findall(without_comments(css))


@pytest.mark.parametrize("part", [part for part in PARTS if part != TOKENS], ids=lambda p: p.name)
def test_colours_type_and_distances_come_from_the_tokens(part):
    css = part.read_text()

    assert literals(COLOUR, css) == []
    assert literals(TYPE, css) == []
    assert literals(DISTANCE, css) == []


@pytest.mark.parametrize(
    ("pattern", "css"),
    [
        (COLOUR, "a { color: #fff; }"),
        (COLOUR, "a { box-shadow: 0 0 1rem rgb(0 0 0 / 20%); }"),
        (COLOUR, "a { background: white; }"),
        (TYPE, "a { font-size: 0.8rem; }"),
        (TYPE, "a { font-family: Arial; }"),
        (DISTANCE, "a { gap: 0 0.75rem; }"),
        (DISTANCE, "a { padding-inline: 1rem 0.375rem; }"),
    ],
)
def test_literals_are_found(pattern, css):
    assert literals(pattern, css)


def test_used_tokens_are_defined_and_defined_tokens_used():
    # What a part defines for itself, as --tone, is its own.
    defined = {name for part in PARTS for name in re.findall(r"(--[\w-]+):", part.read_text())}
    tokens = set(re.findall(r"(--[\w-]+):", TOKENS.read_text()))
    used = {name for part in PARTS for name in re.findall(r"var\((--[\w-]+)", part.read_text())}

    assert used - defined == set()
    assert tokens - used == set()


@pytest.mark.parametrize(
    ("entry", "folder"),
    [("waybill.css", "css"), ("admin.css", "admin/css")],
    ids=["pages", "admin"],
)
def test_stylesheet_imports_every_part(entry, folder):
    named = re.findall(rf'@import "{folder}/(.+?)"', (STATIC / entry).read_text())

    assert sorted(named) == sorted(path.name for path in STATIC.glob(f"{folder}/*.css"))


def test_style_guide_shows_each_colour():
    colours = re.findall(r"--([\w-]+): (?:light-dark|var)\(", TOKENS.read_text())
    shown = re.findall(r'\[data-colour="([\w-]+)"\]', (STATIC / "style_guide.css").read_text())

    assert set(shown) == set(colours)


def test_icons_all_exist_and_are_used():
    text = "\n".join(path.read_text() for path in TEMPLATES)
    used = {
        *re.findall(r'{% icon "([\w-]+)" %}', text),
        *re.findall(r'href="#icon-([\w-]+)"', text),
        # The symbol of a button, and those of the states: {% icon state %}.
        *re.findall(r'\bsymbol="([\w-]+)"', text),
        *Status.values,
        "expired",
        # Those of notifications: #icon-{{ level }}.
        *get_args(Level),
    }

    assert set(re.findall(r'id="icon-([\w-]+)"', SPRITE)) == used


def test_templates_draw_no_icons_of_their_own():
    drawn = re.compile(r"<(?:path|circle|rect)\b")

    drawing = {path.name for path in TEMPLATES if drawn.search(path.read_text())}

    assert drawing == set()


def test_icons_are_hidden_from_screen_readers():
    # Words beside it say the same, so a screen reader passes it over.
    for path in TEMPLATES:
        for svg in re.findall(r"<svg[^>]*>", path.read_text()):
            assert 'aria-hidden="true"' in svg, path
