"""Rows and the addresses in them: `<row r="5"><c r="A5"…`.

Excel needs no addresses, but many readers do. A worker cannot know the number of a row: a part
before its own may get fewer rows than were planned. So a part has a mark in place of each number,
and the number is put there when the parts are joined.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

# Text cannot have it: no XML can, so `text` escapes it.
MARK = "\0"
END = b"</row>"

_MARK = MARK.encode()


def template(columns: int) -> str:
    """A row, to be filled with `%` by as many cells."""
    cells = "".join(f'<c r="{letters(at)}{MARK}"%s' for at in range(1, columns + 1))
    return f'<row r="{MARK}">{cells}</row>'


def letters(column: int) -> str:
    """The name of a column; the first is 1, and is called A."""
    name = ""
    while column:
        column, letter = divmod(column - 1, 26)
        name = chr(ord("A") + letter) + name
    return name


def addressed(row: str, number: int) -> str:
    return row.replace(MARK, str(number))


def numbered(rows: list[bytes], first: int) -> bytes:
    """These rows, each without its END, with their numbers from `first` on."""
    return END.join([*_numbered(rows, first), b""])


def _numbered(rows: list[bytes], first: int) -> Iterator[bytes]:
    for number, row in enumerate(rows, first):
        yield row.replace(_MARK, b"%d" % number)
