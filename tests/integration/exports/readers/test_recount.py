"""Planned and written rows are compared: a difference is explained, or there is no file."""

from __future__ import annotations

import threading
from contextlib import closing
from functools import partial

import pytest
from django.core.files.storage import default_storage
from django.db import connection, connections
from django.db.models.expressions import RawSQL
from django.urls import reverse

from demo.models import Flight
from exports import lifecycle
from exports.exceptions import RepeatedKey, WrongCount
from exports.exporters import Exporter, joins
from exports.formats.parquet import ParquetWriter
from exports.formats.xlsx.sheets import Sheets
from exports.models import Export, Part
from exports.readers import copy, rows
from exports.readers.connection import Source
from exports.readers.plan import Range
from exports.readers.recount import Recount
from exports.serialize import snapshot
from exports.worker import extract, heartbeat, helper, runner
from exports.worker.progress import Ticker
from tests.support import exporting
from tests.support.exporting import (
    content,
    file_with,
    go_on,
    left_in,
    log,
    make_flights,
    registered,
    retained,
    run,
    start,
)
from tests.support.library_models import Author, Book, BookLine, Country, Tag, tables
from tests.support.reading import planned
from tests.support.watched import Watched

pytestmark = pytest.mark.django_db(transaction=True)
IS_POSTGRES = connection.vendor == "postgresql"
only_postgres = pytest.mark.only_on("postgres")
only_sqlite = pytest.mark.only_on("sqlite")
# On PostgreSQL the server writes the lines of the first.
EXPORTERS = ["flights", "watched"]


@pytest.fixture(autouse=True)
def folder(settings, tmp_path, monkeypatch):
    exporting.use_folders(settings, tmp_path)
    settings.EXPORTS_PART_ROWS = 10
    settings.EXPORTS_PAGE_ROWS = 4
    settings.EXPORTS_PARALLEL = 0
    # It would end queries of the test itself, on the connection that they share.
    monkeypatch.setattr(heartbeat, "LOOK_SECONDS", 60)
    for module in (runner, helper):
        monkeypatch.setattr(module, "Ticker", partial(Ticker, interval=0))
    Watched.happens = {}
    with registered(Watched):
        yield tmp_path
    assert left_in(tmp_path / "work") == set()


@pytest.fixture
def after_plan(monkeypatch):
    """Let something happen between the plan and the first row: `after_plan(action)`."""

    def arrange(action):
        plan = extract.plan

        def plan_and_act(*arguments):
            ranges = plan(*arguments)
            action()
            return ranges

        monkeypatch.setattr(extract, "plan", plan_and_act)

    return arrange


def elsewhere(action):
    """Do `action` over another connection, as another process would."""

    def work():
        try:
            action()
        finally:
            connections.close_all()

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


def delete(*keys):
    Flight.objects.filter(id__in=keys).delete()


def counts(export):
    export.refresh_from_db()
    return export.rows_total, export.rows_done, export.rows_added, export.rows_removed


def parts_of(export):
    return list(export.parts.order_by("number").values_list("rows", "rows_done", "rows_found"))


# -- Rows that come and go between the plan and the reading ----------------------------------


@pytest.mark.parametrize("exporter", EXPORTERS)
def test_undisturbed_export_has_no_difference(person, exporter):
    make_flights(range(1, 36))

    export = run(start(person, exporter=exporter))

    assert counts(export) == (35, 35, 0, 0)
    assert parts_of(export) == [(10, 10, None), (10, 10, None), (10, 10, None), (5, 5, None)]


@pytest.mark.parametrize("exporter", EXPORTERS)
def test_deleted_rows_are_explained(person, after_plan, exporter):
    make_flights(range(1, 36))
    after_plan(partial(elsewhere, partial(delete, 3, 15, 16, 35)))

    export = run(start(person, exporter=exporter))

    kept = [key for key in range(1, 36) if key not in {3, 15, 16, 35}]
    assert (export.status, content(export)) == ("succeeded", file_with(kept))
    assert counts(export) == (35, 31, 0, 4)
    assert parts_of(export) == [(10, 9, 9), (10, 8, 8), (10, 10, None), (5, 4, 4)]
    assert "Part 2 was planned with 10 rows, and 8 were there when it was read." in log(export)


