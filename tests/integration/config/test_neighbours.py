"""What other settings and middleware of a project do to our pages and answers."""

from __future__ import annotations

import gzip
import uuid
from itertools import cycle

import pytest
from asgiref.sync import sync_to_async
from channels.testing import WebsocketCommunicator
from django.contrib.auth.models import Group, Permission, User
from django.db import connections, transaction
from django.db.models import F
from django.test import AsyncClient, Client, RequestFactory
from django.urls import set_script_prefix
from hypothesis import example, given
from hypothesis import strategies as st

from demo.models import Flight
from exports.exporters import Exporter, registry
from exports.lifecycle import attempts
from exports.models import Export, Preset
from exports.spec import queryset
from notifications import routing
from notifications.api import tokens
from notifications.http import disable_compression
from notifications.models import Stream
from notifications.streams import access
from tests.support.exporting import (
    WORKER,
    make_flights,
    registered,
    request,
    run,
    use_folders,
)
from tests.support.streaming import append

pytestmark = pytest.mark.django_db(transaction=True)

COMPRESSED = {"Accept-Encoding": "gzip, deflate, br"}
GZIP = "django.middleware.gzip.GZipMiddleware"


@pytest.fixture
def client(superuser):
    client = Client()
    client.force_login(superuser)
    return client


@pytest.fixture
async def browser(superuser):
    browser = AsyncClient()
    await browser.aforce_login(superuser)
    return browser


@pytest.fixture
def finished(superuser, settings, tmp_path):
    use_folders(settings, tmp_path)
    make_flights(range(1, 400))
    return run(attempts.claim(request(superuser).pk, worker=WORKER))


async def body(response):
    return b"".join([block async for block in response.streaming_content])


# -- GZipMiddleware ---------------------------------------------------------------------------


@pytest.mark.proves("works-with-gzip-middleware")
@pytest.mark.parametrize("path", ["/exports/{}/file", "/api/v1/exports/{}/file"])
async def test_download_is_never_compressed(browser, finished, settings, path):
    settings.MIDDLEWARE = [GZIP, *settings.MIDDLEWARE]

    whole = await browser.get(path.format(finished.pk), headers=COMPRESSED)
    part = await browser.get(path.format(finished.pk), headers={**COMPRESSED, "Range": "bytes=0-9"})

    assert "Content-Encoding" not in whole
    whole_file = await body(whole)
    assert int(whole["Content-Length"]) == len(whole_file) == finished.bytes
    assert await body(part) == whole_file[:10]
    assert (part.status_code, "Content-Encoding" in part) == (206, False)
    assert part["Content-Range"] == f"bytes 0-9/{finished.bytes}"


@pytest.mark.proves("works-with-gzip-middleware")
async def test_log_and_events_are_never_compressed(browser, finished, settings):
    settings.MIDDLEWARE = [GZIP, *settings.MIDDLEWARE]

    log = await browser.get(f"/exports/{finished.pk}/log.txt", headers=COMPRESSED)
    events = await browser.get(f"/api/v1/streams/{finished.stream}/sse", headers=COMPRESSED)

    assert "Content-Encoding" not in log
    assert b"rows to extract" in await body(log)
    assert "Content-Encoding" not in events
    first = await anext(aiter(events.streaming_content))
    assert first.startswith(b"retry:")
    events.close()


def test_disable_compression_hides_the_accept_encoding_header():
    request = RequestFactory().get("/", headers=COMPRESSED)
    assert "Accept-Encoding" in request.headers

    disable_compression(request)

    assert "Accept-Encoding" not in request.headers


def test_pages_can_still_be_compressed(client, settings):
    settings.MIDDLEWARE = [GZIP, *settings.MIDDLEWARE]

    page = client.get("/exports/", headers={"Accept-Encoding": "gzip"})

    assert b"<html" in gzip.decompress(page.content)


# -- ATOMIC_REQUESTS --------------------------------------------------------------------------


async def test_streams_are_answered_under_atomic_requests(browser, superuser, monkeypatch):
    monkeypatch.setitem(connections["default"].settings_dict, "ATOMIC_REQUESTS", True)
    stream = access.user_stream(superuser)

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


@pytest.mark.proves("works-with-atomic-requests")
@pytest.mark.only_on("postgres")
def test_failed_preview_query_does_not_break_the_transaction(client, monkeypatch):
    class Dividing(Exporter):
        queryset = Flight.objects.alias(share=1 / (F("id") - 5)).filter(share=0)
        permission = "demo.export_flight"
        columns = ["id"]

    monkeypatch.setitem(connections["default"].settings_dict, "ATOMIC_REQUESTS", True)
    make_flights(range(1, 10))

    with registered(Dividing):
        # Without scripts: the whole page, whose other queries come after the preview's.
        page = client.post(
            "/exports/new/dividing/", {"format": "csv", "column": ["id"], "preview": ""}
        )

    assert page.status_code == 200
    assert "division by zero" in page.content.decode()


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
async def test_socket_is_found_below_the_path(superuser, settings, path):
    settings.FORCE_SCRIPT_NAME = "/sub"
    token = await sync_to_async(tokens.create)(superuser, "a program")
    headers = [(b"authorization", f"Bearer {token}".encode())]
    socket = WebsocketCommunicator(routing.router, path, headers, subprotocols=["waybill.v1"])

    connected, protocol = await socket.connect()

    assert (connected, protocol) == (True, "waybill.v1")
    await socket.disconnect()


