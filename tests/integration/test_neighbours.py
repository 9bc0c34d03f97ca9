"""What other settings and middleware of a project do to our pages and answers."""

from __future__ import annotations

import gzip
import re
import uuid

import pytest
from channels.testing import WebsocketCommunicator
from django.contrib.auth.models import User
from django.db import connections
from django.test import AsyncClient, Client
from django.urls import set_script_prefix
from hypothesis import given
from hypothesis import strategies as st

from exports import lifecycle
from exports.models import Export, Status
from notifications import access, routing
from tests.exporting import WORKER, make_flights, put, request, run, use_folders

pytestmark = pytest.mark.django_db(transaction=True)

GZIP = "django.middleware.gzip.GZipMiddleware"


@pytest.fixture
def person():
    return User.objects.create_superuser("person")


@pytest.fixture
def client(person):
    client = Client()
    client.force_login(person)
    return client


@pytest.fixture
async def browser(person):
    browser = AsyncClient(headers={"Accept-Encoding": "gzip, deflate, br"})
    await browser.aforce_login(person)
    return browser


@pytest.fixture
def finished(person, settings, tmp_path):
    use_folders(settings, tmp_path)
    make_flights(range(1, 400))
    return run(lifecycle.claim(request(person).pk, worker=WORKER))


async def body(response):
    return b"".join([block async for block in response.streaming_content])


# -- GZipMiddleware ---------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/exports/{}/file", "/api/v1/exports/{}/file"])
async def test_download_is_never_compressed_on_its_way(browser, finished, settings, path):
    settings.MIDDLEWARE = [GZIP, *settings.MIDDLEWARE]

    whole = await browser.get(path.format(finished.pk))
    part = await browser.get(path.format(finished.pk), headers={"Range": "bytes=0-9"})

    assert "Content-Encoding" not in whole
    whole_file = await body(whole)
    assert int(whole["Content-Length"]) == len(whole_file) == finished.bytes
    assert await body(part) == whole_file[:10]
    assert (part.status_code, "Content-Encoding" in part) == (206, False)
    assert part["Content-Range"] == f"bytes 0-9/{finished.bytes}"


async def test_log_and_events_are_never_compressed(browser, finished, settings):
    settings.MIDDLEWARE = [GZIP, *settings.MIDDLEWARE]

    log = await browser.get(f"/exports/{finished.pk}/log.txt")
    events = await browser.get(f"/api/v1/streams/{finished.stream}/sse")

    assert "Content-Encoding" not in log
    assert b"rows to extract" in await body(log)
    assert "Content-Encoding" not in events
    first = await anext(aiter(events.streaming_content))
    assert first.startswith(b"retry:")
    events.close()


def test_pages_may_still_be_compressed(client, settings):
    settings.MIDDLEWARE = [GZIP, *settings.MIDDLEWARE]

    page = client.get("/exports/", headers={"Accept-Encoding": "gzip"})

    assert b"<html" in gzip.decompress(page.content)


# -- ATOMIC_REQUESTS --------------------------------------------------------------------------


async def test_streams_are_answered_under_atomic_requests(browser, person, monkeypatch):
    monkeypatch.setitem(connections["default"].settings_dict, "ATOMIC_REQUESTS", True)
    stream = access.user_stream(person)

    polled = await browser.get(f"/api/v1/streams/{stream}")
    events = await browser.get(f"/api/v1/streams/{stream}/sse")

    assert (polled.status_code, events.status_code) == (200, 200)
    events.close()


def test_export_is_queued_under_atomic_requests(client, monkeypatch):
    monkeypatch.setitem(connections["default"].settings_dict, "ATOMIC_REQUESTS", True)

    started = client.post(
        "/api/v1/exports", {"exporter": "flights"}, content_type="application/json"
    )

    assert started.status_code == 202
    assert Export.objects.get().enqueued_at is not None


# -- Numbers in attributes ----------------------------------------------------------------------

