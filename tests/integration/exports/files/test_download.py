"""A file comes down whole, in ranges or not at all, by the page's address and the API's."""

from __future__ import annotations

import gzip
import hashlib
import os
import re
import uuid
from datetime import UTC, datetime, timedelta
from datetime import timezone as fixed_zone

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import Permission
from django.core.exceptions import ImproperlyConfigured
from django.core.files.storage import FileSystemStorage, default_storage
from django.test import AsyncClient, Client
from django.utils import timezone

from exports import lifecycle
from exports.files import byte_range, download, storage
from exports.models import Download, Export, Format
from exports.status import Status
from tests.support.at_once import at_once
from tests.support.exporting import put

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("folder")]

CONTENT = bytes(range(256)) * 4_000  # Four blocks, so that a range begins in the midst of one.
SIZE = len(CONTENT)
ETAG = f'"{hashlib.sha256(CONTENT).hexdigest()}"'
BOTH = ["/exports/{}/file", "/api/v1/exports/{}/file"]


@pytest.fixture
def user(django_user_model):
    user = django_user_model.objects.create_user("ada")
    user.user_permissions.add(Permission.objects.get(codename="export_airport"))
    return user


@pytest.fixture
def finish(user):
    """Make a succeeded export with this content for its file."""

    def finish(content=CONTENT, **fields):
        export = lifecycle.request(user=user, exporter="airports", label="Airports")
        for name, value in fields.items():
            setattr(export, name, value)
        with storage.NewFile(digest := hashlib.sha256()) as new:
            new.write(content)
            name = new.store(storage.file_name(export))
        given = {
            "file": name,
            "bytes": new.bytes,
            "sha256": digest.hexdigest(),
            "finished_at": timezone.now(),
            "expires_at": timezone.now() + timedelta(days=7),
        }
        return put(export, Status.SUCCEEDED, **{**given, **fields})

    return finish


@pytest.fixture
async def client(user):
    client = AsyncClient()
    await client.aforce_login(user)
    return client


@pytest.fixture
def refused(user):
    """A client for what is refused: Django renders that in a thread that nobody waits for."""
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def export(finish):
    return finish()


@pytest.fixture(params=BOTH, ids=["page", "api"])
def url(request, export):
    """The address of the file of `export`: once the page's, once the API's."""
    return request.param.format(export.pk)


@pytest.fixture(params=download.WAYS)
def way(request, settings):
    """EXPORTS_DOWNLOAD, once each."""
    settings.EXPORTS_DOWNLOAD = request.param
    return request.param


async def body(response):
    if not response.streaming:
        return response.content
    return b"".join([block async for block in response.streaming_content])


@pytest.fixture
def downloads():
    async def downloads():
        return [
            row async for row in Download.objects.order_by("pk").values_list("range", flat=True)
        ]

    return downloads


# -- Ranges -----------------------------------------------------------------------------


async def test_without_a_range_the_file_comes_whole(client, url):
    response = await client.get(url)

    assert response.status_code == 200
    assert await body(response) == CONTENT
    assert response["Content-Length"] == str(SIZE)
    assert response["Accept-Ranges"] == "bytes"
    assert response["ETag"] == ETAG
    is_api = url.startswith("/api/")
    assert response["Cache-Control"] == f"private, {'no-store' if is_api else 'no-cache'}"
    assert "Content-Range" not in response
    assert "Content-Encoding" not in response


@pytest.mark.parametrize(
    ("header", "meant"),
    [
        ("bytes=0-0", (0, 0)),
        ("bytes=300000-700000", (300_000, 700_000)),
        ("bytes=1000000-", (1_000_000, SIZE - 1)),
        ("bytes=-10", (SIZE - 10, SIZE - 1)),
        (f"bytes=5-{SIZE + 5}", (5, SIZE - 1)),
    ],
)
async def test_a_range_comes_alone(client, url, header, meant):
    first, last = meant

    response = await client.get(url, headers={"Range": header})

    assert response.status_code == 206
    assert await body(response) == CONTENT[first : last + 1]
    assert response["Content-Range"] == f"bytes {first}-{last}/{SIZE}"
    assert response["Content-Length"] == str(last + 1 - first)
    assert response["ETag"] == ETAG
    assert response["Content-Disposition"] == 'attachment; filename="Airports.csv"'


async def test_a_range_beyond_the_end_is_refused_with_the_size(client, url, downloads):
    response = await client.get(url, headers={"Range": f"bytes={SIZE}-"})

    assert response.status_code == 416
    assert response["Content-Range"] == f"bytes */{SIZE}"
    assert response.content == b""
    assert await downloads() == []


