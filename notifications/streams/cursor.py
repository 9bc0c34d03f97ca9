"""A cursor: the position of a client in a stream. Its text is opaque to clients.

The WebSocket, the API, the pages and the replay command use the same format.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

# The largest integer of the database has 19 digits.
FORMAT = re.compile(r"([\w-]+)\.(\d{1,19})\.(\d{1,19})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Cursor:
    """The client has everything up to event `offset` and retained value `revision`."""

    epoch: str
    offset: int
    revision: int

    def __str__(self) -> str:
        return f"{self.epoch}.{self.offset}.{self.revision}"

    @classmethod
    def parse(cls, text: str) -> Cursor:
        """Parse the text of a cursor. Raise ValueError for anything else."""
        found = FORMAT.fullmatch(text)
        if found is None:
            raise ValueError(f'"{text[:80]}" is not a valid cursor. Use one that the server sent.')
        return cls(found[1], int(found[2]), int(found[3]))

    def covers(self, other: Cursor) -> bool:
        """Return whether a client at this cursor has everything that a client at `other` has.

        False if the epochs differ.
        """
        return (
            self.epoch == other.epoch
            and self.offset >= other.offset
            and self.revision >= other.revision
        )

    def join(self, other: Cursor) -> Cursor:
        """Return the cursor of a client that has the items of both cursors."""
        return Cursor(
            self.epoch, max(self.offset, other.offset), max(self.revision, other.revision)
        )


def cursor_or_start(text: str | None) -> Cursor | Literal["latest"] | None:
    """Parse the start that a client requests: a cursor, "latest", or None for everything.

    Raise ValueError for anything else.
    """
    if text is None or text == "latest":
        return text  # type: ignore[return-value]  # mypy does not narrow a str to a literal.
    return Cursor.parse(text)
