"""The options of file formats: their names, defaults and allowed values."""

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
# The characters at which spreadsheets offer to split a line.
DELIMITERS = (",", ";", "\t", "|")


def validate(format: str, requested: Mapping[str, Any] | None) -> dict[str, Any]:  # noqa: A002 - the field's name
    """Return the `requested` options that differ from the default. Raises InvalidOption."""
    requested = requested or {}
    for name, value in requested.items():
        if name not in BY_FORMAT[format]:
            available = (f"{known} ({_choices_in_words(known)})" for known in BY_FORMAT[format])
            raise InvalidOption(
                Message(
                    '%(format)s has no option "%(name)s". Available: %(known)s.',
                    format=str(Format(format).label),
                    name=name,
                    known="; ".join(available) or gettext("none"),
                )
            )
        # Compare types as well, because 1 == True.
        if not any(type(value) is type(each) and value == each for each in _choices(name)):
            raise InvalidOption(
                Message(
                    'The option "%(name)s" must be %(choices)s.',
                    name=name,
                    choices=_choices_in_words(name),
                )
            )
    # Sorted, so that equal specs are stored alike.
    return {name: value for name, value in sorted(requested.items()) if value != DEFAULTS[name]}


def describe(format: str) -> list[dict[str, Any]]:  # noqa: A002 - as above
    """Describe the options of a format for programs: name, default and choices."""
    return [
        {"name": name, "default": DEFAULTS[name], "choices": _choices(name)}
        for name in BY_FORMAT[format]
    ]


def _choices(name: str) -> list[Any]:
    return list(DELIMITERS) if name == "delimiter" else [True, False]


def _choices_in_words(name: str) -> str:
    if name == "delimiter":
        return gettext('one of "," ";" "|" and tab')
    return gettext("true or false")