# -- Replicas ------------------------------------------------------------------------------------------


class ByTurns:
    """Each time it is asked, it names another replica, as that of Django's documentation may."""

    replicas = cycle(["one", "two"])

    def db_for_read(self, model, **hints):
        return next(self.replicas)


@pytest.mark.proves("replicas-are-read-consistently")
def test_rows_of_an_export_are_read_from_one_replica(superuser, settings, monkeypatch):
    for replica in ("one", "two"):  # SQL is made for them, and none is connected to.
        monkeypatch.setitem(connections.settings, replica, connections.settings["default"])

    class Some(Exporter):
        queryset = Flight.objects.filter(distance__gt=1)
        permission = "demo.export_flight"
        columns = ["id", "date"]

    settings.DATABASE_ROUTERS = [ByTurns()]
    with registered(Some):
        found = queryset.rows(registry.get("some"), superuser, {"columns": ["id"]})

    assert len({found.db for _ in range(4)}) == 1


# -- Users who go ------------------------------------------------------------------------------------


@pytest.mark.proves("any-user-can-be-deleted")
def test_superuser_deletes_a_user_who_has_exported(client):
    leaver = User.objects.create_user("leaver", is_superuser=True)
    export = request(leaver)

    page = client.get(f"/admin/auth/user/{leaver.pk}/delete/")
    client.post(f"/admin/auth/user/{leaver.pk}/delete/", {"post": "yes"})

    assert "would require deleting the following protected" not in page.content.decode()
    assert not User.objects.filter(username="leaver").exists()
    assert not Export.objects.filter(pk=export.pk).exists()


@pytest.mark.proves("any-user-key-works")
def test_streams_are_deleted_with_their_user_and_team():
    team = Group.objects.create(name="team")
    leaver = User.objects.create_user("leaver")
    streams = [access.user_stream(leaver), access.team_stream(team.pk), "user-other"]
    for stream in streams:
        append(stream, "told", what="a secret")

    with transaction.atomic():
        leaver.delete()
        team.delete()

    assert set(Stream.objects.values_list("name", flat=True)) == {"user-other"}


def test_admin_list_deletes_many_users(client):
    leavers = [User.objects.create_user(f"leaver-{number}", is_superuser=True) for number in "12"]
    for leaver in leavers:
        request(leaver)
        Preset.objects.create(owner=leaver, exporter="flights", name="mine", format="csv")
    keys = [each.pk for each in leavers]
    ticked = {"action": "delete_selected", "_selected_action": keys, "post": "yes"}

    client.post("/admin/auth/user/", ticked)

    assert not User.objects.filter(pk__in=keys).exists()


def test_staff_need_the_permission_to_delete_exports():
    staff = User.objects.create_user("staff", is_staff=True)
    staff.user_permissions.set(Permission.objects.filter(codename="delete_user"))
    leaver = User.objects.create_user("leaver", is_superuser=True)
    export = request(leaver)
    client = Client()
    client.force_login(staff)

    page = client.get(f"/admin/auth/user/{leaver.pk}/delete/").content.decode()
    refused = client.post(f"/admin/auth/user/{leaver.pk}/delete/", {"post": "yes"})

    assert "delete the following types of objects" in " ".join(page.split())
    assert refused.status_code == 403
    assert Export.objects.filter(pk=export.pk).exists()


def test_export_cannot_be_deleted_in_the_admin(client, superuser):
    export = request(superuser)

    answer = client.post(f"/admin/exports/export/{export.pk}/delete/", {"post": "yes"})

    assert answer.status_code == 403
    assert Export.objects.filter(pk=export.pk).exists()


# -- Keys of every type --------------------------------------------------------------------------------

KEYS = st.one_of(st.integers(), st.uuids(), st.text(max_size=300), st.emails())


@pytest.mark.proves("any-user-key-works")
@given(KEYS, KEYS)
@example("ä" * 100, "ä" * 101)
def test_different_keys_have_different_streams(one, other):
    names = [access.stream_of_user(key) for key in (one, other)]

    assert all(access.NAME.fullmatch(name) for name in names)
    assert (names[0] == names[1]) is (str(one) == str(other))


@given(KEYS)
def test_key_can_be_parsed_from_its_name(key):
    name = access.key_name(key)

    is_hashed = name.startswith("..")
    assert access.key_of(name) == (None if is_hashed else str(key))


def test_plain_keys_have_readable_names():
    key = uuid.UUID("0b7a4f4e-7ad5-4a43-9d7c-3c8f2f1c5a10")

    assert access.stream_of_user(42) == "user-42"
    assert access.stream_of_user(key) == f"user-{key}"
    assert access.stream_of_user("ann@example.com") == "user-ann.40example.2ecom"
