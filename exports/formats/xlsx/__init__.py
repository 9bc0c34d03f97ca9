"""XLSX: a workbook whose sheets are joined from parts that any worker has written.

`cells` turns values into XML, a column at a time, and `rows` puts cells into rows, with marks for
their addresses. `segments` compresses the rows of a part and keeps an index. `sheets` numbers the
rows and fills one sheet after another. `zip` is the container, and `book` has the documents about
the sheets in it.
"""

from __future__ import annotations

from exports.formats.xlsx.writer import XLSXWriter

__all__ = ["XLSXWriter"]
