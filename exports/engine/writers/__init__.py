"""From rows to bytes. Writers know no Django and no storage.

A file is made in parts, by any worker and in any order; `assemble` makes it of them. Each
format is a module, and all look alike: `base` says how.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from exports.engine.writers.csv import CSVWriter
from exports.engine.writers.jsonl import JSONLinesWriter

if TYPE_CHECKING:
    from exports.engine.writers.base import Writer

# By the value of `models.Format`.
WRITERS: dict[str, type[Writer]] = {"csv": CSVWriter, "jsonl": JSONLinesWriter}
