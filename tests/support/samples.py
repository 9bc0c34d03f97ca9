"""Values for every type of field, including all that were once written wrongly."""

from __future__ import annotations

import datetime
import uuid
from decimal import Decimal
from typing import Any

from django.db import connection
from hypothesis import strategies as st

from tests.support.exactness_models import Everything, Place

IS_POSTGRES = connection.vendor == "postgresql"
UTC = datetime.UTC

TEXTS = [
    "",
    " ",
    "a",
    " a ",
    "a,b",
    "a;b",
    "a|b",
    "a\tb",
    'the "Big" one',
    '"',
    '""',
    "0",
    "1e5",
    "a\nb",
    "a\rb",
    "a\r\nb",
    "\n",
    "\r\n",
    "\\",
    "\\.",
    "\\N",
    "\\n",
    "NULL",
    "null",
    "true",
    "=1+1",
    "+1",
    "-1",
    "@a",
    "\t=1",
    "\r=1",
    "=",
    "-",
    '=HYPERLINK("x")',
    "=1,2",
    "-1\n-2",
    "x;=1+1;",
    "x,=1",
    "a|-b",
    "x\t@a",
    "x\n=1",
    "x\r\n+1",
    "\n\n=1",
    "x;'=1",
    'x;"=1+1;',
    "\xa0=1",
    "\u200b=1",
    "\u3000-1",
    "\u2060+1",
    "x; \uff1d1",
    "a, -5 and b",
    ";;=1",
    "é;=1",
    "Ж=1",
    "漢;字",
    "\xad@a",
    "\x7f=",
    "\u1680=1",
    "x;\ufeff=1",
    "\x0b=1",
    "'",
    "''",
    "'a",
    "'=1",
    "''=1",
    "'\t",
    "'\r",
    '\'-1,"2"',
    "a'=1",
    " =1",
    "\n=1",
    "'\n=1",
    *(
        "\uff1d1",
        "\uff0b1",
        "\uff0d1",
        "\uff20a",
        "'\uff1d",
        "\ufeff=1",
        "\ufeff'=1",
        "'\ufeff=",
        "\uff1e",
    ),
    "\ufeffa",
    "\uff1da,b",
    "ID",
    "ID;P",
    "IDs",
    "\U0001f600=",
    "\ufeff\uff0d",
    "%s",
    "%%",
    "%",
    "100 %",
    "%(x)s",
    "{}",
    "{0}",
    "$1",
    ":x",
    "?",
    "E'\\x41'",
    "$$",
    "--",
    "é",
    "e\u0301",
    "Zürich 東京",
    "👩🏽‍✈️",
    "שלום",
    "\u202eabc",
    "\u2028",
    "\x85",
    "\ufeff",
    "ﬀ",
    "\x01\x02",
    "\x1f",
    "\x1c",
    "\x7f",
    "\b\f",
    "<b>&amp;",
    "'; DROP TABLE x; --",
    "x" * 300,
]
SMALL = [0, 1, -1, 7, 2**15 - 1, -(2**15), None]
WHOLE = [0, -5, 42, 2**31 - 1, -(2**31), None]
LARGE = [0, -5, 10**15, 2**63 - 1, -(2**63), None]
MOMENTS = [
    datetime.datetime(2013, 1, 31, 10, tzinfo=UTC),
    datetime.datetime(2013, 1, 31, 10, 0, 0, 500_000, tzinfo=UTC),
    datetime.datetime(1805, 12, 31, 23, 59, 59, 1, tzinfo=UTC),
    datetime.datetime(1, 1, 1, tzinfo=UTC),
    datetime.datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
    datetime.datetime(2013, 7, 1, 5, tzinfo=datetime.timezone(datetime.timedelta(hours=-4))),
    None,
]
SAMPLES: dict[str, list[Any]] = {
    "f1": WHOLE,
    "cast1": SMALL,
    "positive_small": [0, 1, 2**15 - 1, None],
    "positive": [0, 1, 2**31 - 1, None],
    "big": LARGE,
    "positive_big": [0, 1, 2**63 - 1, None],
    "char": [*TEXTS, None],
    "text": [None, *TEXTS],
    "slug": ["a-b", "-b", "", "100", None],
    "url": ["https://example.org/?a=1&b=%20,'x'", "", None],
    "email": ["+a@example.org", "=b@example.org", None],
    "path": ["/srv/a, b", "-/x", None],
    "file": ["exports/ü 1.csv", "", "=x", None],
    "choice": ["a", "b", None],
    "uuid": [uuid.UUID(int=0), uuid.UUID(int=2**128 - 1), uuid.UUID(int=10**30), None],
    "truth": [True, False, None],
    "date": [datetime.date(2013, 1, 31), datetime.date.min, datetime.date.max, None],
    "moment": MOMENTS,
    "time": [
        datetime.time(10),
        datetime.time.min,
        datetime.time.max,
        datetime.time(1, 2, 3, 500_000),
        None,
    ],
    "duration": [
        datetime.timedelta(0),
        datetime.timedelta(days=1, hours=1),
        datetime.timedelta(seconds=-1.5),
        datetime.timedelta(days=-3, microseconds=1),
        datetime.timedelta(microseconds=-1),
        datetime.timedelta(days=100_000, seconds=86_399, microseconds=999_999),
        None,
    ],
    "decimal": [
        Decimal("1.50"),
        Decimal("-0.1"),
        Decimal(0),
        Decimal("1E-10"),
        Decimal("1E+12"),
        None,
        # SQLite stores them as floats, with 15 digits.
        *([Decimal("123456789012345678901234567890.0123456789")] if IS_POSTGRES else []),
    ],
    "money": [Decimal("9999999.99"), Decimal("-0.01"), Decimal("10.10"), None],
    "float": [
        0.0,
        -0.0,
        0.1,
        1 / 3,
        1e-07,
        1e22,
        1.5e300,
        5e-324,
        100.0,
        123456789.123,
        None,
        float("inf"),
        float("-inf"),
        *([float("nan")] if IS_POSTGRES else []),
    ],
    "json": [
        {"a": [1, {"b": None}], 'k"': "=1"},
        {"a": "=text"},
        {"a": None},
        {"a": 1.5},
        {},
        [],
        [1, "é", "a\nb", True],
        "text",
        "=1",
        "",
        5,
        -1.5,
        10**20,
        False,
        None,
    ],
    "blob": [b"", b"\x00\xff", b"=1", bytes(range(256)), None],
    "address": ["10.0.0.1", "::1", "2001:db8::ff00:42:8329", "::ffff:1.2.3.4", None],
    "place_id": ["=EWR", "é, \"'%s\\", None],
}


