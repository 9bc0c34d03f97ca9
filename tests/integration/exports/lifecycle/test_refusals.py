"""What the database refuses for good fails at once, and names the column and the row."""

from __future__ import annotations

from contextlib import contextmanager

import pytest
from django.contrib.auth.models import User
from django.db import OperationalError, connection
from django.db.models import F, FloatField, Func, IntegerField, TextField, Value
from django.db.models.functions import Cast, Concat

from demo.models import Flight
from exports.exporters import Column, Exporter
from exports.spec import preview
from exports.spec.spec import build_spec
from exports.status import Status
from exports.worker import heartbeat
from tests.support import exporting
from tests.support.exporting import log, make_flights, registered, run, start

pytestmark = pytest.mark.django_db(transaction=True)

FORMATS = ["csv", "jsonl", "xlsx", "parquet"]
ON_POSTGRES = pytest.mark.only_on("postgres")
IS_POSTGRES = connection.vendor == "postgresql"
# Wrong for the flight 17 alone.
ODD = 17
COLUMNS = (
    {
        "ratio": (F("distance") / (F("id") - ODD), "division by zero"),
        "number": (
            Cast(Cast(Value("1"), TextField()), IntegerField())
            + Cast(Func(F("tailnum"), Value("N"), Value(""), function="REPLACE"), IntegerField()),
            'invalid input syntax for type integer: "x17"',
        ),
        "large": (
            Func(
                F("id") - ODD,
                template="(10::float8 ^ (400 - 400 * abs(sign(%(expressions)s))))",
                output_field=FloatField(),
            ),
            "value out of range: overflow",
        ),
    }
    if IS_POSTGRES
    else {
        "number": (
            Func("tailnum", Value("$"), function="json_extract", output_field=TextField()),
            "malformed JSON",
        ),
        "large": (
            Func(
                F("id") - ODD,
                template="abs(-9223372036854775807 - 1 + abs(%(expressions)s))",
                output_field=IntegerField(),
            ),
            "integer overflow",
        ),
    }
)


@pytest.fixture(autouse=True)
def _folder(settings, tmp_path, monkeypatch):
    # It would end queries of the test itself, on the connection that they share.
    monkeypatch.setattr(heartbeat, "CHECK_SECONDS", 60)
    settings.EXPORTS_PARALLEL = 0
    settings.EXPORTS_PART_ROWS = 10
    exporting.use_folders(settings, tmp_path)


@pytest.fixture
def superuser():
    make_flights(range(1, 31))
    Flight.objects.update(tailnum="7")
    Flight.objects.filter(pk=ODD).update(tailnum="x17")
    return User.objects.create_superuser("person")


def exporter_with(*columns):
    class Odd(Exporter):
        queryset = Flight.objects.all()
        permission = "demo.export_flight"

    Odd.columns = ["id", *columns, "dest__name"]
    return Odd


def failed(superuser, file_format, *columns):
    with registered(exporter_with(*columns)):
        return run(start(superuser, exporter="odd", format=file_format, columns=None))


@pytest.mark.parametrize("file_format", FORMATS)
@pytest.mark.parametrize("name", COLUMNS)
def test_failing_sql_column_is_named_at_once(superuser, file_format, name):
    expression, problem = COLUMNS[name]

    export = failed(superuser, file_format, Column(name, expression))

    assert (export.status, export.attempt) == (Status.FAILED, 1)
    assert export.error == f'The column "{name}" cannot be computed for row {ODD}: {problem}'
    assert "Traceback" in log(export)[-1]


@pytest.mark.parametrize("file_format", FORMATS)
def test_unknown_sql_function_names_its_column(superuser, file_format):
    missing = Func("id", function="no_such", output_field=TextField())

    export = failed(superuser, file_format, Column("missing", missing))

    assert (export.status, export.attempt) == (Status.FAILED, 1)
    said = "function no_such(bigint) does not exist" if IS_POSTGRES else "no such function"
    assert export.error.startswith(f'The column "missing" cannot be read: {said}')


def test_failing_filter_blames_no_column(superuser):
    name = "ratio" if IS_POSTGRES else "number"
    expression, problem = COLUMNS[name]

    class Odd(Exporter):
        queryset = Flight.objects.annotate(_odd=expression).filter(_odd__isnull=False)
        permission = "demo.export_flight"
        columns = ["id"]

    with registered(Odd):
        export = run(start(superuser, exporter="odd", columns=None))

    assert (export.status, export.attempt) == (Status.FAILED, 1)
    assert export.error == f"Database error: {problem}"


@pytest.mark.parametrize("file_format", FORMATS)
def test_preview_names_the_failing_column_and_row(superuser, file_format):
    expression, problem = next(iter(COLUMNS.values()))

    with registered(exporter_with(Column("odd", expression))):
        found = preview.preview(build_spec(superuser, exporter="odd", format=file_format))

    assert found.problem == f'The column "odd" cannot be computed for row {ODD}: {problem}'
    assert found.count == 30


def test_value_beyond_the_format_is_named_with_its_row(superuser):
    def broken(key):
        return "a\ud800" if key == ODD else "b"

    export = failed(superuser, "csv", Column("odd", needs=["id"], python=broken))

    assert export.status == Status.FAILED
    assert export.error.startswith(f'Row {ODD}: The column "odd" contains half a character')


def test_function_that_loses_the_database_is_retried(superuser):
    def lost(key):
        raise OperationalError("the connection is lost")

    with pytest.raises(OperationalError, match="lost"):
        failed(superuser, "csv", Column("odd", needs=["id"], python=lost))


# -- Collations ------------------------------------------------------------------------------


@contextmanager
def collated(**columns):
    """These columns of flights have these collations for the block."""
    with connection.cursor() as cursor:
        for name, collation in columns.items():
            cursor.execute(f'ALTER TABLE demo_flight ALTER {name} TYPE text COLLATE "{collation}"')
        yield
        for name in columns:
            cursor.execute(f'ALTER TABLE demo_flight ALTER {name} TYPE text COLLATE "default"')


@ON_POSTGRES
@pytest.mark.parametrize("file_format", FORMATS)
def test_text_of_mixed_collations_is_written(superuser, file_format):
    # As with one that is not deterministic: no regular expression works without another one.
    Flight.objects.filter(pk=1).update(tailnum="=1")

    with collated(tailnum="C", dest_code="POSIX"):
        export = failed(superuser, file_format, Column("both", Concat("tailnum", "dest_code")))

    assert_protected(export)


def assert_protected(export):
    assert export.status == Status.SUCCEEDED, export.error
    if export.format == "csv":
        assert exporting.content(export).splitlines()[1].startswith(b"1,'=1")
    assert export.protected_cells == (export.format in ("csv", "xlsx"))
