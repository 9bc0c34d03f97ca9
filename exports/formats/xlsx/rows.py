"""Rows and the addresses in them: `<row r="5"><c r="A5"…`.

Excel needs no addresses, but many other programs do. A worker cannot know the number of a row,
because an earlier part may get fewer rows than planned. So a part has a mark in place of each row
number, and the numbers are inserted when the parts are joined.
"""

from __future__ import annotations

# XML cannot contain this character, and `text` escapes it, so no text in a cell has it.
MARK = "\0"
END = b"</row>"

_MARK = MARK.encode()


def template(columns: int) -> str:
    """Return a row as a format for `%`, with a place for each cell."""
    cells = "".join(f'<c r="{letters(at)}{MARK}"%s' for at in range(1, columns + 1))
    return f'<row r="{MARK}">{cells}</row>'


def letters(column: int) -> str:
    """Return the name of a column. Column 1 is A."""
    name = ""
    while column:
        column, letter = divmod(column - 1, 26)
        name = chr(ord("A") + letter) + name
    return name


def addressed(row: str, number: int) -> str:
    return row.replace(MARK, str(number))


def numbered(rows: list[bytes], first: int) -> bytes:
    """Number `rows`, each of which lacks its END, from `first` on; return them with END."""
    filled = [row.replace(_MARK, b"%d" % number) for number, row in enumerate(rows, first)]
    return END.join([*filled, b""])