async def test_several_ranges_are_answered_with_the_whole_file(client, export):
    headers = {"Range": "bytes=0-9, 20-29"}

    response = await client.get(f"/exports/{export.pk}/file", headers=headers)

    assert response.status_code == 200
    assert await body(response) == CONTENT


async def test_a_download_that_broke_off_goes_on_where_it_was(client, export):
    url = f"/exports/{export.pk}/file"
    response = await client.get(url)
    begun = await anext(aiter(response))
    response.close()

    headers = {"Range": f"bytes={len(begun)}-", "If-Range": response["ETag"]}
    rest = await client.get(url, headers=headers)

    assert rest.status_code == 206
    assert begun + await body(rest) == CONTENT


@pytest.mark.parametrize(
    "validator", ['"another"', f"W/{ETAG}", "Fri, 27 Nov 2026 20:00:00 GMT", ETAG.strip('"'), ""]
)
async def test_a_range_of_another_version_is_answered_with_the_whole_file(
    client, export, validator
):
    headers = {"Range": "bytes=0-9", "If-Range": validator}

    response = await client.get(f"/exports/{export.pk}/file", headers=headers)

    assert response.status_code == 200
    assert await body(response) == CONTENT


@pytest.mark.parametrize("known", [ETAG, f"W/{ETAG}", f'"x", {ETAG}', "*"])
async def test_who_has_it_is_not_sent_it_again_nor_a_range_of_it(client, url, known, downloads):
    headers = {"If-None-Match": known, "Range": "bytes=0-9"}

    response = await client.get(url, headers=headers)

    assert (response.status_code, response.content, response["ETag"]) == (304, b"", ETAG)
    assert await downloads() == []


async def test_head_tells_all_but_the_content(client, url, downloads, monkeypatch):
    monkeypatch.setattr(storage, "open_at", None)  # It is not even opened.

    response = await client.head(url, headers={"Range": "bytes=0-9"})

    assert response.status_code == 200
    assert response.content == b""
    assert response["Content-Length"] == str(SIZE)
    assert response["Accept-Ranges"] == "bytes"
    assert response["ETag"] == ETAG
    assert response["Content-Disposition"] == 'attachment; filename="Airports.csv"'
    assert await downloads() == []
    assert (await client.head(url, headers={"If-None-Match": ETAG})).status_code == 304


async def test_an_empty_file_comes_whole_and_has_no_range(client, finish):
    export = await sync_to_async(finish)(b"")
    url = f"/exports/{export.pk}/file"

    whole = await client.get(url)
    ranged = await client.get(url, headers={"Range": "bytes=0-"})

    assert (whole.status_code, await body(whole), whole["Content-Length"]) == (200, b"", "0")
    assert (ranged.status_code, ranged["Content-Range"]) == (416, "bytes */0")


async def test_of_a_range_no_more_is_read_than_is_asked_for(client, export, monkeypatch):
    read = []
    opened = storage.open_at

    class Watched:
        def __init__(self, *args):
            self._file = opened(*args)
            self.close = self._file.close

        def read(self, size):
            block = self._file.read(size)
            read.append(len(block))
            return block

    monkeypatch.setattr(storage, "open_at", Watched)

    response = await client.get(f"/exports/{export.pk}/file", headers={"Range": "bytes=9-400008"})
    await body(response)

    assert sum(read) == 400_000
    assert max(read) <= download.BLOCK_BYTES


# -- Names and types ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "name", "kind"),
    [
        ({"format": Format.CSV, "options": {}}, "Airports.csv", "text/csv; charset=utf-8"),
        ({"format": Format.CSV, "options": {"gzip": True}}, "Airports.csv.gz", "application/gzip"),
        (
            {"format": Format.CSV, "options": {"gzip": False}},
            "Airports.csv",
            "text/csv; charset=utf-8",
        ),
        (
            {"format": Format.JSONL, "options": {}},
            "Airports.jsonl",
            "application/jsonl; charset=utf-8",
        ),
        (
            {"format": Format.JSONL, "options": {"gzip": True}},
            "Airports.jsonl.gz",
            "application/gzip",
        ),
        (
            {"format": Format.XLSX, "options": {"gzip": True}},  # It is compressed inside.
            "Airports.xlsx",
            "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        ),
        (
            {"format": Format.PARQUET, "options": {}},
            "Airports.parquet",
            "application/vnd.apache.parquet",
        ),
    ],
)
async def test_each_format_has_its_extension_and_its_type(client, finish, fields, name, kind):
    export = await sync_to_async(finish)(**fields)

    response = await client.get(f"/exports/{export.pk}/file")
    await body(response)

    assert export.file.endswith(name.removeprefix("Airports"))
    assert response["Content-Disposition"] == f'attachment; filename="{name}"'
    assert response["Content-Type"] == kind
    assert "Content-Encoding" not in response


