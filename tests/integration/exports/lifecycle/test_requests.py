"""An export is requested: what is saved, what is refused, and when it is enqueued."""

from __future__ import annotations

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from exports.exceptions import (
    InvalidFilter,
    InvalidOption,
    InvalidSelection,
    NotPermitted,
    RequestError,
    UnknownColumn,
    UnknownExporter,
    UnknownFormat,
)
from exports.models import Export
from exports.status import Status
from notifications.models import Event
from tests.support.exporting import events, make_flights, request
from tests.support.starting import start_export

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("asked", "error", "field", "message"),
    [
        ({"exporter": "fligths"}, UnknownExporter, "exporter", 'no exporter "fligths".*flights'),
        ({"exporter": ""}, UnknownExporter, "exporter", "Available: "),
        ({"format": "pdf"}, UnknownFormat, "format", 'no format "pdf". Available: csv, jsonl'),
        (
            {"columns": ["id", "price"]},
            UnknownColumn,
            "columns",
            'no column "price". Available: id,',
        ),
        ({"columns": []}, UnknownColumn, "columns", "at least one"),
        ({"columns": ["id", "id"]}, UnknownColumn, "columns", "once"),
        ({"filters": {"carier": "UA"}}, InvalidFilter, "filters", 'no filter "carier".*carrier'),
        ({"filters": {"month": 13}}, InvalidFilter, "filters", '"month" is not valid'),
        ({"filters": {"carrier": "XX"}}, InvalidFilter, "filters", '"carrier" is not valid'),
        ({"changelist": {"model": "demo.fligth"}}, InvalidSelection, "changelist", "demo.fligth"),
        ({"changelist": {"model": "demo.plane"}}, InvalidSelection, "changelist", "demo.Plane"),
        ({"options": {"colour": "red"}}, InvalidOption, "options", "Available: delimiter"),
        ({"format": "parquet", "options": {"gzip": True}}, InvalidOption, "options", "none"),
        ({"changelist": {}}, InvalidSelection, "changelist", "app.model"),
        (
            {"changelist": {"model": "demo.flight", "query": "carrier__nam=UA"}},
            InvalidSelection,
            "changelist",
            "filters of this list are not valid",
        ),
        (
            {"changelist": {"model": "demo.flight", "keys": ["one"]}},
            InvalidSelection,
            "changelist",
            "primary keys",
        ),
        (
            {"changelist": {"model": "demo.flight", "keys": "12"}},
            InvalidSelection,
            "changelist",
            "primary keys",
        ),
    ],
)
def test_invalid_request_is_refused_with_its_field(superuser, asked, error, field, message):
    with pytest.raises(RequestError, match=message) as raised:
        request(superuser, **asked)

    assert type(raised.value) is error
    assert raised.value.field == field
    assert not Export.objects.exists()
    assert not Event.objects.exists()


def test_hidden_exporter_is_refused_like_an_unknown_one(exporter_user):
    said = []
    for name in ("planes", "plains"):
        with pytest.raises(UnknownExporter) as raised:
            start_export(user=exporter_user, exporter=name)
        said.append(str(raised.value).replace(name, "x"))

    assert len(set(said)) == 1

    assert not Export.objects.exists()


def test_list_export_needs_the_view_permission(exporter_user):
    with pytest.raises(NotPermitted, match="You do not have permission to view flights"):
        request(exporter_user, changelist={"model": "demo.flight", "query": ""})


def test_request_is_saved_with_all_its_fields(exporter_user):
    export = start_export(
        user=exporter_user,
        exporter="flights",
        format="jsonl",
        columns=["id", "delay"],
        filters={"month": 1},
        label="  In January ",
        options={"gzip": True},
    )

    export.refresh_from_db()
    assert export.owner == exporter_user
    assert (export.exporter, export.format, export.label) == ("flights", "jsonl", "In January")
    assert export.params == {"columns": ["id", "delay"], "filters": {"month": 1}}
    assert (export.options, export.origin) == ({"gzip": True}, None)
    assert (export.status, export.attempt, export.rows_total) == (Status.QUEUED, 0, None)
    assert events(export.owner_stream) == ["export.queued"]


def test_export_without_a_label_is_named_after_its_exporter(exporter_user):
    assert start_export(user=exporter_user, exporter="flights", label=" ").label == "Flights"


def test_long_label_is_cut(exporter_user):
    assert len(request(exporter_user, label="x" * 300).label) == 200


@pytest.mark.proves("click-counts-no-rows")
@pytest.mark.parametrize("filters", [None, {"month": 1, "dep_delay_min": 10, "carrier": "UA"}])
def test_request_counts_and_reads_no_rows(superuser, filters):
    make_flights([1, 2, 3])

    with CaptureQueriesContext(connection) as queries:
        request(superuser, filters=filters)

    assert [each["sql"] for each in queries if '"demo_flight"' in each["sql"]] == []


def test_request_from_a_change_list_counts_nothing(superuser):
    make_flights([1, 2, 3])

    with CaptureQueriesContext(connection) as queries:
        request(superuser, changelist={"model": "demo.flight", "query": "q=N1&carrier=UA"})

    read = [each["sql"] for each in queries if '"demo_flight"' in each["sql"]]
    assert [sql for sql in read if "COUNT(" in sql.upper()] == []
    # The list offers only origins that have flights: it asks for them, once.
    assert len(read) <= 1


@pytest.mark.proves("rollback-enqueues-nothing")
def test_message_is_sent_after_the_commit_only(
    superuser, enqueued, django_capture_on_commit_callbacks
):
    with django_capture_on_commit_callbacks(execute=True):
        export = request(superuser)
        assert enqueued == []

    assert enqueued == [export.pk]


@pytest.mark.proves("rollback-enqueues-nothing")
@pytest.mark.django_db(transaction=True)
def test_request_that_is_rolled_back_is_not_enqueued(superuser, enqueued):
    def request_and_fail():
        with transaction.atomic():
            request(superuser)
            raise LookupError

    with pytest.raises(LookupError):
        request_and_fail()

    assert enqueued == []
    assert not Export.objects.exists()
