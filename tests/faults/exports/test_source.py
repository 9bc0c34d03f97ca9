"""What is exported fails: the reason names it, and the workers live."""

from __future__ import annotations

import pytest
from django.db import connection

from demo.models import Plane
from tests.faults.exports.hazards.traps import SAYS

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.proves("source-errors-name-the-cause")
@pytest.mark.parametrize("exporter", ["alone", "shared"])
def test_failing_row_is_named_in_the_error(depot, exporter):
    depot.muster()
    depot.traps.set("row-000525", "fail")

    export = depot.request(exporter)

    depot.assert_failed(export, 'The column "passed" cannot be computed for row 000525', SAYS)


@pytest.fixture
def rename(depot):
    """A function that renames the table of planes, until the test is over or it is called again."""
    names = [Plane._meta.db_table, "elsewhere"]

    def rename():
        with connection.cursor() as cursor:
            cursor.execute(f"ALTER TABLE {names[0]} RENAME TO {names[1]}")
        names.reverse()

    yield rename
    if names[0] == "elsewhere":
        rename()


@pytest.mark.proves("source-errors-name-the-cause")
def test_missing_table_is_named_in_the_error(depot, clock, rename):
    depot.muster()
    hold = depot.traps.hold("save-part-000003")
    export = depot.request()
    hold.wait()

    rename()
    hold.release()
    depot.wait_for(export)
    rename()

    depot.assert_failed(export, Plane._meta.db_table)
