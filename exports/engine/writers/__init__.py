"""From rows to bytes. Writers know no Django and no files.

A file is `head`, then the rows of all parts in order, each as `rows` made them. So parts
that were made in any order, by any worker, are joined as they are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from exports.engine.writers.csv import CSVWriter
from exports.engine.writers.jsonl import JSONLinesWriter

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class Writer(Protocol):
    def __init__(self, headers: Sequence[str]) -> None: ...

    def head(self) -> bytes:
        """What comes before the first row."""
        ...

    def rows(self, rows: Iterable[Sequence[Any]]) -> bytes:
        """These rows."""
        ...


# By the value of `models.Format`.
WRITERS: dict[str, type[Writer]] = {"csv": CSVWriter, "jsonl": JSONLinesWriter}
