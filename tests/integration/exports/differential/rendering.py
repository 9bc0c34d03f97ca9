"""How values look in each format: the documented forms, in their simplest code."""

from __future__ import annotations

import datetime
import io
import json
import re
import uuid
from decimal import Decimal
from typing import Any

import pyarrow.parquet


def text(value: Any) -> Any:
    """A value as a cell has it; None for none."""
    match value:
        case None | str():
            return value
        case bool():
            return "true" if value else "false"
        case int() | uuid.UUID():
            return str(value)
        case Decimal():
            return format(value, "f")
        case datetime.date():
            return value.isoformat()
        case bytes() | memoryview():
            return bytes(value).hex()
    raise TypeError(f"No form is documented for {value!r}.")


def cell(value: Any, *, is_alone: bool) -> str:
    shown = text(value)
    if shown is None:
        return ""
    if isinstance(value, str) and re.match(r"'*[=+@\t\r-]", shown):
        shown = f"'{shown}"
    if not shown or re.search('[,"\r\n]', shown) or (is_alone and shown == "\\."):
        return '"' + shown.replace('"', '""') + '"'
    return str(shown)


def csv(headers: list[str], rows: list[list[Any]]) -> str:
    is_alone = len(headers) == 1
    lines = [headers, *rows]
    return "".join(",".join(cell(each, is_alone=is_alone) for each in row) + "\n" for row in lines)


def jsonl(headers: list[str], rows: list[list[Any]]) -> list[dict[str, Any]]:
    """The objects of the lines."""
    return [
        {
            header: value if isinstance(value, bool | int) else text(value)
            for header, value in zip(headers, row, strict=True)
        }
        for row in rows
    ]


def read_jsonl(file: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.decode().split("\n")[:-1]]


def read_parquet(file: bytes) -> list[list[Any]]:
    """The cells of its rows, as text."""
    columns = pyarrow.parquet.read_table(io.BytesIO(file)).to_pydict().values()
    return [list(map(text, row)) for row in zip(*columns, strict=True)]
