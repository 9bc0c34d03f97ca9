"""The columns of a file as a person chooses them: which, in what order, under what headers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from exports.exceptions import InvalidHeader

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from django.http import QueryDict

    from exports.exceptions import UnknownColumn
    from exports.exporters import Exporter

# Before the name of a column, in the name of the field that has its header.
HEADER = "header-"


@dataclass
class Choice:
    """One column. `header` is empty where the exporter's own, `usual`, will do.

    `focus` is the way that is to be pressed next by who has just moved it, "up" or "down".
    """

    name: str
    usual: str
    header: str = ""
    is_chosen: bool = True
    is_wrong: bool = False
    focus: str = ""


class ColumnChoices:
    """All columns of an exporter, those that are chosen and the others, in the order wanted."""

    def __init__(self, exporter: Exporter, choices: Iterable[Choice]) -> None:
        self._usual = _usual(exporter)
        self.choices = list(choices)
        self.error = ""

    @classmethod
    def of(cls, exporter: Exporter, params: Mapping[str, Any]) -> ColumnChoices:
        """As `params` of an export have them. What the exporter has no more is left out."""
        usual = _usual(exporter)
        chosen = [name for name in params.get("columns") or usual if name in usual]
        headers = params.get("headers") or {}
        order = [*chosen, *(name for name in usual if name not in chosen)]
        made = (Choice(name, usual[name], headers.get(name, ""), name in chosen) for name in order)
        return cls(exporter, made)

    @classmethod
    def sent(cls, exporter: Exporter, data: QueryDict) -> ColumnChoices:
        """As a form sends them: a header of each, in their order, and `column`s that are ticked.

        A name that is not the exporter's stays, to be refused by who knows why. A form
        without any of it means all columns.
        """
        usual = _usual(exporter)
        ticked = data.getlist("column")
        # Not by fields of their own: Django takes so many fields of a form, and no more.
        placed = [name for key in data if (name := key.removeprefix(HEADER)) != key]
        if not placed and not ticked:
            return cls.of(exporter, {})
        known = (name for name in placed if name in usual)
        order = dict.fromkeys([*known, *ticked, *usual])
        return cls(
            exporter,
            (
                Choice(
                    name,
                    usual.get(name, name),
                    data.get(f"{HEADER}{name}", "").strip(),
                    name in ticked,
                )
                for name in order
            ),
        )

    def press(self, button: str) -> None:
        """Move a column as the button says: "flight up" before the one that is there, or "down"."""
        name, _, way = button.rpartition(" ")
        names = [choice.name for choice in self.choices]
        if name in names:
            here = names.index(name)
            there = max(here - 1, 0) if way == "up" else min(here + 1, len(names) - 1)
            moved = self.choices.pop(here)
            self.choices.insert(there, moved)
            # At an end there is only the other way.
            ends = {0: "down", len(names) - 1: "up"}
            moved.focus = ends.get(there, way)

    def refuse(self, error: UnknownColumn | InvalidHeader) -> None:
        """Show what was refused, and at which of them."""
        self.error = error.localized()
        wrong = error.columns if isinstance(error, InvalidHeader) else ()
        for choice in self.choices:
            choice.is_wrong = choice.name in wrong

    @property
    def asked(self) -> dict[str, Any]:
        """Return `columns` and `headers` for `build_spec`; None for the exporter's own."""
        chosen = [choice for choice in self.choices if choice.is_chosen]
        names: Sequence[str] = [choice.name for choice in chosen]
        headers = {
            choice.name: choice.header
            for choice in chosen
            if choice.header and choice.header != choice.usual
        }
        is_usual = names == list(self._usual)
        return {"columns": None if is_usual else names, "headers": headers or None}


def _usual(exporter: Exporter) -> dict[str, str]:
    """The header of each of its columns, by name, in its order."""
    return {column.name: str(column.header) for column in exporter.all_columns()}