@pytest.mark.parametrize("exporter", EXPORTERS)
def test_part_without_any_row_left_is_explained(person, after_plan, exporter):
    make_flights(range(1, 36))
    after_plan(partial(delete, *range(11, 21)))

    export = run(start(person, exporter=exporter))

    assert content(export) == file_with([*range(1, 11), *range(21, 36)])
    assert counts(export) == (35, 25, 0, 10)
    assert parts_of(export)[1] == (10, 0, 0)


@pytest.mark.parametrize("exporter", EXPORTERS)
def test_added_rows_are_explained(person, after_plan, exporter):
    make_flights(range(2, 71, 2))
    # The last one is behind the last key of the plan.
    after_plan(partial(elsewhere, partial(make_flights, [1, 3, 41, 99])))

    export = run(start(person, exporter=exporter))

    assert content(export) == file_with(sorted([*range(2, 71, 2), 1, 3, 41]))
    assert counts(export) == (35, 38, 3, 0)
    assert parts_of(export) == [(10, 12, 12), (10, 10, None), (10, 11, 11), (5, 5, None)]


@pytest.mark.parametrize("exporter", EXPORTERS)
def test_added_rows_do_not_hide_removed_ones(person, after_plan, exporter):
    def change():
        make_flights([1, 3])
        delete(42, 44)

    make_flights(range(2, 71, 2))
    after_plan(partial(elsewhere, change))

    export = run(start(person, exporter=exporter))

    assert export.status == "succeeded"
    assert counts(export) == (35, 35, 2, 2)


@pytest.mark.parametrize("exporter", EXPORTERS)
def test_row_that_no_longer_matches_the_filter_is_explained(person, after_plan, exporter):
    make_flights(range(1, 36))
    after_plan(lambda: Flight.objects.filter(id=34).update(arr_delay=0))
    export = start(person, filters={"arr_delay_min": 30}, exporter="flights")

    run(export)

    assert counts(export) == (5, 4, 0, 1)


@pytest.mark.parametrize("file_format", ["csv", "jsonl", "xlsx", "parquet"])
def test_every_format_explains_a_difference(person, after_plan, file_format):
    make_flights(range(1, 36))
    after_plan(partial(delete, 3))

    export = run(start(person, format=file_format))

    assert (export.status, export.error) == ("succeeded", "")
    assert counts(export) == (35, 34, 0, 1)


@pytest.mark.parametrize("exporter", EXPORTERS)
def test_sorted_export_explains_a_difference(person, after_plan, exporter):
    make_flights(range(1, 36))
    after_plan(partial(elsewhere, partial(delete, 3, 35)))
    listed = {"model": "demo.flight", "query": "", "order": ["-flight", "pk"]}

    export = run(start(person, exporter=exporter, changelist=listed))

    kept = [key for key in range(1, 35) if key != 3]
    assert content(export) == file_with(reversed(kept))
    assert (counts(export), parts_of(export)) == ((35, 33, 0, 2), [(35, 33, 33)])


# -- Rows that come and go while a part is read ----------------------------------------------


def test_rows_deleted_while_a_part_is_read_are_explained(person):
    def change():
        delete(2, 9, 12)  # Read already; of this part and still to come; of a part to come.

    make_flights(range(1, 36))
    Watched.happens[5] = partial(elsewhere, change)

    export = run(start(person, exporter="watched"))

    # On PostgreSQL a part is one query, on SQLite row 9 is of a later page.
    gone = {12} if IS_POSTGRES else {9, 12}
    assert content(export) == file_with(key for key in range(1, 36) if key not in gone)
    assert counts(export) == (35, 35 - len(gone), 0, len(gone))


def test_rows_deleted_while_a_sorted_export_is_read_change_nothing(person, after_plan):
    make_flights(range(1, 36))
    after_plan(partial(delete, 5))
    Watched.happens[30] = partial(elsewhere, partial(delete, 1, 2, 34))
    listed = {"model": "demo.flight", "query": "", "order": ["-flight", "pk"]}

    export = run(start(person, exporter="watched", changelist=listed))

    assert content(export) == file_with(key for key in range(35, 0, -1) if key != 5)
    assert counts(export) == (35, 34, 0, 1)


