"""XLSX: a workbook whose sheets are joined from parts.

`cells` converts values to XML, one column at a time, and `rows` combines cells to rows, with marks
instead of row numbers. `segments` compresses the rows of a part and writes an index. `sheets`
numbers the rows and fills one sheet after another. `zip` writes the container, and `book` the
documents that describe the sheets.
"""

from __future__ import annotations

from exports.formats.xlsx.writer import XLSXWriter

__all__ = ["XLSXWriter"]
