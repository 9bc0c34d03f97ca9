"""The demo's flights, for tests that export them."""

from __future__ import annotations

import csv
import io

from demo.loader import load as loader
from demo.loader.tables import TABLES
from demo.models import Flight, Weather

# With these settings an export of some thousand rows takes seconds on any database, because the
# cost of parts does not depend on the speed of reading.
SLOWLY = {"EXPORTS_PART_ROWS": "50", "EXPORTS_PAGE_ROWS": "50"}
# A column of each type: numbers, text, a joined name, and values that may be missing.
FIELDS = ("id", "tailnum", "carrier__name", "dest_code", "arr_delay", "distance")
# The tables that flights refer to. Without the weather, which would be most of the rows.
NEEDED = [table for table in TABLES if table.model is not Weather]


def load(flights: int) -> None:
    """Load the first flights, with their airlines, airports and planes."""
    loader.load(lambda *_: None, flights=flights, tables=NEEDED)


def assert_complete(file: bytes) -> None:
    """Check that the file has every row of the table once, in order, with its values."""
    rows = list(csv.DictReader(io.StringIO(file.decode())))
    table = Flight.objects.order_by("pk").values_list(*FIELDS)

    assert [tuple(row[field] for field in FIELDS) for row in rows] == [
        tuple("" if value is None else str(value) for value in flight) for flight in table
    ]
