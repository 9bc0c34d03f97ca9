"""JSON Lines: one object a row, UTF-8. Decimals and times are text, as in CSV."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from exports.engine.writers.text import dumps

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class JSONLinesWriter:
    def __init__(self, headers: Sequence[str]) -> None:
        self._headers = headers

    def head(self) -> bytes:
        return b""

    def rows(self, rows: Iterable[Sequence[Any]]) -> bytes:
        return "".join(
            dumps(dict(zip(self._headers, row, strict=True))) + "\n" for row in rows
        ).encode()
