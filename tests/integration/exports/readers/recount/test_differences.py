"""Planned and written rows are compared: rows that others change are explained."""

from __future__ import annotations

import threading
from functools import partial

import pytest
from django.db import connection
from django.db.models.expressions import RawSQL

from demo.models import Flight
from exports import lifecycle
from exports.exporters import Exporter
from exports.models import Export
from exports.worker import helper
from tests.support.exporting import (
    content,
    file_with,
    log,
    make_flights,
    registered,
    resume_with,
    run,
    start,
)
from tests.support.other_thread import in_other_thread
from tests.support.recount import IS_POSTGRES, delete, only_postgres
from tests.support.watched import Watched

pytestmark = pytest.mark.django_db(transaction=True)


# On PostgreSQL the server writes the lines of the first.
EXPORTERS = ["flights", "watched"]


def counts(export):
    export.refresh_from_db()
    return export.rows_total, export.rows_done, export.rows_added, export.rows_removed


def parts_of(export):
    return list(export.parts.order_by("number").values_list("rows", "rows_done", "rows_found"))


# -- Rows that come and go between the plan and the reading --------------------------------------


@pytest.mark.parametrize("exporter", EXPORTERS)
def test_undisturbed_export_has_no_difference(superuser, exporter):
    make_flights(range(1, 36))

    export = run(start(superuser, exporter=exporter))

    assert counts(export) == (35, 35, 0, 0)
    assert parts_of(export) == [(10, 10, None), (10, 10, None), (10, 10, None), (5, 5, None)]


@pytest.mark.proves("row-counts-are-verified")
@pytest.mark.parametrize("exporter", EXPORTERS)
def test_deleted_rows_are_explained(superuser, after_plan, exporter):
    make_flights(range(1, 36))
    after_plan(partial(in_other_thread, partial(delete, 3, 15, 16, 35)))

    export = run(start(superuser, exporter=exporter))

    kept = [key for key in range(1, 36) if key not in {3, 15, 16, 35}]
    assert (export.status, content(export)) == ("succeeded", file_with(kept))
    assert counts(export) == (35, 31, 0, 4)
    assert parts_of(export) == [(10, 9, 9), (10, 8, 8), (10, 10, None), (5, 4, 4)]
    assert "Part 2 was planned with 10 rows; it had 8 rows when it was read." in log(export)


@pytest.mark.parametrize("exporter", EXPORTERS)
def test_part_whose_rows_were_all_deleted_is_explained(superuser, after_plan, exporter):
    make_flights(range(1, 36))
    after_plan(partial(delete, *range(11, 21)))

    export = run(start(superuser, exporter=exporter))

    assert content(export) == file_with([*range(1, 11), *range(21, 36)])
    assert counts(export) == (35, 25, 0, 10)
    assert parts_of(export)[1] == (10, 0, 0)


@pytest.mark.parametrize("exporter", EXPORTERS)
def test_added_rows_are_explained(superuser, after_plan, exporter):
    make_flights(range(2, 71, 2))
    # The last one is behind the last key of the plan.
    after_plan(partial(in_other_thread, partial(make_flights, [1, 3, 41, 99])))

    export = run(start(superuser, exporter=exporter))

    assert content(export) == file_with(sorted([*range(2, 71, 2), 1, 3, 41]))
    assert counts(export) == (35, 38, 3, 0)
    assert parts_of(export) == [(10, 12, 12), (10, 10, None), (10, 11, 11), (5, 5, None)]


@pytest.mark.proves("row-counts-are-verified")
@pytest.mark.parametrize("exporter", EXPORTERS)
def test_added_rows_do_not_hide_removed_rows(superuser, after_plan, exporter):
    def change():
        make_flights([1, 3])
        delete(42, 44)

    make_flights(range(2, 71, 2))
    after_plan(partial(in_other_thread, change))

    export = run(start(superuser, exporter=exporter))

    assert export.status == "succeeded"
    assert counts(export) == (35, 35, 2, 2)


@pytest.mark.parametrize("exporter", EXPORTERS)
def test_row_that_leaves_the_filter_is_explained(superuser, after_plan, exporter):
    make_flights(range(1, 36))
    after_plan(lambda: Flight.objects.filter(id=34).update(arr_delay=0))
    export = start(superuser, filters={"arr_delay_min": 30}, exporter="flights")

    run(export)

    assert counts(export) == (5, 4, 0, 1)


@pytest.mark.parametrize("file_format", ["csv", "jsonl", "xlsx", "parquet"])
def test_every_format_explains_a_difference(superuser, after_plan, file_format):
    make_flights(range(1, 36))
    after_plan(partial(delete, 3))

    export = run(start(superuser, format=file_format))

    assert (export.status, export.error) == ("succeeded", "")
    assert counts(export) == (35, 34, 0, 1)


@pytest.mark.parametrize("exporter", EXPORTERS)
def test_sorted_export_explains_a_difference(superuser, after_plan, exporter):
    make_flights(range(1, 36))
    after_plan(partial(in_other_thread, partial(delete, 3, 35)))
    listed = {"model": "demo.flight", "query": "", "order": ["-flight", "pk"]}

    export = run(start(superuser, exporter=exporter, changelist=listed))

    kept = [key for key in range(1, 35) if key != 3]
    assert content(export) == file_with(reversed(kept))
    assert (counts(export), parts_of(export)) == ((35, 33, 0, 2), [(35, 33, 33)])


