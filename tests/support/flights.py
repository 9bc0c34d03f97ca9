"""The demo's flights, for tests that export them."""

from __future__ import annotations

import csv
import io

from demo.loader import load as loader
from demo.loader.tables import TABLES
from demo.models import Flight, Weather

# Settings with which an export of some thousands takes seconds, on any database: what parts
# cost does not depend on how fast rows are read.
SLOWLY = {"EXPORTS_PART_ROWS": "50", "EXPORTS_PAGE_ROWS": "50"}
# Of each type that a file can hold: numbers, text, a joined name, and what may be missing.
FIELDS = ("id", "tailnum", "carrier__name", "dest_code", "arr_delay", "distance")
# What a flight refers to. The weather would be most of the rows, and no flight needs it.
NEEDED = [table for table in TABLES if table.model is not Weather]


def load(flights: int) -> None:
    """Load the first so many, with their airlines, airports and planes."""
    loader.load(lambda *_: None, flights=flights, tables=NEEDED)


def assert_complete(file: bytes) -> None:
    """The file has every row of the table, once, in order, with the values of the table."""
    rows = list(csv.DictReader(io.StringIO(file.decode())))
    table = Flight.objects.order_by("pk").values_list(*FIELDS)

    assert [tuple(row[field] for field in FIELDS) for row in rows] == [
        tuple("" if value is None else str(value) for value in flight) for flight in table
    ]
