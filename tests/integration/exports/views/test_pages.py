"""What a page costs: questions to the database, and bytes."""

from __future__ import annotations

import gzip
import io

import pytest
from django.db import connection
from django.http import FileResponse, HttpResponse
from django.test import RequestFactory
from django.test.utils import CaptureQueriesContext

from config.middleware import CompressPages
from exports.models import Export
from exports.serialize import queue_position, queue_positions
from exports.status import Status

pytestmark = pytest.mark.django_db
ENDED = {"status": Status.FAILED, "error": "The disk is full.", "finished_at": "2013-01-01T00:00Z"}


@pytest.fixture
def ada(django_user_model):
    return django_user_model.objects.create_superuser("ada")


def make(owner, number, **fields):
    Export.objects.bulk_create(
        Export(owner=owner, exporter="flights", label="Flights", format="csv", **fields)
        for _ in range(number)
    )


def ask(client):
    with CaptureQueriesContext(
        connection,
    ) as queries:
        response = client.get("/exports/")
    return len(queries), response.content


def test_dashboard_needs_a_constant_number_of_queries(client, ada):
    client.force_login(ada)
    for status in (Status.RUNNING, Status.QUEUED):
        make(ada, 2, status=status)
    make(ada, 2, **ENDED)
    client.get("/exports/")  # Makes the streams.
    few, _ = ask(client)

    for status in (Status.RUNNING, Status.QUEUED):
        make(ada, 23, status=status)
    make(ada, 498, **ENDED)

    many, html = ask(client)
    assert many == few
    assert html.count(b"data-export ") == 50 + 25
    assert len(html) < 160_000  # Compressed, it is about 10 kB.


def test_bulk_queue_positions_match_single_positions(ada):
    make(ada, 3, status=Status.QUEUED)
    make(ada, 2, status=Status.RUNNING)
    exports = list(Export.objects.all())

    found = queue_positions(exports)

    assert sorted(found.values()) == [1, 2, 3]
    waiting = [each for each in exports if each.status == Status.QUEUED]
    assert found == {each.pk: queue_position(each) for each in waiting}
    assert queue_positions([]) == {}


@pytest.mark.parametrize(
    ("response", "is_compressed"),
    [
        (HttpResponse("<p>text</p>" * 1000), True),
        (HttpResponse("text" * 1000, content_type="application/json"), False),
        (FileResponse(io.BytesIO(b"text" * 1000), content_type="text/csv"), False),
        (FileResponse(io.BytesIO(b"text" * 1000), content_type="text/html"), False),
    ],
    ids=["page", "answer of the API", "download", "download of HTML"],
)
def test_only_pages_are_compressed(response, is_compressed):
    plain = b"".join(response)
    if response.streaming:
        response.streaming_content = [plain]
    request = RequestFactory().get("/", headers={"Accept-Encoding": "gzip"})

    sent = CompressPages(lambda _: response)(request)

    assert sent.get("Content-Encoding") == ("gzip" if is_compressed else None)
    body = b"".join(sent)
    assert (gzip.decompress(body) if is_compressed else body) == plain
