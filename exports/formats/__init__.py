"""The formats, which turn rows into bytes: CSV, JSON Lines, Excel and Parquet.

A file is written in parts, by any worker and in any order, and `assemble` joins them. Each format
is a module, and all of them look alike: see `base`. This package knows no Django and no storage.
"""

from __future__ import annotations

from pkgutil import resolve_name
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from exports.formats.base import Writer

# By the value of `models.Format`. Named, not imported: what writes no Parquet need not load a
# library of fifty megabytes for it.
WRITERS = {
    "csv": "exports.formats.csv:CSVWriter",
    "jsonl": "exports.formats.jsonl:JSONLinesWriter",
    "xlsx": "exports.formats.xlsx:XLSXWriter",
    "parquet": "exports.formats.parquet:ParquetWriter",
}


def writer_class(file_format: str) -> type[Writer]:
    """The writer of a format, which is one of WRITERS."""
    found: type[Writer] = resolve_name(WRITERS[file_format])
    return found
