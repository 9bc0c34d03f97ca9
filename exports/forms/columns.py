"""The column choices of a form: which columns, in which order, under which headers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from exports.exceptions import InvalidHeader

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from django.http import QueryDict

    from exports.exceptions import UnknownColumn
    from exports.exporters import Exporter

HEADER = "header-"  # The field "header-carrier" has the header of the column "carrier".


@dataclass
class Choice:
    """A column. An empty `header` stands for the exporter's own one, `default_header`.

    After a move, `focus` is "up" or "down": the button of the column that gets the focus.
    """

    name: str
    default_header: str
    header: str = ""
    is_chosen: bool = True
    is_wrong: bool = False
    focus: str = ""


class ColumnChoices:
    """All columns of an exporter in the user's order. Each one is chosen or not."""

    def __init__(self, exporter: Exporter, choices: Iterable[Choice]) -> None:
        self._defaults = _default_headers(exporter)
        self.choices = list(choices)
        self.error = ""

    @classmethod
    def from_params(cls, exporter: Exporter, params: Mapping[str, Any]) -> ColumnChoices:
        """Read the `params` of a preset. Columns that the exporter no longer has are left out."""
        defaults = _default_headers(exporter)
        chosen = [name for name in params.get("columns") or defaults if name in defaults]
        headers = params.get("headers") or {}
        order = [*chosen, *(name for name in defaults if name not in chosen)]
        choices = (
            Choice(name, defaults[name], headers.get(name, ""), name in chosen) for name in order
        )
        return cls(exporter, choices)

    @classmethod
    def from_post(cls, exporter: Exporter, data: QueryDict) -> ColumnChoices:
        """Read a posted form: a header for each column, in their order, and the ticked `column`s.

        A ticked name that the exporter does not have stays, so that `build_spec` refuses it. A
        form without any of these fields means all columns.
        """
        defaults = _default_headers(exporter)
        ticked = data.getlist("column")
        # The headers also give the order. Fields for it could exceed Django's limit of fields.
        placed = [name for key in data if (name := key.removeprefix(HEADER)) != key]
        if not placed and not ticked:
            return cls.from_params(exporter, {})
        known = (name for name in placed if name in defaults)
        choices = []
        for name in dict.fromkeys([*known, *ticked, *defaults]):
            header = data.get(f"{HEADER}{name}", "").strip()
            choices.append(Choice(name, defaults.get(name, name), header, name in ticked))
        return cls(exporter, choices)

    def press(self, button: str) -> None:
        """Move a column by one place. `button` is the column and "up" or "down": "flight up"."""
        name, _, direction = button.rpartition(" ")
        names = [choice.name for choice in self.choices]
        if name in names:
            here = names.index(name)
            there = max(here - 1, 0) if direction == "up" else min(here + 1, len(names) - 1)
            moved = self.choices.pop(here)
            self.choices.insert(there, moved)
            # At the top and at the bottom only the other button is enabled.
            ends = {0: "down", len(names) - 1: "up"}
            moved.focus = ends.get(there, direction)

    def show_error(self, error: UnknownColumn | InvalidHeader) -> None:
        """Show `error`, and mark the columns that it names."""
        self.error = error.localized()
        wrong = error.columns if isinstance(error, InvalidHeader) else ()
        for choice in self.choices:
            choice.is_wrong = choice.name in wrong

    @property
    def spec_fields(self) -> dict[str, Any]:
        """Return `columns` and `headers` for `build_spec`. None means the exporter's own ones."""
        chosen = [choice for choice in self.choices if choice.is_chosen]
        names = [choice.name for choice in chosen]
        headers = {
            choice.name: choice.header
            for choice in chosen
            if choice.header and choice.header != choice.default_header
        }
        is_default = names == list(self._defaults)
        return {"columns": None if is_default else names, "headers": headers or None}


def _default_headers(exporter: Exporter) -> dict[str, str]:
    """Return the header of each column by its name, in the exporter's order."""
    return {column.name: str(column.header) for column in exporter.all_columns()}
