"""How a file may be written: which options each format takes, and what of them is stored."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext

from exports.exceptions import InvalidOption
from exports.formats.base import Options
from exports.i18n.message import Message
from exports.models import Format

if TYPE_CHECKING:
    from collections.abc import Mapping

BY_FORMAT: dict[str, tuple[str, ...]] = {
    Format.CSV: ("delimiter", "bom", "header", "gzip", "protect"),
    Format.JSONL: ("gzip",),
    Format.XLSX: ("header", "protect"),
    Format.PARQUET: (),
}
DEFAULTS: dict[str, Any] = {field.name: field.default for field in fields(Options)}
# One that neither quotes nor ends a line, and that spreadsheets offer to split at.
DELIMITERS = (",", ";", "\t", "|")


def checked(format: str, asked: Mapping[str, Any] | None) -> dict[str, Any]:  # noqa: A002 - the field's name
    """What of `asked` differs from the default. Raises InvalidOption, which lists what there is."""
    asked = asked or {}
    for name, value in asked.items():
        if name not in BY_FORMAT[format]:
            raise InvalidOption(
                Message(
                    '%(format)s has no option "%(name)s". Available: %(known)s.',
                    format=_label(format),
                    name=name,
                    known=_those_of(format),
                )
            )
        if not _may_be(name, value):
            raise InvalidOption(
                Message(
                    'The option "%(name)s" must be %(choices)s.', name=name, choices=_in_words(name)
                )
            )
    # In one order, so that what is stored is the same for equal specs.
    return {name: value for name, value in sorted(asked.items()) if value != DEFAULTS[name]}


def described(format: str) -> list[dict[str, Any]]:  # noqa: A002 - as above
    """The options of a format for programs: name, default, and what else it may be."""
    return [
        {"name": name, "default": DEFAULTS[name], "choices": _choices(name)}
        for name in BY_FORMAT[format]
    ]


def _choices(name: str) -> list[Any]:
    return list(DELIMITERS) if name == "delimiter" else [True, False]


def _may_be(name: str, value: Any) -> bool:
    # Of its own type: 1 equals True, and is no answer to yes or no.
    return any(type(value) is type(choice) and value == choice for choice in _choices(name))


def _those_of(format: str) -> str:  # noqa: A002 - as above
    listed = (f"{name} ({_in_words(name)})" for name in BY_FORMAT[format])
    return "; ".join(listed) or gettext("none")


def _in_words(name: str) -> str:
    if name == "delimiter":
        return gettext('one of "," ";" "|" and tab')
    return gettext("true or false")


def _label(format: str) -> str:  # noqa: A002 - as above
    return str(Format(format).label)
