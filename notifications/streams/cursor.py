"""A cursor: how far a client has come in a stream. Opaque to clients.

One form serves the WebSocket, the API, the pages and the replay command.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

# A number is as long as the database's may be: what is longer was not written by us.
FORM = re.compile(r"([\w-]+)\.(\d{1,19})\.(\d{1,19})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Cursor:
    """Everything up to event `offset` and retained value `revision` has been seen."""

    epoch: str
    offset: int
    revision: int

    def __str__(self) -> str:
        return f"{self.epoch}.{self.offset}.{self.revision}"

    @classmethod
    def parse(cls, text: str) -> Cursor:
        """Read what `str()` wrote. Raises ValueError for anything else."""
        found = FORM.fullmatch(text)
        if found is None:
            raise ValueError(f'"{text[:80]}" is not a cursor. Use one that the server sent.')
        return cls(found[1], int(found[2]), int(found[3]))

    def covers(self, other: Cursor) -> bool:
        """Whether whoever stands here has seen all that one at `other` has, in one epoch."""
        return (
            self.epoch == other.epoch
            and self.offset >= other.offset
            and self.revision >= other.revision
        )

    def join(self, other: Cursor) -> Cursor:
        """The position of one who has seen what both have seen."""
        return Cursor(
            self.epoch, max(self.offset, other.offset), max(self.revision, other.revision)
        )


def cursor_or_start(text: str | None) -> Cursor | Literal["latest"] | None:
    """What a client asks to follow from: a cursor, "latest", or None for all that is kept.

    Raises ValueError for anything else.
    """
    if text is None or text == "latest":
        return text  # type: ignore[return-value]  # Compared just now.
    return Cursor.parse(text)
