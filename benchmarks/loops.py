"""Common ways to export without Waybill, with the same columns.

Each function writes the first flights to a temporary file, and returns their number.
"""

from __future__ import annotations

import csv
import os
import subprocess
import tempfile
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.db import connection
from django.db.models import F

from demo.exporters import mph
from demo.models import Flight
from exports.exporters import registry
from exports.formats.base import Options
from exports.readers import copy
from exports.readers.connection import Source
from exports.readers.plan import Range
from exports.readers.projection import project
from exports.spec.columns import choose_columns

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from django.db.models import QuerySet

CHUNK = 2_000  # Rows that are fetched at once, as in a page of Waybill.

FIELDS = (
    "id",
    "date",
    "time_hour",
    "carrier_id",
    "carrier__name",
    "flight",
    "tailnum",
    "origin_id",
    "origin__name",
    "dest_code",
    "dest__name",
    "sched_dep_time",
    "dep_time",
    "dep_delay",
    "sched_arr_time",
    "arr_time",
    "arr_delay",
    "air_time",
    "distance",
)
# All columns that SQL can compute; `speed` needs Python.
IN_SQL = (*FIELDS, "delay")
HEADERS = (*IN_SQL, "speed")


def in_sql(count: int) -> QuerySet[Flight, tuple[Any, ...]]:
    """Return the first `count` flights with the columns of IN_SQL."""
    flights = Flight.objects.filter(pk__lte=count).order_by("pk")
    return flights.values_list(*FIELDS, F("arr_delay") - F("dep_delay"))


# -- As fast as the database allows --------------------------------------------------


def psql(count: int) -> int:
    r"""Run `psql \copy` of the plain query, without protection, progress or checksum."""
    return psql_copied(rf"\copy ({_literal(in_sql(count))}) to '{{path}}' csv header")


def waybills_statement(count: int) -> str:
    r"""Return the statement of Waybill for `psql \copy`, with all rows in one part."""
    flights = Flight.objects.all()
    columns = choose_columns(registry.get("flights"), list(IN_SQL))
    with closing(Source(connection.alias)) as source:
        source.connection.ensure_connection()
        statement = copy.statement(
            source,
            flights,
            project(flights, columns, connection.vendor),
            Range(None, count, count),
            file_format="csv",
            options=Options(),
        )
    selected, options = statement.decode().rsplit(" TO STDOUT ", 1)
    return rf"\{selected.replace('COPY', 'copy', 1)} to '{{path}}' {options}"


def psql_copied(command: str) -> int:
    r"""Return the number of rows that psql reports for this `\copy … to '{path}' …`."""
    with _file() as path:
        done = subprocess.run(
            [
                os.environ["PSQL"],
                "-X",
                os.environ["DATABASE_URL"],
                "-c",
                command.replace("{path}", str(path)),
            ],
            check=True,
            capture_output=True,
            text=True,
        )
    return int(done.stdout.split()[-1])


def sqlite3(count: int) -> int:
    """Join the rows of a cursor to lines, without quotes."""
    sql, parameters = in_sql(count).query.sql_with_params()
    connection.ensure_connection()
    rows = connection.connection.execute(sql.replace("%s", "?"), parameters)
    written = 0
    with _file() as path, path.open("w") as file:
        file.write(",".join(IN_SQL) + "\n")
        while page := rows.fetchmany(CHUNK):
            file.writelines(
                ",".join(["" if value is None else str(value) for value in row]) + "\n"
                for row in page
            )
            written += len(page)
    return written


def _literal(queryset: QuerySet[Any, Any]) -> str:
    from psycopg import ClientCursor

    connection.ensure_connection()
    return ClientCursor(connection.connection).mogrify(*queryset.query.sql_with_params())


# -- As exports are usually written --------------------------------------------------------------


def values_rows(count: int) -> Iterator[list[Any]]:
    """Use values_list().iterator(), the fastest short loop."""
    air_time, distance = FIELDS.index("air_time"), FIELDS.index("distance")
    for row in in_sql(count).iterator(CHUNK):
        yield [*row, mph(row[distance], row[air_time])]


def model_rows(count: int) -> Iterator[list[Any]]:
    """Use model instances, as most exporters do."""
    flights = Flight.objects.select_related("carrier", "origin", "dest")
    for flight in flights.filter(pk__lte=count).order_by("pk").iterator(CHUNK):
        landed = flight.arr_delay is not None and flight.dep_delay is not None
        yield [
            flight.id,
            flight.date,
            flight.time_hour,
            flight.carrier_id,
            flight.carrier.name,
            flight.flight,
            flight.tailnum,
            flight.origin_id,
            flight.origin.name,
            flight.dest_code,
            flight.dest.name if flight.dest else None,
            flight.sched_dep_time,
            flight.dep_time,
            flight.dep_delay,
            flight.sched_arr_time,
            flight.arr_time,
            flight.arr_delay,
            flight.air_time,
            flight.distance,
            flight.arr_delay - flight.dep_delay if landed else None,
            mph(flight.distance, flight.air_time),
        ]


def write(rows: Iterable[list[Any]]) -> int:
    """Write a CSV file."""
    count = 0
    with _file() as path, path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(HEADERS)
        for row in rows:
            writer.writerow(row)
            count += 1
    return count


def xlsxwriter(count: int) -> int:
    """Write a workbook with the fastest common library, in its mode for large files."""
    from xlsxwriter import Workbook

    options = {
        "constant_memory": True,
        "remove_timezone": True,
        "default_date_format": "yyyy-mm-dd hh:mm",
    }
    row = 0
    with _file() as path, Workbook(path, options) as workbook:
        sheet = workbook.add_worksheet()
        sheet.write_row(0, 0, HEADERS)
        for row, values in enumerate(values_rows(count), start=1):
            sheet.write_row(row, 0, values)
    return row


def import_export(count: int) -> int:
    """Use django-import-export as in its documentation."""
    from import_export.resources import modelresource_factory

    resource = modelresource_factory(Flight, meta_options={"fields": FIELDS})()
    flights = Flight.objects.select_related("carrier", "origin", "dest").filter(pk__lte=count)
    with _file() as path:
        data = resource.export(flights.order_by("pk"))
        path.write_text(data.csv)
    return len(data)


@contextmanager
def _file() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="waybill-loop-", dir=os.environ.get("VAR_DIR")) as path:
        yield Path(path) / "file"
