"""The preview of a choice: how many rows, the first of them, and what cannot be."""

from __future__ import annotations

import csv
import datetime
import io
import json
import threading

import openpyxl
import pyarrow.parquet
import pytest
from django.contrib.auth.models import User
from django.db import OperationalError, connection
from django.urls import reverse
from django.utils import translation
from django.utils.translation import gettext, gettext_lazy

from demo.models import Flight
from exports.exporters import Column, Exporter
from exports.models import Export
from exports.readers import connection as source
from exports.spec import preview
from exports.status import Status
from tests.support import exporting
from tests.support.choosing import CHOSEN, FLIGHTS, LOOK, committed, spec_of, words
from tests.support.pages import text
from tests.support.starting import start_export

pytestmark = pytest.mark.django_db


def finished(user, **more):
    """An export of the same, run to its end."""
    export = exporting.run(exporting.start(user, **{"columns": None, **more}))
    export.refresh_from_db()
    assert export.status == Status.SUCCEEDED
    return export


@pytest.mark.usefixtures("flights")
def test_preview_describes_rows_and_count(signed_in):
    found = signed_in.post(LOOK, CHOSEN)

    assert "3 flights" in words(found)
    assert "Carrier is United Air Lines Inc.; Arrival delay from 10 to 12" in words(found)
    assert not Export.objects.exists()


@committed
@pytest.mark.usefixtures("flights")
def test_button_shows_the_preview_without_javascript(signed_in):
    page = signed_in.post(FLIGHTS, {**CHOSEN, "preview": ""})

    assert page.status_code == 200
    assert "3 flights" in words(page)
    assert "<td><bdi>N11</bdi></td><td><bdi>11</bdi></td>" in text(page)


@committed
@pytest.mark.usefixtures("flights")
def test_preview_of_a_text_file_shows_its_lines(signed_in):
    shown = signed_in.post(LOOK, {**CHOSEN, "format": "jsonl"})

    assert '{"Plane":"N10","id":10}\n{"Plane":"N11","id":11}\n' in text(shown)


def test_invalid_preview_explains_itself(signed_in):
    refused = signed_in.post(LOOK, {**CHOSEN, "column": []})

    assert "Choose at least one column." in text(refused)
    assert "flights" not in text(refused)


def read_back(export):
    """The rows of the file as other tools read them."""
    content = exporting.content(export)
    if export.format == "csv":
        delimiter = export.options.get("delimiter", ",")
        return list(csv.reader(io.StringIO(content.decode(), newline=""), delimiter=delimiter))
    if export.format == "jsonl":
        return content.decode().splitlines()
    if export.format == "xlsx":
        return list(openpyxl.load_workbook(io.BytesIO(content)).active.values)
    table = pyarrow.parquet.read_table(io.BytesIO(content))
    return [table.column_names, *(row.values() for row in table.to_pylist())]


@committed
@pytest.mark.parametrize(
    ("file_format", "options"),
    [
        ("csv", {}),
        ("csv", {"delimiter": ";", "protect": False}),
        *((each, {}) for each in ("jsonl", "xlsx", "parquet")),
    ],
)
def test_previewed_rows_are_the_first_rows_of_the_file(user, file_format, options):
    exporting.make_flights(range(5, 40))
    Flight.objects.filter(pk=7).update(tailnum='=1;"2"')
    how = {
        "format": file_format,
        "options": options,
        "columns": ["tailnum", "id", "dest__name", "speed"],
        "headers": {"id": "No."},
    }

    found = preview.first_rows(spec_of(user, **how))

    file = read_back(finished(user, **how))
    if file_format == "jsonl":
        assert list(found.lines) == file[: preview.ROWS]
        assert json.loads(found.lines[0])["No."] == 5
    else:
        shown = [list(found.headers), *found.cells]
        expected = [["" if v is None else str(v) for v in row] for row in file]
        assert shown == expected[: preview.ROWS + 1]


@committed
@pytest.mark.parametrize("file_format", ["csv", "jsonl"])
def test_long_texts_and_unusual_line_breaks_stay_in_their_cells(user, flights, file_format):
    class Long(Exporter):
        queryset = Flight.objects.all()
        permission = "demo.export_flight"
        columns = [
            Column("odd", needs=["id"], python=lambda _: "a\u2028b\x85c"),
            Column("long", needs=["id"], python=lambda _: "x" * 200_000),
        ]

    with exporting.registered(Long):
        found = preview.first_rows(spec_of(user, exporter="long", format=file_format))

    assert len(found.cells or found.lines) == preview.ROWS
    assert (found.cells or [found.lines])[0][0].count("a\u2028b\x85c") == 1


def test_preview_without_rows_is_empty(user):
    found = preview.preview(spec_of(user))

    assert (found.count, found.sample.cells, found.estimate) == (0, [], None)


@committed
def test_failing_row_is_named(user, signed_in, flights):
    def fail(number):
        raise ValueError(f"no {number}")

    class Odd(Exporter):
        queryset = Flight.objects.all()
        permission = "demo.export_flight"
        columns = ["id", Column("odd", needs=["id"], python=fail)]

    with exporting.registered(Odd):
        url, in_german = reverse("exports:preview", args=["odd"]), {"accept-language": "de"}
        shown = signed_in.post(url, {"format": "csv"})
        german = signed_in.post(url, {"format": "csv"}, headers=in_german)

    assert "30 flights" in words(shown)
    assert 'The column "odd" cannot be computed for row 1: ValueError: no 1' in words(shown)
    assert "Die Spalte „odd“ lässt sich für Zeile 1 nicht berechnen" in words(german)


