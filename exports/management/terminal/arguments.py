"""Parse arguments of the command line into parameters of `build_spec`."""

from __future__ import annotations

import json
import re
from argparse import ArgumentTypeError
from typing import TYPE_CHECKING, Any

from django.contrib.auth import get_user_model

from exports.exceptions import ExportError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django.contrib.auth.models import User

Pair = tuple[str, str]


class Refused(ExportError):
    """The arguments are invalid. The message says why, and what to do instead."""


def pair(text: str) -> Pair:
    """Parse NAME=VALUE, as the `type` of an argument."""
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise ArgumentTypeError(f'"{text}" is not NAME=VALUE.')
    return name, value


def names(text: str) -> list[str]:
    """Parse A,B,C, as the `type` of an argument."""
    return [name.strip() for name in text.split(",")]


def filters(pairs: Iterable[Pair]) -> dict[str, str | list[str]]:
    """Return the value of each name, or the list of its values if it occurs more than once."""
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        found.setdefault(name, []).append(value)
    return {name: values[0] if len(values) == 1 else values for name, values in found.items()}


def options(pairs: Iterable[Pair]) -> dict[str, Any]:
    """Return the last value of each name. true, false and integers are parsed; others are text."""
    return {
        name: json.loads(value) if re.fullmatch(r"true|false|-?(0|[1-9]\d{0,17})", value) else value
        for name, value in pairs
    }


def user(name: str | None) -> User:
    """Return the user `name`, or without a name the only superuser. Raises Refused."""
    model = get_user_model()
    if name is not None:
        try:
            found: User = model._default_manager.get_by_natural_key(name)
        except model.DoesNotExist:
            raise Refused(f'There is no user "{name}".') from None
        return found
    superusers = list(model._default_manager.filter(is_superuser=True, is_active=True)[:2])
    if len(superusers) != 1:
        problem = "There are several superusers" if superusers else "There is no superuser"
        raise Refused(f"{problem}. Name the owner of the export: --user NAME")
    return superusers[0]