# -- Rows that come and go while a part is read --------------------------------------------------


@pytest.mark.proves("row-counts-are-verified")
def test_rows_deleted_while_a_part_is_read_are_explained(superuser):
    def change():
        delete(2, 9, 12)  # Read already; of this part and still to come; of a part to come.

    make_flights(range(1, 36))
    Watched.happens[5] = partial(in_other_thread, change)

    export = run(start(superuser, exporter="watched"))

    # On PostgreSQL a part is one query, on SQLite row 9 is of a later page.
    gone = {12} if IS_POSTGRES else {9, 12}
    assert content(export) == file_with(key for key in range(1, 36) if key not in gone)
    assert counts(export) == (35, 35 - len(gone), 0, len(gone))


def test_deletions_during_a_sorted_export_change_nothing(superuser, after_plan):
    make_flights(range(1, 36))
    after_plan(partial(delete, 5))
    Watched.happens[30] = partial(in_other_thread, partial(delete, 1, 2, 34))
    listed = {"model": "demo.flight", "query": "", "order": ["-flight", "pk"]}

    export = run(start(superuser, exporter="watched", changelist=listed))

    assert content(export) == file_with(key for key in range(35, 0, -1) if key != 5)
    assert counts(export) == (35, 34, 0, 1)


@pytest.mark.proves("row-counts-are-verified")
def test_difference_in_a_helpers_part_is_explained(superuser):
    def change_and_help():
        delete(12, 13)
        helper.help_with(export.pk, worker="worker-2@tests", should_stop=lambda: False)

    make_flights(range(1, 36))
    export = start(superuser, exporter="watched")
    Watched.happens[5] = partial(in_other_thread, change_and_help)

    run(export)

    assert export.parts.get(number=2).by_helper
    assert content(export) == file_with(key for key in range(1, 36) if key not in {12, 13})
    assert counts(export) == (35, 33, 0, 2)


def test_paused_export_explains_changes_during_the_pause(superuser):
    make_flights(range(1, 36))
    export = start(superuser, exporter="watched")
    Watched.happens[25] = lambda: lifecycle.pause(Export.objects.get())
    run(export)
    delete(1, 2, 22)

    lifecycle.resume(export)
    export = resume_with(export)

    assert content(export) == file_with(key for key in range(1, 36) if key != 22)
    assert counts(export) == (35, 34, 0, 1)


@pytest.mark.proves("row-counts-are-verified")
@pytest.mark.parametrize("exporter", EXPORTERS)
def test_constantly_changing_rows_fail_no_export(superuser, exporter):
    def change():
        while not is_over.is_set():
            delete(*range(3, 100, 7))
            make_flights(range(3, 100, 7))

    make_flights(range(1, 101))
    is_over = threading.Event()
    others = threading.Thread(target=in_other_thread, args=[change])
    others.start()

    try:
        export = run(start(superuser, exporter=exporter))
    finally:
        is_over.set()
        others.join()

    assert (export.status, export.error) == ("succeeded", "")
    total, done, added, removed = counts(export)
    assert done == total + added - removed == content(export).count(b"\n") - 1
    keys = [int(line.split(b",")[0]) for line in content(export).splitlines()[1:]]
    assert keys == sorted(set(keys))
    assert {key for key in range(1, 101) if key % 7 != 3} <= {*keys}


# -- At one moment -------------------------------------------------------------------------------


class Numbered(Exporter):
    """As many flights as a sequence says, whose value no moment keeps."""

    queryset = Flight.objects.filter(
        id__lte=RawSQL("(SELECT last_value FROM recount_sequence)", [])
    )
    permission = "demo.export_flight"
    consistency = "snapshot"
    columns = ["id", "arr_delay"]


@only_postgres
def test_snapshot_export_sees_no_later_change(superuser, after_plan):
    class Still(Watched):
        consistency = "snapshot"

    make_flights(range(1, 36))
    after_plan(partial(in_other_thread, partial(delete, 3, 15)))

    with registered(Still):
        export = run(start(superuser, exporter="still"))

    assert content(export) == file_with(range(1, 36))
    assert counts(export) == (35, 35, 0, 0)


@pytest.mark.proves("row-counts-are-verified")
@only_postgres
def test_difference_within_a_snapshot_fails_the_export(superuser, after_plan):
    def move(value):
        with connection.cursor() as cursor:
            cursor.execute("SELECT setval('recount_sequence', %s)", [value])

    make_flights(range(1, 36))
    with connection.cursor() as cursor:
        cursor.execute("CREATE SEQUENCE recount_sequence")
    move(35)
    after_plan(partial(move, 33))

    try:
        with registered(Numbered):
            export = run(start(superuser, exporter="numbered", columns=None))
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP SEQUENCE recount_sequence")

    assert (export.status, export.error) == (
        "failed",
        "Part 4 has 3 rows, but 5 were counted at the same moment. The queryset of this "
        "exporter does not always return the same rows. Ask its developer to remove random values "
        "and the current time from it.",
    )
