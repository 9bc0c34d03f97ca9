"""Copy the demo's flights until there are enough, with consecutive keys.

python -m benchmarks.flights ROWS
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from benchmarks.export import set_up

if TYPE_CHECKING:
    from django.db.backends.base.base import BaseDatabaseWrapper


def grow(rows: int) -> None:
    """Let the database copy flights until there are `rows` of them."""
    from django.db import connection
    from django.db.models import Max

    from demo.models import Flight

    existing, last = Flight.objects.count(), Flight.objects.aggregate(last=Max("pk"))["last"]
    with connection.cursor() as cursor:
        if existing < rows:
            cursor.execute(_copies(Flight), [-(-rows // existing) - 1, last, rows - existing])
        # This gives the planner statistics and allows index-only scans, as for a table in use.
        cursor.execute("VACUUM ANALYZE demo_flight" if _is_postgres(connection) else "ANALYZE")


def _copies(model: Any) -> str:
    columns = [field.column for field in model._meta.concrete_fields if not field.primary_key]
    listed = ", ".join(columns)
    table = model._meta.db_table
    return (
        "WITH RECURSIVE copies (number) AS ("
        "SELECT 1 UNION ALL SELECT number + 1 FROM copies WHERE number < %s) "
        f"INSERT INTO {table} (id, {listed}) "
        f"SELECT id + number * %s, {listed} FROM copies CROSS JOIN {table} "
        "ORDER BY number, id LIMIT %s"
    )


def _is_postgres(connection: BaseDatabaseWrapper) -> bool:
    return connection.vendor == "postgresql"


if __name__ == "__main__":
    set_up()
    grow(int(sys.argv[1]))