async def test_what_comes_down_compressed_is_what_the_checksum_is_of(client, finish):
    content = gzip.compress(b"faa,name\n")
    export = await sync_to_async(finish)(content, options={"gzip": True})

    response = await client.get(f"/exports/{export.pk}/file", headers={"Accept-Encoding": "gzip"})

    assert f'"{hashlib.sha256(await body(response)).hexdigest()}"' == response["ETag"]


# -- What is not to be had ------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        *("/etc/passwd", "../secret", "exports/../secret", "secret", "", ".", "exports"),
        "exports/{pk}/../../secret",
        "exports/{pk}/..",
        "exports/{pk}/sub/1.csv",
        "exports\\{pk}\\1.csv",
        "exports/{pk}/1.csv\n",
    ],
)
async def test_a_row_that_names_something_else_opens_nothing(client, export, folder, name, way):
    (folder / "secret").write_bytes(CONTENT)
    (folder / "files" / "secret").write_bytes(CONTENT)
    await Export.objects.aupdate(file=name.format(pk=export.pk))

    response = await client.get(f"/exports/{export.pk}/file")

    assert response.status_code == 410
    assert "X-Accel-Redirect" not in response
    assert not response.streaming


@pytest.mark.parametrize("where", BOTH)
@pytest.mark.parametrize(
    "odd",
    [
        *("../../etc/passwd", "..%2f..%2fetc%2fpasswd", "1", "0", "-1", "*", "%00", "' OR 1=1 --"),
        *("00000000-0000-0000-0000-000000000000", "{PK}", "{pk}/../{pk}", "{pk}%20"),
    ],
)
def test_an_odd_id_finds_nothing(refused, export, where, odd):
    given = odd.format(pk=export.pk, PK=str(export.pk).upper())

    response = refused.get(where.format(given))

    assert response.status_code == 404


def test_the_file_of_somebody_else_is_as_one_that_is_not_there(export, url, django_user_model):
    def said(response, pk):
        """Without what is of this request alone."""
        page = response.content.replace(str(pk).encode(), b"")
        return re.sub(rb'value="\w{64}"|data-now="[^"]+"', b"", page)

    other = Client()
    other.force_login(django_user_model.objects.create_user("eve"))
    nobodys = uuid.uuid4()

    theirs = other.get(url, headers={"Range": "bytes=0-9"})
    none = other.get(url.replace(str(export.pk), str(nobodys)))

    assert (theirs.status_code, none.status_code) == (404, 404)
    assert said(theirs, export.pk) == said(none, nobodys)
    assert not Download.objects.exists()


def test_permission_is_asked_whatever_the_way(refused, url, user, way):
    user.user_permissions.clear()

    response = refused.get(url)

    assert response.status_code == 403
    assert not response.has_header("X-Accel-Redirect")
    assert not Download.objects.exists()


async def test_a_file_that_was_cut_off_in_storage_does_not_look_whole(client, export, url):
    os.truncate(default_storage.path(export.file), SIZE - 1)

    response = await client.get(url)

    assert response.status_code == 410
    assert b"not the one that was written" in response.content


@pytest.mark.parametrize("step", ["size", "_open"])
async def test_a_storage_that_does_not_answer_is_said_to_be_away(
    client, url, step, monkeypatch, downloads
):
    def fails(*_):
        raise RuntimeError("Could not connect to the endpoint")

    monkeypatch.setattr(FileSystemStorage, step, fails)

    response = await client.get(url)

    assert response.status_code == 503
    assert b"The storage does not answer." in response.content
    assert b"endpoint" not in response.content
    assert await downloads() == []


# -- By the proxy, by the storage --------------------------------------------------------------


async def test_the_proxy_is_told_where_the_file_is_and_what_to_say_of_it(client, export, settings):
    settings.EXPORTS_DOWNLOAD = "accel"
    settings.EXPORTS_ACCEL_PREFIX = "/inside/"

    response = await client.get(f"/exports/{export.pk}/file", headers={"Range": "bytes=0-9"})

    assert response.status_code == 200
    assert response.content == b""
    assert response["X-Accel-Redirect"] == f"/inside/{export.file}"
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    assert response["Content-Disposition"] == 'attachment; filename="Airports.csv"'
    assert response["ETag"] == ETAG