@committed
def test_translated_column_is_the_same_in_preview_and_file(user, flights):
    """Whatever the language of who looks, and of the process that writes it."""

    class Days(Exporter):
        queryset = Flight.objects.all()
        permission = "demo.export_flight"
        columns = [
            Column("day", needs=["id"], python=lambda _: gettext("Saturday")),
            Column("later", needs=["id"], python=lambda _: gettext_lazy("Sunday")),
        ]

    with exporting.registered(Days), translation.override("de"):
        looked = preview.preview(spec_of(user, exporter="days")).sample.cells
        export = exporting.run(exporting.start(user, exporter="days", columns=None))
    export.refresh_from_db()
    written = list(csv.reader(io.StringIO(exporting.content(export).decode())))

    assert looked == written[1:21] == [["Saturday", "Sunday"]] * 20


@committed
def test_slow_count_is_abandoned(user, monkeypatch):
    monkeypatch.setattr(preview, "SECONDS", 0.2)
    exporting.make_flights([1])
    endless = (
        "(WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000000000) "
        "SELECT MAX(i) FROM n) > 0"
    )

    class Slow(Exporter):
        queryset = Flight.objects.extra(where=[endless])
        permission = "demo.export_flight"
        columns = ["id"]

    with exporting.registered(Slow):
        found = preview.preview(spec_of(user, exporter="slow"))

    assert (found.count, found.sample, found.problem) == (None, None, "")
    assert Flight.objects.count() == 1, "the connection is of use afterwards"


@committed
def test_simultaneous_previews_are_limited_and_others_skipped(
    user, signed_in, flights, settings, monkeypatch
):
    """Nobody is waited for: these two hold their turns until all others know."""
    settings.EXPORTS_PREVIEWS = 2
    others_know = threading.Event()
    is_slow = threading.Semaphore(0)
    held: list[threading.Thread] = []
    found: dict[str, preview.Preview] = {}

    def read(number):
        is_slow.release()
        if not others_know.wait(30):
            others_know.set()  # It fails, and not after half a minute a row.
        return number

    class Slow(Exporter):
        queryset = Flight.objects.all()
        permission = "demo.export_flight"
        columns = ["id", Column("slow", needs=["id"], python=read)]

    def hold(spec):
        def look():
            found[spec.owner.username] = preview.preview(spec)
            connection.close()

        held.append(threading.Thread(target=look))
        held[-1].start()
        assert is_slow.acquire(timeout=30)

    with exporting.registered(Slow):
        mine, ada, eve = (
            spec_of(each, exporter="slow")
            for each in (user, *map(User.objects.create_superuser, ("ada", "eve")))
        )
        url = reverse("exports:preview", args=["slow"])
        hold(mine)
        # Whose own is still being made is told so, and takes no turn of others.
        told = words(signed_in.post(url, {"format": "csv"}))
        assert all(preview.preview(mine).is_busy for _ in range(3))
        hold(ada)
        assert preview.preview(eve).is_busy
        assert not others_know.is_set()
        others_know.set()
        for thread in held:
            thread.join()

        assert {name: each.count for name, each in found.items()} == {"somebody": 30, "ada": 30}
        assert all(len(each.sample.cells) == 20 for each in found.values())
        # Each has given its turn back, also one whose preview failed.
        with monkeypatch.context() as broken:
            broken.setattr(preview, "count_rows", lambda _: 1 / 0)
            for spec in (mine, ada, eve):
                with pytest.raises(ZeroDivisionError):
                    preview.preview(spec)
        assert [preview.preview(each).count for each in (mine, ada, eve)] == [30] * 3
    assert "Flights: count not available right now" in told
    assert "Skipped: too many previews are running. Try again in a moment." in told
    assert "too many to count" not in told


def test_early_database_error_is_not_a_timeout():
    with pytest.raises(OperationalError, match="gone"), source.limited(connection, 60):
        raise OperationalError("gone")


def test_estimate_uses_size_and_time_of_past_runs(user):
    """Half the columns are about half the bytes; time goes by rows."""
    assert preview.estimate(spec_of(user), 1_000) is None
    start = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    for number in range(2):
        export = start_export(user=user, exporter="flights", label=f"Run {number}")
        exporting.force_status(
            export,
            Status.SUCCEEDED,
            rows_done=2_000,
            bytes=420_000,
            started_at=start,
            finished_at=start + datetime.timedelta(seconds=4),
        )

    all_columns = preview.estimate(spec_of(user), 1_000)
    one = preview.estimate(spec_of(user, columns=["id"]), 1_000)

    assert (all_columns.bytes, all_columns.seconds) == (210_000, 2.0)
    assert (one.bytes, one.seconds) == (10_000, 2.0)
    assert preview.estimate(spec_of(user, format="xlsx"), 1_000) is None
    assert preview.estimate(spec_of(user, options={"gzip": True}), 1_000) is None
