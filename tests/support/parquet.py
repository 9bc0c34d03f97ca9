"""Write Parquet files from rows of a test, and read them."""

from __future__ import annotations

import datetime
import io

import pyarrow.parquet as pq

from exports.formats.base import Options
from exports.formats.parquet import ParquetWriter

UTC = datetime.UTC


def parts_of(fields, *parts):
    """Return a file of these parts, each a list of pages."""
    files = []
    for pages in parts:
        out = io.BytesIO()
        part = ParquetWriter(fields, Options()).part(out)
        for page in pages:
            part.write(page)
        part.close()
        files.append(io.BytesIO(out.getvalue()))
    return files


def assembled(fields, *parts):
    out = io.BytesIO()
    ParquetWriter(fields, Options()).assemble(out, parts_of(fields, *parts))
    return out.getvalue()


def table_of(fields, *parts):
    return pq.read_table(io.BytesIO(assembled(fields, *parts)))