def test_part_of_a_helper_explains_its_difference(person):
    def change_and_help():
        delete(12, 13)
        helper.help_with(export.pk, worker="worker-2@tests", should_stop=lambda: False)

    make_flights(range(1, 36))
    export = start(person, exporter="watched")
    Watched.happens[5] = partial(elsewhere, change_and_help)

    run(export)

    assert export.parts.get(number=2).by_helper
    assert content(export) == file_with(key for key in range(1, 36) if key not in {12, 13})
    assert counts(export) == (35, 33, 0, 2)


def test_paused_export_explains_what_happened_meanwhile(person):
    make_flights(range(1, 36))
    export = start(person, exporter="watched")
    Watched.happens[25] = lambda: lifecycle.pause(Export.objects.get())
    run(export)
    delete(1, 2, 22)

    lifecycle.resume(export)
    export = go_on(export)

    assert content(export) == file_with(key for key in range(1, 36) if key != 22)
    assert counts(export) == (35, 34, 0, 1)


@pytest.mark.parametrize("exporter", EXPORTERS)
def test_rows_that_change_all_the_time_fail_no_export(person, exporter):
    def change():
        while not is_over.is_set():
            delete(*range(3, 100, 7))
            make_flights(range(3, 100, 7))

    make_flights(range(1, 101))
    is_over = threading.Event()
    others = threading.Thread(target=elsewhere, args=[change])
    others.start()

    try:
        export = run(start(person, exporter=exporter))
    finally:
        is_over.set()
        others.join()

    assert (export.status, export.error) == ("succeeded", "")
    total, done, added, removed = counts(export)
    assert done == total + added - removed == content(export).count(b"\n") - 1
    keys = [int(line.split(b",")[0]) for line in content(export).splitlines()[1:]]
    assert keys == sorted(set(keys))
    assert {key for key in range(1, 101) if key % 7 != 3} <= {*keys}


# -- What is wrong, and would look like a difference -----------------------------------------


class Authors(Exporter):
    """A column that an INNER JOIN would make lose rows."""

    queryset = Author.everyone.all()
    permission = "tests.any"
    columns = ["name", "country__name"]


@pytest.fixture
def authors():
    """Twenty-five of them. The country of the thirteenth is not there."""
    with tables(), registered(Authors):
        Country.objects.create(code="at", name="Austria")
        for number in range(1, 26):
            country = "nowhere" if number == 13 else "at"
            Author.everyone.create(pk=number, name=f"A{number}", country_id=country)
        yield


WRONG = (
    "Part 2 has 9 rows. At the moment they were read, the database had 10 (10 were counted at the "
    "start). The file would be wrong, so there is none. Ask the developer of this exporter to "
    "check its columns and queryset."
)


@pytest.mark.usefixtures("authors")
@pytest.mark.parametrize("file_format", ["csv", "xlsx"])
@pytest.mark.parametrize("page_rows", [4, 100])
def test_reader_that_loses_a_row_fails_the_export(
    person, monkeypatch, settings, file_format, page_rows
):
    settings.EXPORTS_PAGE_ROWS = page_rows
    monkeypatch.setattr(joins, "keep_rows", lambda *_, **__: None)

    export = run(start(person, exporter="authors", columns=None, format=file_format))

    assert (export.status, export.error) == ("failed", WRONG)
    assert (export.rows_total, export.attempt, export.file) == (25, 1, "")
    assert left_in(runner.storage.Path(default_storage.location)) == set()


@pytest.mark.usefixtures("authors")
def test_rows_deleted_meanwhile_do_not_hide_a_lost_one(person, monkeypatch, after_plan):
    monkeypatch.setattr(joins, "keep_rows", lambda *_, **__: None)
    after_plan(lambda: Author.everyone.filter(pk=11).delete())

    export = run(start(person, exporter="authors", columns=None))

    assert export.status == "failed"
    assert export.error.startswith(
        "Part 2 has 8 rows. At the moment they were read, the database had 9 (10 were counted"
    )


