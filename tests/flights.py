"""The demo's flights, for tests that export them."""

from __future__ import annotations

import csv
import io

from django.core.management import call_command

from demo.models import Flight

# Settings with which an export of some thousands takes seconds, on any database: what parts
# cost does not depend on how fast rows are read.
SLOWLY = {"EXPORTS_PART_ROWS": "50", "EXPORTS_PAGE_ROWS": "50"}
# Of each type that a file can hold: numbers, text, a joined name, and what may be missing.
FIELDS = ("id", "tailnum", "carrier__name", "dest_code", "arr_delay", "distance")


def load(flights: int) -> None:
    """Load the first so many."""
    call_command("load_demo", flights=flights, stdout=io.StringIO())


def assert_complete(file: bytes) -> None:
    """The file has every row of the table, once, in order, with the values of the table."""
    rows = list(csv.DictReader(io.StringIO(file.decode())))
    table = Flight.objects.order_by("pk").values_list(*FIELDS)

    assert [tuple(row[field] for field in FIELDS) for row in rows] == [
        tuple("" if value is None else str(value) for value in flight) for flight in table
    ]