async def test_a_storage_without_links_says_which_setting_to_change(client, export, settings):
    settings.EXPORTS_DOWNLOAD = "redirect"

    with pytest.raises(ImproperlyConfigured, match="Set EXPORTS_DOWNLOAD to stream"):
        await client.get(f"/exports/{export.pk}/file")


# -- Who has downloaded what --------------------------------------------------------------------


@pytest.mark.parametrize("by", ["stream", "accel"])
async def test_each_answer_with_bytes_is_written_down(client, url, user, by, settings):
    settings.EXPORTS_DOWNLOAD = by

    for headers in ({}, {"Range": "bytes=0-9"}, {"Range": "bytes=0-9", "If-Range": '"x"'}):
        await body(await client.get(url, headers=headers))

    row = await Download.objects.aget()
    assert (row.range, row.requests, row.bytes) == ("", 3, 2 * SIZE + 10)
    assert str(row.export_id) in url
    assert (row.user_id, row.address) == (user.pk, "127.0.0.1")
    assert row.at <= row.last_at


@pytest.fixture
def one_hour(monkeypatch):
    """No test ends in another hour than it began."""
    monkeypatch.setattr(download, "_hour", lambda now: "2026-11-30T10")


def test_hour_of_a_row_is_that_of_its_day_in_utc():
    moment = datetime(2026, 11, 30, 10, 59, 59, tzinfo=UTC)
    elsewhere = moment.astimezone(fixed_zone(timedelta(hours=5, minutes=30)))

    assert download._hour(moment) == download._hour(elsewhere)
    assert download._hour(moment) == download._hour(moment - timedelta(minutes=59))
    later = {download._hour(moment + timedelta(**more)) for more in ({"seconds": 1}, {"days": 1})}
    assert len(later | {download._hour(moment)}) == 3


async def test_a_hundred_ranges_are_one_row(client, export, one_hour):
    url = f"/exports/{export.pk}/file"
    for first in range(0, 1_000, 10):
        response = await client.get(url, headers={"Range": f"bytes={first}-{first + 9}"})
        response.close()

    row = await Download.objects.aget()
    assert (row.range, row.requests, row.bytes) == ("bytes=0-9", 100, 1_000)


async def test_addresses_of_one_network_are_one_row(client, export, one_hour):
    for number in range(3):
        address = f"2001:4860:1:2::{number}"
        url = f"/exports/{export.pk}/file"
        await body(await client.get(url, headers={"X-Forwarded-For": address}))

    row = await Download.objects.aget()
    assert (row.address, row.requests) == ("2001:4860:1:2::", 3)


async def test_row_of_ranges_says_when_the_whole_file_was_asked_for(client, export, one_hour):
    url = f"/exports/{export.pk}/file"
    for headers in ({"Range": "bytes=0-9"}, {}, {"Range": "bytes=10-19"}):
        await body(await client.get(url, headers=headers))

    row = await Download.objects.aget()
    assert (row.range, row.requests) == ("", 3)


async def test_another_user_address_hour_or_export_is_another_row(
    client, export, finish, django_user_model, monkeypatch
):
    other = AsyncClient()
    root = await sync_to_async(django_user_model.objects.create_superuser)("root")
    await other.aforce_login(root)
    url = f"/exports/{export.pk}/file"

    for hour in ("10", "11"):
        monkeypatch.setattr(download, "_hour", lambda now, hour=hour: hour)
        for sender, address in ((client, "8.8.8.8"), (client, "8.8.4.4"), (other, "8.8.8.8")):
            await body(await sender.get(url, headers={"X-Forwarded-For": address}))
    second = await sync_to_async(finish)(label="Another")
    await body(await client.get(f"/exports/{second.pk}/file"))

    assert await Download.objects.acount() == 7


def test_processes_that_write_the_same_row_at_once_make_one(user, export, one_hour, rf):
    request = rf.get("/", headers={"Range": "bytes=0-9"})
    request.user = user
    part = byte_range.wanted("bytes=0-9", SIZE)

    outcomes = at_once(8, lambda: download._record(request, export, part))

    assert outcomes == [None] * 8
    row = Download.objects.get()
    assert (row.requests, row.bytes) == (8, 80)