GROUPED = re.compile(
    r'(?<![a-z-])(?!title|aria-label|alt)([a-z-]+)="(?:[^"]*[^\d"])?\d{1,3}(?:[,.]\d{3})+"'
)


@pytest.mark.parametrize("language", ["en", "de"])
def test_no_number_in_an_attribute_is_grouped(settings, language):
    settings.USE_THOUSAND_SEPARATOR = True
    person = User.objects.create_superuser("person", pk=12_345)
    client = Client(headers={"Accept-Language": language})
    client.force_login(person)
    running = put(request(person), Status.RUNNING, rows_done=123_456, rows_total=1_234_567)
    done = put(
        request(person),
        Status.SUCCEEDED,
        file="x.csv",
        rows_done=1_234,
        bytes=5_678,
        rows_total=1_234,
    )

    for path in [
        "/exports/",
        f"/exports/{running.pk}/",
        f"/exports/{done.pk}/",
        f"/exports/{running.pk}/card",
        "/exports/new/flights/",
        "/inbox/",
        "/admin/exports/export/",
        f"/admin/exports/export/{running.pk}/change/",
        "/admin/demo/flight/export/",
    ]:
        page = client.get(path)
        assert page.status_code == 200
        assert GROUPED.findall(page.content.decode()) == [], path


# -- Below a path -----------------------------------------------------------------------------------


def test_addresses_of_pages_are_below_the_path_of_the_site(client):
    set_script_prefix("/sub/")  # As Django does for each request with a SCRIPT_NAME.
    try:
        page = client.get("/exports/").content.decode()
    finally:
        set_script_prefix("/")

    assert 'data-socket="/sub/ws/streams/"' in page
    assert 'action="/sub/exports/' in page


@pytest.mark.parametrize("path", ["/sub/ws/streams/", "/ws/streams/"])
async def test_socket_is_found_below_the_path_of_the_site(settings, path):
    settings.FORCE_SCRIPT_NAME = "/sub"
    socket = WebsocketCommunicator(routing.router, path, subprotocols=["waybill.v1"])

    connected, _ = await socket.connect()

    # Refused for want of a session by the consumer, and not for want of a route.
    assert not connected
    await socket.wait()


# -- Users who go ------------------------------------------------------------------------------------


def test_superuser_deletes_a_user_who_has_exported(client):
    leaver = User.objects.create_user("leaver", is_superuser=True)
    export = request(leaver)

    page = client.get(f"/admin/auth/user/{leaver.pk}/delete/")
    client.post(f"/admin/auth/user/{leaver.pk}/delete/", {"post": "yes"})

    assert "would require deleting the following protected" not in page.content.decode()
    assert not User.objects.filter(username="leaver").exists()
    assert not Export.objects.filter(pk=export.pk).exists()


def test_export_is_still_not_deleted_by_hand(client, person):
    export = request(person)

    answer = client.post(f"/admin/exports/export/{export.pk}/delete/", {"post": "yes"})

    assert answer.status_code == 403
    assert Export.objects.filter(pk=export.pk).exists()


# -- Keys of every type --------------------------------------------------------------------------------

KEYS = st.one_of(st.integers(), st.uuids(), st.text(max_size=300), st.emails())


@given(KEYS, KEYS)
def test_streams_of_two_keys_have_two_names(one, other):
    names = [access.stream_of_user(key) for key in (one, other)]

    assert all(access.NAME.fullmatch(name) for name in names)
    assert (names[0] == names[1]) is (str(one) == str(other))


@given(KEYS)
def test_key_can_be_read_from_its_name(key):
    name = access.key_name(key)

    is_hashed = name.startswith("..")
    assert access.key_of(name) == (None if is_hashed else str(key))


def test_plain_keys_keep_their_names():
    key = uuid.UUID("0b7a4f4e-7ad5-4a43-9d7c-3c8f2f1c5a10")

    assert access.stream_of_user(42) == "user-42"
    assert access.stream_of_user(key) == f"user-{key}"
    assert access.stream_of_user("ann@example.com") == "user-ann.40example.2ecom"
