"""What was counted is compared with what was written, and a difference explained or refused."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client

from demo.models import Flight
from exports import lifecycle
from exports.engine import extract
from exports.engine.readers import rows
from exports.exceptions import RepeatedKey
from exports.models import Export
from tests.exporting import COLUMNS, WORKER, content, file_with, log, make_flights, request, run
from tests.exporting import use_folders as use
from tests.library_models import Book, BookLine, Tag, tables
from tests.reading import planned

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def _folders(settings, tmp_path):
    use(settings, tmp_path)
    settings.EXPORTS_PART_ROWS = 10


@pytest.fixture
def person():
    return User.objects.create_superuser("person")


def between_count_and_reading(monkeypatch, change):
    plan = extract.plan

    def plan_then_change(*arguments):
        ranges = plan(*arguments)
        change()
        return ranges

    monkeypatch.setattr(extract, "plan", plan_then_change)


@pytest.mark.parametrize("file_format", ["csv", "jsonl", "xlsx", "parquet"])
def test_rows_that_come_and_go_are_said_and_change_no_count(person, monkeypatch, file_format):
    make_flights(range(1, 31, 1))
    Flight.objects.filter(pk__in=[5, 15]).delete()
    export = lifecycle.claim(request(person, format=file_format).pk, worker=WORKER)

    def change():
        Flight.objects.filter(pk__in=[1, 2]).delete()
        make_flights([15])

    between_count_and_reading(monkeypatch, change)
    run(export)

    assert (export.status, export.error) == ("succeeded", "")
    assert (export.rows_total, export.rows_done) == (28, 27)
    # Parts are of ten keys: the two are of the first, the one of the second.
    assert (export.rows_added, export.rows_removed) == (1, 2)
    if file_format == "csv":
        assert content(export) == file_with(key for key in range(3, 31) if key != 5)
    assert "Since the count 1 rows were added and 2 removed." in log(export)


def test_page_and_api_say_what_has_changed(person, monkeypatch):
    make_flights(range(1, 31))
    export = lifecycle.claim(request(person).pk, worker=WORKER)
    between_count_and_reading(monkeypatch, lambda: Flight.objects.filter(pk=3).delete())
    run(export)
    client = Client()
    client.force_login(person)

    page = client.get(f"/exports/{export.pk}/").content.decode()
    answer = client.get(f"/api/v1/exports/{export.pk}").json()

    assert "1 row was removed after the count" in page
    names = ("rows_total", "rows_done", "rows_added", "rows_removed")
    assert [answer[name] for name in names] == [30, 29, 0, 1]


def test_reader_that_loses_a_row_makes_no_file(person, monkeypatch):
    make_flights(range(1, 31))
    columns = [*COLUMNS, "date"]
    export = lifecycle.claim(request(person, format="xlsx", columns=columns).pk, worker=WORKER)
    pages = rows._by_keyset if connection.vendor == "sqlite" else rows._by_stream

    def losing(*arguments):
        for page in pages(*arguments):
            yield page[:-1]

    monkeypatch.setattr(rows, pages.__name__, losing)
    run(export)

    assert export.status == "failed"
    assert (
        "A part of the file has 9 rows. 10 were counted before, and 10 were there" in export.error
    )
    assert not Export.objects.get().file


def test_join_that_loses_a_row_makes_no_file(person, monkeypatch):
    make_flights(range(1, 31))  # Every fifth has no airport.
    monkeypatch.setattr("exports.joins.keep_rows", _inner_joins)
    export = lifecycle.claim(request(person).pk, worker=WORKER)

    run(export)

    assert export.status == "failed"
    assert "were counted before" in export.error


def _inner_joins(queryset, kept):
    query = queryset.query
    for alias in set(query.alias_map) - set(kept):
        query.alias_map[alias] = query.alias_map[alias].demote()


def test_keys_of_a_view_that_repeat_are_refused():
    with tables():
        book = Book.objects.create(title="B", year=2000, author_id=1)
        book.tags.add(Tag.objects.create(word="a"))
        assert sum(keys.rows for keys in planned(BookLine.objects.all(), 1)) == 1
        book.tags.add(Tag.objects.create(word="b"))

        with pytest.raises(RepeatedKey, match=r'"id" of tests\.BookLine is not unique: 2 rows'):
            planned(BookLine.objects.all(), 1)
