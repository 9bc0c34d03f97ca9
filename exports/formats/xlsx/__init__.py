"""XLSX: a workbook whose sheets are joined from parts that any worker has written.

`cells` makes XML of values, a column at a time. `rows` puts cells into rows, with marks where
their addresses come. `segments` deflates rows for the way to whoever joins them, and keeps an
index. `sheets` numbers the rows and fills one sheet after another, `zip` is the container, and
`book` the documents about the sheets in it.
"""

from __future__ import annotations

from exports.formats.xlsx.writer import XLSXWriter

__all__ = ["XLSXWriter"]
