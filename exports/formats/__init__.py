"""The formats, which turn rows into bytes: CSV, JSON Lines, Excel and Parquet.

A file is written in parts, by any worker and in any order, and `assemble` joins them. Each format
is a module, and all of them look alike: see `base`. This package knows no Django and no storage.
"""

from __future__ import annotations

from pkgutil import resolve_name
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from exports.formats.base import Writer

# The keys are the values of `models.Format`. The classes are named, not imported: a process that
# writes no Parquet should not load pyarrow, which takes 50 MB.
WRITERS = {
    "csv": "exports.formats.csv:CSVWriter",
    "jsonl": "exports.formats.jsonl:JSONLinesWriter",
    "xlsx": "exports.formats.xlsx:XLSXWriter",
    "parquet": "exports.formats.parquet:ParquetWriter",
}


def writer_class(file_format: str) -> type[Writer]:
    """Return the writer class of `file_format`, a key of WRITERS."""
    found: type[Writer] = resolve_name(WRITERS[file_format])
    return found
