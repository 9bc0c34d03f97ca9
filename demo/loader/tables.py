"""The file for each table, and the columns that are not copied unchanged."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from demo.loader.source import NA, Row, Source
from demo.models import Airline, Airport, Flight, Plane, Weather

if TYPE_CHECKING:
    from django.db.models import Model

# A function that adds values to a row of the file: renamed columns, and columns that only the table
# has.
Complete = Callable[[Row], Row]


def unchanged() -> Complete:
    return lambda row: row


def weather() -> Complete:
    return lambda row: row | {"origin_id": row["origin"]}


def flights() -> Complete:
    planes = set(Plane.objects.values_list("pk", flat=True))
    airports = set(Airport.objects.values_list("pk", flat=True))

    def complete(row: Row) -> Row:
        tailnum, dest = row["tailnum"], row["dest"]
        return row | {
            "date": f"{row['year']}-{row['month']}-{row['day']}",
            "carrier_id": row["carrier"],
            "origin_id": row["origin"],
            "plane_id": tailnum if tailnum in planes else NA,
            "dest_id": dest if dest in airports else NA,
            "dest_code": dest,
        }

    return complete


@dataclass(frozen=True)
class Table:
    model: type[Model]
    source: Source
    # Returns the function that completes rows. Called when the tables before this one are full.
    completion: Callable[[], Complete] = unchanged


# Foreign keys of a table refer only to tables before it.
TABLES = (
    Table(
        Airline,
        Source(
            "airlines",
            rows=16,
            sha256="a8ebf22a327a67c0c869cb2504247e4ea1dd54ec7640479835065884f575888c",
        ),
    ),
    Table(
        Airport,
        Source(
            "airports",
            rows=1_458,
            sha256="5966a3e1751c4fd6e985c771edf9bdc035a169b954aaa0d76283b8f047311a77",
        ),
    ),
    Table(
        Plane,
        Source(
            "planes",
            rows=3_322,
            sha256="296257bbcf5f3ebfb59ae304aa669f44b96a4a21f6d860564cc9566475803516",
        ),
    ),
    Table(
        Weather,
        Source(
            "weather",
            rows=26_115,
            sha256="f8dac62fe8b612a2056c137b9994b47aee297b3e8d6d20c5c4200ce81d56ddad",
        ),
        weather,
    ),
    Table(
        Flight,
        Source(
            "flights",
            rows=336_776,
            sha256="b85ee4b4d4c585cd5cebb6908552b40e8ac88411e5f3ee7493418de98e17a289",
        ),
        flights,
    ),
)