@only_sqlite
@pytest.mark.usefixtures("authors")
def test_row_added_meanwhile_does_not_hide_a_lost_one(person, monkeypatch, after_plan):
    """On PostgreSQL it does: a part that has as many rows as planned is not counted again."""
    monkeypatch.setattr(joins, "keep_rows", lambda *_, **__: None)
    Author.everyone.filter(pk=12).delete()
    after_plan(lambda: Author.everyone.create(pk=12, name="A12", country_id="at"))

    export = run(start(person, exporter="authors", columns=None))

    assert export.status == "failed"
    assert export.error.startswith("Part 2 has 10 rows. At the moment they were read, the database")


@pytest.mark.usefixtures("authors")
def test_helper_that_loses_a_row_leaves_the_verdict_to_the_holder(person, monkeypatch):
    monkeypatch.setattr(joins, "keep_rows", lambda *_, **__: None)
    export = start(person, exporter="authors", columns=None)
    claim = runner.parts.claim

    def claim_after_help(*args, **fields):
        if not fields:
            monkeypatch.setattr(runner.parts, "claim", claim)
            elsewhere(partial(helper.help_with, export.pk, worker="w2", should_stop=lambda: False))
        return claim(*args, **fields)

    monkeypatch.setattr(runner.parts, "claim", claim_after_help)
    run(export)

    assert (export.status, export.error) == ("failed", WRONG)


@pytest.mark.parametrize("file_format", ["xlsx", "parquet"])
def test_page_that_loses_a_row_on_its_way_fails_the_export(person, monkeypatch, file_format):
    pages = rows._by_stream if IS_POSTGRES else rows._by_keyset

    def losing(*arguments):
        for number, page in enumerate(pages(*arguments)):
            yield page if number else page[:-1]

    make_flights(range(1, 36))
    monkeypatch.setattr(rows, pages.__name__, losing)

    export = run(start(person, format=file_format))

    assert export.status == "failed"
    assert export.error.startswith(
        "Part 1 has 9 rows. At the moment they were read, the database had 10 (10 were counted"
    )


def test_pages_whose_faults_balance_are_wrong_all_the_same():
    make_flights(range(1, 11))
    part = Part(number=1, rows=10, rows_done=10)

    with closing(Source("default")) as source, source.reading(strictly=True):
        recount = Recount(source, Flight.objects.all(), Range(None, 10, 10))
        recount.compare_page(Range(None, 5, 4))
        recount.compare_page(Range(5, 10, 6))

    with pytest.raises(WrongCount, match=r"^Part 1 has 10 rows\."):
        recount.check(part)


@only_postgres
def test_message_that_does_not_arrive_is_noticed():
    class Losing:
        """A connection to the server that loses the third message of a COPY."""

        def __init__(self, pgconn):
            self._pgconn = pgconn
            self._messages = 0

        def __getattr__(self, name):
            return getattr(self._pgconn, name)

        def get_copy_data(self, wait):
            size, data = self._pgconn.get_copy_data(wait)
            self._messages += size > 0
            return self.get_copy_data(wait) if size > 0 and self._messages == 3 else (size, data)

    with closing(Source("default")) as source, source.reading():
        pgconn = Losing(source.connection.connection.pgconn)
        query = b"COPY (SELECT generate_series(1, 10)) TO STDOUT"

        with pytest.raises(WrongCount, match=r"has sent 10 rows, and 9 arrived\."):
            list(copy._copied(pgconn, query))


@pytest.mark.parametrize("file_format", ["xlsx", "parquet"])
def test_file_that_lost_rows_as_it_was_assembled_is_none(person, monkeypatch, file_format):
    make_flights(range(1, 36))
    if file_format == "xlsx":
        add = Sheets.add
        parts = iter(range(10))
        monkeypatch.setattr(
            Sheets, "add", lambda self, part: add(self, part) if next(parts) != 1 else None
        )
    else:
        assemble = ParquetWriter.assemble
        monkeypatch.setattr(
            ParquetWriter,
            "assemble",
            lambda self, out, parts: assemble(
                self, out, (part for number, part in enumerate(parts) if number != 1)
            ),
        )

    export = run(start(person, format=file_format))

    assert (export.status, export.error) == (
        "failed",
        "The file has 25 rows and its parts have 35. Run the export again.",
    )
    assert left_in(runner.storage.Path(default_storage.location)) == set()