def make_places() -> None:
    Place.objects.bulk_create(
        [
            Place(code="=EWR", name='=Newark, "Liberty" 100%'),
            Place(code="é, \"'%s\\", name="'-"),
        ]
    )


def make_everything() -> None:
    """Create rows with each sample in at least one of them, and a row with NULL only."""
    make_places()
    rows = max(map(len, SAMPLES.values()))
    Everything.objects.bulk_create(
        [
            *(
                Everything(**{name: each[row % len(each)] for name, each in SAMPLES.items()})
                for row in range(rows)
            ),
            Everything(),
        ]
    )


# -- Random values -----------------------------------------------------------------------

_text = st.sampled_from(TEXTS) | st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8
)
_numbers = st.floats(allow_nan=IS_POSTGRES)
_json = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | _text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_text, inner, max_size=3),
    max_leaves=5,
)
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "f1": st.integers(-(2**31), 2**31 - 1),
    "cast1": st.integers(-(2**15), 2**15 - 1),
    "big": st.integers(-(2**63), 2**63 - 1),
    "char": _text,
    "text": _text,
    "uuid": st.uuids(),
    "truth": st.booleans(),
    "date": st.dates(),
    "moment": st.datetimes(timezones=st.just(UTC)),
    "time": st.times(),
    "duration": st.timedeltas(
        datetime.timedelta(days=-100_000_000), datetime.timedelta(days=100_000_000)
    ),
    "money": st.decimals(Decimal("-9999999.99"), Decimal("9999999.99"), places=2),
    "float": _numbers,
    "json": _json,
    "blob": st.binary(max_size=8),
    "address": st.ip_addresses().map(str),
    "place_id": st.sampled_from(["=EWR", "é, \"'%s\\"]),
}
ROW = st.fixed_dictionaries(
    {"id": st.integers(-(2**31), 2**31 - 1)},
    optional={name: st.none() | values for name, values in FIELDS.items()},
)
ROWS = st.lists(ROW, max_size=12, unique_by=lambda row: row["id"])
