"""Keys of every type: each row comes once, in the order of keys, wherever the rows are cut."""

from __future__ import annotations

import datetime
import uuid

import pytest
from django.db import connection

from exports.exceptions import RepeatedKey
from exports.exporters import Exporter
from exports.readers.plan import key_text, read_key
from exports.spec import preview
from exports.spec.spec import build_spec
from tests.support.exporting import registered
from tests.support.library import READERS
from tests.support.library_models import (
    Author,
    Book,
    BookLine,
    BookLineProxy,
    ByBinary,
    ByBytesAndText,
    ByDate,
    ByDuration,
    ByFloat,
    ByNumber,
    ByOther,
    ByOtherYet,
    ByPair,
    ByRank,
    ByText,
    ByTime,
    ByUUID,
    Novelist,
    Rank,
    Tag,
    tables,
)
from tests.support.reading import extracted, planned

pytestmark = pytest.mark.django_db(transaction=True)

IS_POSTGRES = connection.vendor == "postgresql"
_BYTES = [b"", b"\x00", b"\x00\xff", b"0", b"0123", b"a", b"\\x61", b"\xff\xfe", bytes(range(256))]
# No two are equal without regard to case.
_TEXTS = ["", "B", "a", "C", "d", "É", "f", "z", "10", "9", "'", "%s", "\\"]
KEYS = {
    ByUUID: [uuid.UUID(int=number) for number in (0, 1, 2**64, 2**127, 2**128 - 1)],
    ByBinary: _BYTES,
    ByNumber: [-(2**63), -1, 0, 1, 10, 9, 2**53 + 1, 2**63 - 1],
    ByText: _TEXTS,
    ByDuration: [
        datetime.timedelta(days, seconds, micro)
        for days, seconds, micro in [
            (-400, 1, 1),
            (0, -1, 999_999),
            (0, 0, 0),
            (0, 0, 1),
            (9, 1, 0),
        ]
    ],
    ByFloat: [-1e300, -0.1, 0.0, 5e-324, 0.1, 0.1 + 2**-56, 1 / 3, 2.0**53, 1e300, float("inf")],
    ByTime: [datetime.time(0), datetime.time(0, 0, 0, 1), datetime.time(23, 59, 59, 999_999)],
    ByDate: [datetime.date(1, 1, 1), datetime.date(1969, 12, 31), datetime.date(9999, 12, 31)],
    ByRank: list(Rank),
    ByPair: [(left, right) for left in (-1, 0, 2) for right in ("", "a", "'")],
    ByBytesAndText: [(left, right) for left in _BYTES[:4] for right in _TEXTS[:5]],
}


@pytest.fixture(autouse=True)
def _own_tables():
    with tables():
        yield


def stored(model, keys):
    """Rows with `keys`; the word of each says which of them it is, in no order."""
    names = [field.attname for field in model._meta.pk_fields]
    model._base_manager.bulk_create(
        model(**dict(zip(names, key if len(names) > 1 else [key], strict=True)), word=str(number))
        for number, key in enumerate(keys)
    )
    return model._base_manager.all()


def assert_each_once(queryset, by):
    expected = list(queryset.order_by("pk").values_list("word", flat=True))
    for part_rows in (1, 2, 3, 1_000):
        made = extracted(queryset, ["word"], by=by, part_rows=part_rows, page_rows=2)

        assert made.file.decode().splitlines()[1:] == expected
        assert sum(made.rows) == len(expected)


@pytest.mark.parametrize("model", KEYS, ids=lambda model: model.__name__)
@pytest.mark.parametrize("by", READERS)
def test_rows_come_once_for_every_type_of_key(model, by):
    assert_each_once(stored(model, KEYS[model]), by)


@pytest.mark.parametrize("model", KEYS, ids=lambda model: model.__name__)
def test_unusual_key_survives_conversion_to_text(model):
    for key in KEYS[model]:
        back = read_key(model, key_text(model, key))

        assert back == key
        assert repr(back) == repr(key) or isinstance(back, memoryview | tuple)


@pytest.mark.parametrize("by", READERS)
def test_foreign_key_works_as_a_primary_key(by):
    stored(ByBinary, _BYTES)
    ByOther._base_manager.bulk_create(
        ByOther(binary_id=key, word=f"o{number}") for number, key in enumerate(_BYTES)
    )
    ByOtherYet._base_manager.bulk_create(
        ByOtherYet(other_id=key, word=f"y{number}") for number, key in enumerate(_BYTES)
    )

    assert_each_once(ByOther._base_manager.all(), by)
    assert_each_once(ByOtherYet._base_manager.all(), by)


@pytest.mark.parametrize("by", READERS)
def test_multi_table_row_is_exported_once(by):
    for number in range(5):
        Novelist._base_manager.create(
            name=str(number), country_id="nowhere", genre=f"g{number}", born=1900
        )
    Author.everyone.create(name="none", country_id="nowhere")

    made = extracted(
        Novelist._base_manager.all(), ["genre", "name", "country__name"], by=by, part_rows=2
    )

    assert made.file.decode().splitlines()[1:] == [f"g{n},{n}," for n in range(5)]


def test_preview_reports_duplicate_keys_of_a_view(django_user_model):
    book = Book.objects.create(title="B", year=2000, author_id=1)
    book.tags.add(*(Tag.objects.create(word=word) for word in "ab"))
    superuser = django_user_model.objects.create_superuser("person")

    class Lines(Exporter):
        queryset = BookLine.objects.all()
        permission = "tests.any"
        columns = ("title", "word")

    with registered(Lines):
        looked = preview.preview(build_spec(superuser, exporter="lines"))

    assert '"id" of tests.BookLine is not unique: 2 rows have 1' in looked.problem
    assert looked.sample is None


def test_duplicate_keys_of_a_view_are_refused_for_its_proxy():
    book = Book.objects.create(title="B", year=2000, author_id=1)
    book.tags.add(*(Tag.objects.create(word=word) for word in "ab"))

    with pytest.raises(RepeatedKey, match=r'"id" of tests\.BookLineProxy is not unique: 2 rows'):
        planned(BookLineProxy.objects.all(), 1)
