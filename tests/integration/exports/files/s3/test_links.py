"""Exports with their files in a bucket: written, downloaded, and reached by signed links."""

from __future__ import annotations

import hashlib
import re
import urllib.error
import urllib.request
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from asgiref.sync import sync_to_async
from django.core.files.storage import default_storage
from django.test import Client

from exports.files import storage as store
from exports.models import Download, Export
from exports.status import Status
from tests.services import s3 as service
from tests.support.bucket import ROWS, keys, read
from tests.support.downloading import body
from tests.support.exporting import file_with, left_in

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(not service.IS_AVAILABLE, reason="rclone's wheel is for Linux"),
]


def fetch(url, **headers):
    """What whoever has this address gets: status, headers and content."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(urllib.request.Request(url, headers=headers), timeout=30) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers, error.read()


# -- An export -----------------------------------------------------------------------------------


def test_assembled_export_leaves_only_its_file_in_the_bucket(finished, tmp_path):
    assert (finished.status, finished.parts.count()) == (Status.SUCCEEDED, 4)
    assert finished.file == f"exports/{finished.pk}/1.csv"
    assert read(finished.file) == file_with(ROWS)
    assert {key for key in keys() if str(finished.pk) in key} == {f"waybill/{finished.file}"}
    assert left_in(tmp_path) == set()


@pytest.mark.proves("downloads-resume")
async def test_file_in_a_bucket_comes_whole_and_in_ranges(finished, client):
    url, whole = f"/exports/{finished.pk}/file", file_with(ROWS)

    all_of_it = await client.get(url)
    some = await client.get(url, headers={"Range": "bytes=100-199"})
    end = await client.get(url, headers={"Range": "bytes=-7", "If-Range": all_of_it["ETag"]})
    beyond = await client.get(url, headers={"Range": f"bytes={len(whole)}-"})

    assert (all_of_it.status_code, await body(all_of_it)) == (200, whole)
    assert (some.status_code, await body(some)) == (206, whole[100:200])
    assert some["Content-Range"] == f"bytes 100-199/{len(whole)}"
    assert (end.status_code, await body(end)) == (206, whole[-7:])
    assert beyond.status_code == 416
    assert all_of_it["ETag"] == f'"{hashlib.sha256(whole).hexdigest()}"'
    row = await Download.objects.aget()
    assert (row.range, row.requests, row.bytes) == ("", 3, len(whole) + 107)


async def test_range_is_requested_from_the_bucket_as_a_range(finished, client, monkeypatch):
    asked = []
    default_storage.client.meta.events.register(
        "before-call.s3.GetObject",
        lambda params, **_: asked.append(params["headers"].get("Range")),
    )

    for header in ({"Range": "bytes=100-199"}, {}):
        await body(await client.get(f"/exports/{finished.pk}/file", headers=header))

    assert asked == ["bytes=100-199", f"bytes=0-{finished.bytes - 1}"]


async def test_interrupted_download_closes_the_bucket_request(finished, client, monkeypatch):
    opened, real = [], store.open_at
    monkeypatch.setattr(store, "open_at", lambda *args: opened.append(real(*args)) or opened[-1])
    response = await client.get(f"/exports/{finished.pk}/file")

    await anext(aiter(response))
    response.close()

    assert [each._raw_stream.closed for each in opened] == [True]


async def test_file_missing_in_the_bucket_gives_410(finished, client):
    await sync_to_async(store.delete)(finished.file)

    response = await client.get(f"/exports/{finished.pk}/file")

    assert response.status_code == 410


# -- A link --------------------------------------------------------------------------------------


@pytest.fixture
def by_link(settings):
    settings.EXPORTS_DOWNLOAD = "redirect"


async def test_click_redirects_to_a_link_with_the_file_name(finished, client, by_link, user):
    await Export.objects.aupdate(label="Flüge")

    response = await client.get(
        f"/exports/{finished.pk}/file", headers={"X-Forwarded-For": "8.8.8.8"}
    )
    status, headers, content = await sync_to_async(fetch)(response["Location"])

    assert (response.status_code, response["Cache-Control"]) == (302, "no-store")
    assert (status, content) == (200, file_with(ROWS))
    assert headers["Content-Type"] == "text/csv; charset=utf-8"
    assert headers["Content-Disposition"] == (
        "attachment; filename=\"Fluge.csv\"; filename*=UTF-8''Fl%C3%BCge.csv"
    )
    row = await Download.objects.aget()
    assert (row.export_id, row.user_id, row.address) == (finished.pk, user.pk, "8.8.8.8")


async def test_link_gives_ranges_and_the_record_names_the_range(finished, client, by_link):
    headers = {"Range": "bytes=10-19", "If-Range": '"of the bucket"'}

    response = await client.get(f"/exports/{finished.pk}/file", headers=headers)
    _, answered, content = await sync_to_async(fetch)(response["Location"], Range="bytes=10-19")

    assert content == file_with(ROWS)[10:20]
    assert answered["Content-Range"] == f"bytes 10-19/{finished.bytes}"
    assert [row.range async for row in Download.objects.all()] == ["bytes=10-19"]


async def test_each_click_gets_a_fresh_link_with_an_expiry(finished, client, by_link, settings):
    settings.EXPORTS_LINK_SECONDS = 7

    link = (await client.get(f"/exports/{finished.pk}/file"))["Location"]

    asked = parse_qs(urlsplit(link).query)
    assert asked["X-Amz-Expires"] == ["7"]
    assert asked["X-Amz-Algorithm"] == ["AWS4-HMAC-SHA256"]
    assert service.SECRET not in link


@pytest.mark.proves("downloads-check-permission")
@pytest.mark.parametrize(
    "tamper",
    [
        lambda url: url.replace("/1.csv", "/2.csv"),
        lambda url: url.replace("X-Amz-Expires=60", "X-Amz-Expires=6000"),
        lambda url: re.sub("filename%3D%22Flights", "filename%3D%22Virus", url),
        lambda url: url[:-1] + ("0" if url[-1] != "0" else "1"),
        lambda url: url.partition("?")[0],
    ],
    ids=["another file", "for longer", "another name", "another signature", "without one"],
)
async def test_forged_link_gives_no_file(finished, client, by_link, tamper):
    link = (await client.get(f"/exports/{finished.pk}/file"))["Location"]
    assert tamper(link) != link

    status, _, content = await sync_to_async(fetch)(tamper(link))

    assert status in {400, 403}
    assert b"United" not in content


@pytest.mark.proves("downloads-check-permission")
@pytest.mark.parametrize(("age", "statuses"), [(30, {200}), (61, {400, 403})])
def test_link_works_until_it_expires(finished, monkeypatch, age, statuses):
    made = datetime.now(UTC).replace(tzinfo=None) - timedelta(seconds=age)
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda *_, **__: made)
    link = store.link(finished.file, timedelta(seconds=60), {})

    status, _, content = fetch(link)

    assert status in statuses
    assert (content == file_with(ROWS)) == (status == 200)


def test_link_is_refused_without_permission(finished, by_link, user):
    user.user_permissions.clear()
    client = Client()
    client.force_login(user)

    response = client.get(f"/exports/{finished.pk}/file")

    assert response.status_code == 403
    assert "Location" not in response


async def test_head_and_cached_files_get_no_link(finished, client, by_link):
    url = f"/exports/{finished.pk}/file"

    head = await client.head(url)
    has_it = await client.get(url, headers={"If-None-Match": head["ETag"]})

    assert (head.status_code, head["Content-Length"]) == (200, str(finished.bytes))
    assert has_it.status_code == 304
    assert not await Download.objects.aexists()
