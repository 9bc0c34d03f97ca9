"""The file is the table: for any rows, for any text that is bound, and while others write."""

from __future__ import annotations

import csv
import io
import json
from contextlib import closing

import pytest
from django.db import DataError
from django.db.models import F, JSONField, TextField, Value
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exports.exceptions import UnreadableRow
from exports.exporters import Column
from exports.formats.base import Options
from exports.readers import copy
from exports.readers.connection import Source
from tests.support.exactness import COMPUTED, NAMES, ONLY_POSTGRES, READERS, assert_is_table
from tests.support.exactness_models import Everything, Place
from tests.support.reading import extracted, planned, readings_of, rows_of
from tests.support.samples import ROWS, TEXTS, make_places

pytestmark = pytest.mark.django_db(transaction=True)


# Where the tables are the test's, and no example of hypothesis leaves rows for another.
EXAMPLES = settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

# -- At random -----------------------------------------------------------------------------------


@EXAMPLES
@given(rows=ROWS, part_rows=st.integers(1, 6), page_rows=st.integers(1, 6), data=st.data())
def test_random_rows_give_the_same_file_however_they_are_cut(rows, part_rows, page_rows, data):
    make_random(rows)
    everything = Everything.objects.all()
    file_format = data.draw(st.sampled_from(["csv", "jsonl"]))
    columns = data.draw(st.permutations([*NAMES, *COMPUTED[:3]]))

    whole = extracted(everything, columns, file_format)
    cut = extracted(everything, columns, file_format, part_rows=part_rows, page_rows=page_rows)

    assert cut.file == whole.file
    assert sum(cut.protected) == sum(whole.protected)
    assert cut.rows == sizes(len(rows), part_rows)


@EXAMPLES
@given(rows=ROWS, part_rows=st.integers(1, 6), page_rows=st.integers(1, 6))
def test_random_rows_come_once_in_key_order_with_exact_values(rows, part_rows, page_rows):
    make_random(rows)

    found = rows_of(Everything.objects.all(), *NAMES, part_rows=part_rows, page_rows=page_rows)

    assert [int(row[0]) for row in found] == sorted(row["id"] for row in rows)
    assert_is_table(found, Everything.objects.all(), NAMES)


@ONLY_POSTGRES
@EXAMPLES
@given(rows=ROWS, part_rows=st.integers(1, 6), data=st.data())
def test_both_readers_agree_for_random_rows(rows, part_rows, data):
    make_random(rows)
    file_format = data.draw(st.sampled_from(["csv", "jsonl"]))
    options = {
        "part_rows": part_rows,
        "delimiter": data.draw(st.sampled_from(",;\t|")),
        "protect": data.draw(st.booleans()),
    }

    by_rows = extracted(Everything.objects.all(), NAMES, file_format, **options)
    by_copy = extracted(Everything.objects.all(), NAMES, file_format, by="copy", **options)

    assert by_copy == by_rows


def make_random(rows):
    Everything.objects.all().delete()
    if not Place.objects.exists():
        make_places()
    Everything.objects.bulk_create(Everything(**row) for row in rows)


def sizes(rows, part_rows):
    return [min(part_rows, rows - at) for at in range(0, rows, part_rows)]


# -- What is asked for is bound ------------------------------------------------------------------


@pytest.mark.parametrize("by", READERS)
def test_text_in_a_filter_value_and_header_is_kept_exactly(everything, by):
    for text in TEXTS:
        header = f"x{text[:40]}"
        columns = [
            "text",
            Column("value", Value(text, TextField())),
            Column("json", Value({"a": text}, JSONField())),
            Column("x", F("id"), header=header),
        ]
        rows = everything.filter(text=text, text__in=[text, "'"], text__startswith=text[:1])

        file = extracted(rows, columns, by=by, protect=False).file.decode()
        line = extracted(rows[:], columns, "jsonl", by=by).file.splitlines()[0]

        first, *cells = csv.reader(io.StringIO(file, newline=""))
        assert first == ["text", "value", "json", header]
        assert [row[:2] for row in cells] == [[text, text]] * rows.count()
        assert {json.loads(row[2])["a"] for row in cells} == {text}
        assert list(json.loads(line).items())[:3] == [
            *(("text", text), ("value", text), ("json", {"a": text}))
        ]
        assert header in json.loads(line)
    assert Everything.objects.count() > 60


@ONLY_POSTGRES
def test_nul_in_a_bound_text_is_refused_before_any_write(everything):
    for rows in (everything.filter(text="a\0b"), everything.filter(text__contains="\0")):
        with pytest.raises(DataError, match="NUL"):
            planned(rows, 10)


@pytest.mark.parametrize("by", READERS)
def test_impossible_conditions_give_a_file_without_rows(everything, by):
    for rows in (everything.none(), everything.filter(pk__in=[])):
        assert extracted(rows, ["id"], by=by).file == b"id\n"


# -- While others write, and when it fails -------------------------------------------------------


@ONLY_POSTGRES
@pytest.mark.parametrize(
    "change",
    [
        lambda: Everything.objects.filter(id__gt=12).delete(),
        lambda: Everything.objects.bulk_create(Everything(id=-n) for n in range(5)),
        lambda: Everything.objects.update(text="new", f1=0),
    ],
)
def test_copy_reads_a_part_as_of_one_moment(everything, change, monkeypatch):
    monkeypatch.setattr(copy, "MAX_LINES", 10)
    (keys,) = planned(everything, 1_000)
    before = extracted(everything, ["id", "text", "f1"]).parts[0]

    with closing(Source("default")) as source:
        readings = readings_of(everything, ["id", "text", "f1"], source)
        blocks = copy.read(source, everything, readings, keys, file_format="csv", options=Options())
        first = [bytes(line) for line in next(blocks)]
        change()
        lines = [*first, *(bytes(line) for block in blocks for line in block)]

    assert len(first) == 10
    assert b"".join(lines) == before


@ONLY_POSTGRES
def test_abandoned_copy_can_be_started_again(everything, monkeypatch):
    monkeypatch.setattr(copy, "MAX_LINES", 10)
    (keys,) = planned(everything, 1_000)

    with closing(Source("default")) as source:
        readings = readings_of(everything, NAMES, source)

        def begin():
            return copy.read(
                source, everything, readings, keys, file_format="csv", options=Options()
            )

        left = begin()
        next(left)
        left.close()
        lines = [bytes(line) for block in begin() for line in block]

    assert b"".join(lines) == extracted(everything, NAMES).parts[0]


def test_failing_function_names_its_column_and_row(everything):
    keys = list(everything.order_by("pk").values_list("pk", flat=True))

    def fail(key):
        return 1 / (key - keys[20])

    with pytest.raises(UnreadableRow, match=f'"inverse" cannot be computed for row {keys[20]}: '):
        extracted(everything, ["id", Column("inverse", needs=["id"], python=fail)])
