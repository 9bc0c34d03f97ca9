"""Rows that are lost on the way look like no difference: there is no file."""

from __future__ import annotations

from contextlib import closing
from functools import partial

import pytest
from django.core.files.storage import default_storage

from demo.models import Flight
from exports.exceptions import RepeatedKey, WrongCount
from exports.exporters import Exporter, joins
from exports.formats.parquet import ParquetWriter
from exports.formats.xlsx.sheets import Sheets
from exports.models import Part
from exports.readers import copy, rows
from exports.readers.connection import Source
from exports.readers.plan import Range
from exports.readers.recount import Recount
from exports.worker import helper, runner
from tests.support.exporting import left_in, make_flights, registered, run, start
from tests.support.library_models import Author, Book, BookLine, Country, Tag, tables
from tests.support.other_thread import in_other_thread
from tests.support.reading import planned
from tests.support.recount import IS_POSTGRES, only_postgres
from tests.support.watched import Watched

pytestmark = pytest.mark.django_db(transaction=True)


only_sqlite = pytest.mark.only_on("sqlite")


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
    "Part 2 has 9 rows. The database had 10 when they were read (10 at the "
    "start). The file would be wrong, so it was not created. Ask the developer of this exporter to "
    "check its columns and queryset."
)


@pytest.mark.proves("row-counts-are-verified")
@pytest.mark.usefixtures("authors")
@pytest.mark.parametrize("file_format", ["csv", "xlsx"])
@pytest.mark.parametrize("page_rows", [4, 100])
def test_reader_that_loses_a_row_fails_the_export(
    superuser, monkeypatch, settings, file_format, page_rows
):
    settings.EXPORTS_PAGE_ROWS = page_rows
    monkeypatch.setattr(joins, "keep_rows", lambda *_, **__: None)

    export = run(start(superuser, exporter="authors", columns=None, format=file_format))

    assert (export.status, export.error) == ("failed", WRONG)
    assert (export.rows_total, export.attempt, export.file) == (25, 1, "")
    assert left_in(runner.storage.Path(default_storage.location)) == set()


@pytest.mark.proves("row-counts-are-verified")
@pytest.mark.usefixtures("authors")
def test_deleted_rows_do_not_hide_a_lost_row(superuser, monkeypatch, after_plan):
    monkeypatch.setattr(joins, "keep_rows", lambda *_, **__: None)
    after_plan(lambda: Author.everyone.filter(pk=11).delete())

    export = run(start(superuser, exporter="authors", columns=None))

    assert export.status == "failed"
    assert export.error.startswith(
        "Part 2 has 8 rows. The database had 9 when they were read (10 at the start"
    )


@only_sqlite
@pytest.mark.usefixtures("authors")
def test_added_row_does_not_hide_a_lost_row_on_sqlite(superuser, monkeypatch, after_plan):
    """On PostgreSQL it does: a part that has as many rows as planned is not counted again."""
    monkeypatch.setattr(joins, "keep_rows", lambda *_, **__: None)
    Author.everyone.filter(pk=12).delete()
    after_plan(lambda: Author.everyone.create(pk=12, name="A12", country_id="at"))

    export = run(start(superuser, exporter="authors", columns=None))

    assert export.status == "failed"
    assert export.error.startswith("Part 2 has 10 rows. The database")


@pytest.mark.usefixtures("authors")
def test_helper_that_loses_a_row_leaves_the_result_to_the_holder(superuser, monkeypatch):
    monkeypatch.setattr(joins, "keep_rows", lambda *_, **__: None)
    export = start(superuser, exporter="authors", columns=None)
    claim = runner.parts.claim

    def claim_after_help(*args, **fields):
        if not fields:
            monkeypatch.setattr(runner.parts, "claim", claim)
            in_other_thread(
                partial(helper.help_with, export.pk, worker="w2", should_stop=lambda: False)
            )
        return claim(*args, **fields)

    monkeypatch.setattr(runner.parts, "claim", claim_after_help)
    run(export)

    assert (export.status, export.error) == ("failed", WRONG)


@pytest.mark.parametrize("file_format", ["xlsx", "parquet"])
def test_page_that_loses_a_row_in_transit_fails_the_export(superuser, monkeypatch, file_format):
    pages = rows._by_stream if IS_POSTGRES else rows._by_keyset

    def losing(*arguments):
        for number, page in enumerate(pages(*arguments)):
            yield page if number else page[:-1]

    make_flights(range(1, 36))
    monkeypatch.setattr(rows, pages.__name__, losing)

    export = run(start(superuser, format=file_format))

    assert export.status == "failed"
    assert export.error.startswith(
        "Part 1 has 9 rows. The database had 10 when they were read (10 at the start"
    )


def test_balanced_errors_of_pages_are_detected():
    make_flights(range(1, 11))
    part = Part(number=1, rows=10, rows_done=10)

    with closing(Source("default")) as source, source.reading(strictly=True):
        recount = Recount(source, Flight.objects.all(), Range(None, 10, 10))
        recount.compare_page(Range(None, 5, 4))
        recount.compare_page(Range(5, 10, 6))

    with pytest.raises(WrongCount, match=r"^Part 1 has 10 rows\."):
        recount.check(part)


@pytest.mark.proves("row-counts-are-verified")
@only_postgres
def test_missing_copy_message_is_detected():
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

        with pytest.raises(WrongCount, match=r"sent 10 rows, but 9 arrived\."):
            list(copy._copied(pgconn, query))


@pytest.mark.proves("row-counts-are-verified")
@pytest.mark.parametrize("file_format", ["xlsx", "parquet"])
def test_file_that_lost_rows_during_assembly_is_not_offered(superuser, monkeypatch, file_format):
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

    export = run(start(superuser, format=file_format))

    assert (export.status, export.error) == (
        "failed",
        "The file has 25 rows, but its parts have 35. Run the export again.",
    )
    assert left_in(runner.storage.Path(default_storage.location)) == set()


@pytest.mark.parametrize(
    ("tamper", "error"),
    [
        (
            lambda parts: parts.filter(number=2).update(rows_done=9),
            "Part 2 has 9 rows, but should have 10. Run the export again.",
        ),
        (
            lambda parts: parts.filter(number=2).delete(),
            "The parts of this export have 25 rows, but 35 were counted at the start. Run the "
            "export again.",
        ),
    ],
)
def test_inconsistent_parts_make_no_file(superuser, tamper, error):
    make_flights(range(1, 36))
    export = start(superuser, exporter="watched")
    Watched.happens[25] = lambda: tamper(Part.objects.filter(export=export))

    run(export)

    assert (export.status, export.error, export.rows_total) == ("failed", error, 35)


def test_duplicate_keys_of_a_view_are_refused():
    with tables():
        book = Book.objects.create(title="B", year=2000, author_id=1)
        book.tags.add(Tag.objects.create(word="a"))
        assert sum(keys.rows for keys in planned(BookLine.objects.all(), 1)) == 1
        book.tags.add(Tag.objects.create(word="b"))

        with pytest.raises(RepeatedKey, match=r'"id" of tests\.BookLine is not unique: 2 rows'):
            planned(BookLine.objects.all(), 1)
