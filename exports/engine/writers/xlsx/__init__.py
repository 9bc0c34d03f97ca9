"""XLSX: a workbook whose sheets are joined from parts that any worker has written.

`cells` makes XML of values, a column at a time. `segments` deflates rows in pieces that can be
joined as they are, and keeps an index of them. `sheets` fills one sheet after another with
such pieces, `zip` is the container, and `book` the documents about the sheets in it. So a row
is deflated once, by whoever reads it, and assembling copies.
"""

from __future__ import annotations

from exports.engine.writers.xlsx.writer import XLSXWriter

__all__ = ["XLSXWriter"]
