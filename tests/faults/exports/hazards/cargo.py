"""What is exported here: planes, numbered, each row a place to lie in wait at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import connection
from django.db.models import F, Func, TextField

from demo.models import Plane
from exports.exporters import Column, Exporter
from exports.models import Consistency
from tests.faults.exports.hazards.traps import spring

if TYPE_CHECKING:
    from collections.abc import Iterable

ROWS = 900
PART_ROWS = 150  # so there are six parts
PAGE_ROWS = 15
FEW = 10  # rows of a small export

HEAD = "tailnum,model,seats,passed\n"
_INSERT = (
    "INSERT INTO demo_plane (tailnum, year, type, manufacturer, model, engines, seats, engine)"
    " SELECT {number}, 2013, 'jet', 'ACME', 'model ' || n, 2, n %% 300, 'turbo' FROM {numbers}"
)


def make_planes(first: int = 1, last: int = ROWS) -> None:
    """Planes with these numbers."""
    if connection.vendor == "postgresql":
        sql = _INSERT.format(
            number="lpad(n::text, 6, '0')", numbers="generate_series(%s, %s) AS numbers (n)"
        )
    else:
        sql = "WITH RECURSIVE numbers (n) AS (SELECT %s UNION ALL SELECT n + 1 FROM numbers"
        sql += " WHERE n < %s) " + _INSERT.format(number="printf('%%06d', n)", numbers="numbers")
    with connection.cursor() as cursor:
        cursor.execute(sql, [first, last])


def line(number: int) -> str:
    return f"{number:06},model {number},{number % 300},x\n"


def file_of(numbers: Iterable[int]) -> bytes:
    """The file of an export of the planes that `make_planes` has made."""
    return (HEAD + "".join(map(line, numbers))).encode()


def passed(tailnum: str) -> str:
    spring("row")
    spring(f"row-{tailnum}")
    return "x"


def passed_few(_: str) -> str:
    spring("few")
    return "x"


# On PostgreSQL a row is held by whoever has the lock of its number, in the middle of a query.
_LOCK = "('x' || pg_advisory_xact_lock_shared(%(expressions)s::bigint))"
LOCKED = Func(F("tailnum"), template=_LOCK, output_field=TextField())


class _Planes(Exporter):
    queryset = Plane.objects.all()
    permission = "demo.export_plane"
    columns = ["tailnum", "model", "seats", Column("passed", needs=["tailnum"], python=passed)]
    parallel = 0


class Alone(_Planes):
    """One worker, row by row."""


class Shared(_Planes):
    """One more may help."""

    parallel = 1


class Few(_Planes):
    """A small one."""

    queryset = Plane.objects.filter(tailnum__lte=f"{FEW:06}")
    columns = ["tailnum", "model", "seats", Column("passed", needs=["tailnum"], python=passed_few)]


class Copied(_Planes):
    """PostgreSQL writes the lines."""

    columns = ["tailnum", "model", "seats", Column("passed", LOCKED)]


class CopiedShared(Copied):
    """The same, and one more may help."""

    parallel = 1


class Read(_Planes):
    """PostgreSQL waits, and Python writes the lines."""

    columns = ["tailnum", "model", Column("seats", needs=["seats"], python=int)]
    columns += [Column("passed", LOCKED)]


class Moment(Shared):
    """All rows as they were at one moment."""

    consistency = Consistency.SNAPSHOT


class MomentCopied(CopiedShared):
    consistency = Consistency.SNAPSHOT


ANYWHERE = (Alone, Shared, Few)
ON_POSTGRES = (Copied, CopiedShared, Read, Moment, MomentCopied)


def exporters() -> tuple[type[Exporter], ...]:
    """Those that can be on the database that Django has."""
    return ANYWHERE + (ON_POSTGRES if connection.vendor == "postgresql" else ())