@pytest.mark.parametrize(
    ("tamper", "error"),
    [
        (
            lambda parts: parts.filter(number=2).update(rows_done=9),
            "Part 2 has 9 rows and should have 10. Run the export again.",
        ),
        (
            lambda parts: parts.filter(number=2).delete(),
            "The parts of this export have 25 rows, and 35 were counted at the start. Run the "
            "export again.",
        ),
    ],
)
def test_parts_that_do_not_add_up_make_no_file(person, tamper, error):
    make_flights(range(1, 36))
    export = start(person, exporter="watched")
    Watched.happens[25] = lambda: tamper(Part.objects.filter(export=export))

    run(export)

    assert (export.status, export.error, export.rows_total) == ("failed", error, 35)


def test_keys_of_a_view_that_repeat_are_refused():
    with tables():
        book = Book.objects.create(title="B", year=2000, author_id=1)
        book.tags.add(Tag.objects.create(word="a"))
        assert sum(keys.rows for keys in planned(BookLine.objects.all(), 1)) == 1
        book.tags.add(Tag.objects.create(word="b"))

        with pytest.raises(RepeatedKey, match=r'"id" of tests\.BookLine is not unique: 2 rows'):
            planned(BookLine.objects.all(), 1)


# -- At one moment ---------------------------------------------------------------------------


class Numbered(Exporter):
    """As many flights as a sequence says, whose value no moment keeps."""

    queryset = Flight.objects.filter(
        id__lte=RawSQL("(SELECT last_value FROM recount_sequence)", [])
    )
    permission = "demo.export_flight"
    consistency = "snapshot"
    columns = ["id", "arr_delay"]


@only_postgres
def test_export_of_one_moment_sees_no_later_change(person, after_plan):
    class Still(Watched):
        consistency = "snapshot"

    make_flights(range(1, 36))
    after_plan(partial(elsewhere, partial(delete, 3, 15)))

    with registered(Still):
        export = run(start(person, exporter="still"))

    assert content(export) == file_with(range(1, 36))
    assert counts(export) == (35, 35, 0, 0)


@only_postgres
def test_difference_at_one_moment_fails_the_export(person, after_plan):
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
            export = run(start(person, exporter="numbered", columns=None))
    finally:
        with connection.cursor() as cursor:
            cursor.execute("DROP SEQUENCE recount_sequence")

    assert (export.status, export.error) == (
        "failed",
        "Part 4 has 3 rows, and 5 were counted at the same moment. So the queryset of this "
        "exporter does not always give the same rows. Ask its developer to remove random values "
        "and the current time from it.",
    )


# -- How it is told --------------------------------------------------------------------------

SAID = "Rows counted: 35. Rows in the file: 34. 1 row was removed while the export ran."


@pytest.fixture
def differing(person, after_plan, client):
    """An export from which a row was deleted meanwhile. Its owner is signed in."""
    make_flights(range(1, 36))
    after_plan(partial(delete, 3))
    client.force_login(person)
    return run(start(person))


@pytest.mark.parametrize("name", ["exports:detail", "exports:card", "admin:exports_export_change"])
def test_pages_explain_the_difference(client, differing, name):
    shown = client.get(reverse(name, args=[differing.pk])).content.decode()

    assert SAID in shown


def test_page_without_a_difference_explains_none(client, person):
    make_flights(range(1, 36))
    client.force_login(person)
    export = run(start(person))

    shown = client.get(export.get_absolute_url()).content.decode()

    assert "Rows counted" not in shown


def test_bar_of_a_file_with_fewer_rows_is_full(client, differing):
    shown = client.get(differing.get_absolute_url()).content.decode()

    assert '<progress aria-label="Progress" max="1" value="1"></progress>' in shown


def test_programs_are_told_the_difference(client, differing):
    found = client.get(f"/api/v1/exports/{differing.pk}").json()

    told = {"rows_total": 35, "rows_done": 34, "rows_added": 0, "rows_removed": 1}
    assert {name: found[name] for name in told} == told
    pushed = retained(differing.stream, differing.key)
    assert {name: pushed[name] for name in told} == told
    assert {name: snapshot(differing)[name] for name in told} == told
