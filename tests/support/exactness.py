"""Columns of every type, and both readers of their values."""

from __future__ import annotations

import datetime
import json
import uuid
from decimal import Decimal

import pytest
from django.db import connection
from django.db.models import (
    BinaryField,
    Case,
    Exists,
    F,
    Func,
    JSONField,
    OuterRef,
    Q,
    Subquery,
    TextField,
    Value,
    When,
)
from django.db.models.fields.json import KT
from django.db.models.functions import Coalesce, Concat, ExtractSecond, ExtractYear, Length, Upper
from django.utils.dateparse import parse_duration

from exports.exporters import Column
from tests.support.exactness_models import Everything, Place
from tests.support.samples import UTC

READERS = ["rows", *(["copy"] if connection.vendor == "postgresql" else [])]
ONLY_POSTGRES = pytest.mark.only_on("postgres")

NAMES = [field.attname for field in Everything._meta.concrete_fields]
# These columns are computed in SQL.
COMPUTED = [
    Column("place__name"),
    Column("place"),
    Column("key", F("pk")),
    Column("minus", F("cast1") - 1),
    Column("half", F("f1") / 2),
    Column("double", F("money") * 2),
    Column("since", F("moment") - Value(datetime.datetime(2013, 1, 1, tzinfo=UTC))),
    Column("concat", Concat("char", Value(" %s '\" \\ "), "text", output_field=TextField())),
    Column(
        "case",
        Case(
            When(truth=True, then=Value("=yes")),
            When(text__contains="%", then=Value("100%")),
            default=Value("-no"),
        ),
    ),
    Column("subquery", Subquery(Place.objects.filter(pk=OuterRef("place_id")).values("name")[:1])),
    Column("exists", Exists(Place.objects.filter(pk=OuterRef("place_id"), name__startswith="="))),
    Column("coalesce", Coalesce("char", Value("+nothing"))),
    Column(
        "func",
        Func("text", Value("'"), Value("%"), function="REPLACE", output_field=TextField()),
    ),
    Column("value", Value('=it\'s 100% {} \\ "x"')),
    Column("nothing", Value(None, TextField())),
    Column("key_a", F("json__a")),
    Column("text_a", KT("json__a")),
    Column("null", Value(None, JSONField())),
    Column("year", ExtractYear("moment")),
    Column("second", ExtractSecond("moment")),
    Column("length", Length("text")),
    Column("upper", Upper("char")),
    Column("positive_f1", Q(f1__gt=0)),
    Column("bytes", Value(b"\x00=", BinaryField())),
]

READ = {
    "FloatField": float,
    "DecimalField": Decimal,
    "BooleanField": {"true": True, "false": False}.__getitem__,
    "DateField": datetime.date.fromisoformat,
    "DateTimeField": datetime.datetime.fromisoformat,
    "TimeField": datetime.time.fromisoformat,
    "DurationField": parse_duration,
    "UUIDField": uuid.UUID,
    "BinaryField": bytes.fromhex,
    "JSONField": json.loads,
    **dict.fromkeys(("AutoField", "SmallIntegerField", "IntegerField", "BigIntegerField"), int),
    **{f"Positive{size}IntegerField": int for size in ("", "Small", "Big")},
}


def value_of(name, text):
    """Return the value that the text of a field stands for."""
    field = Everything._meta.get_field(name)
    return None if text is None else READ.get(field.get_internal_type(), str)(text)


def table(queryset, names):
    """Return the rows as Django reads them."""
    return [list(map(comparable, row)) for row in queryset.order_by("pk").values_list(*names)]


def comparable(value):
    if isinstance(value, memoryview):
        return bytes(value)
    if isinstance(value, float):
        return "NaN" if value != value else value  # noqa: PLR0124 - only NaN differs from itself
    return str(value) if isinstance(value, Decimal) else value  # str() keeps the digits.


def assert_is_table(rows, queryset, names):
    found = [
        [comparable(value_of(name, cell)) for name, cell in zip(names, row, strict=True)]
        for row in rows
    ]
    assert found == table(queryset, names)
