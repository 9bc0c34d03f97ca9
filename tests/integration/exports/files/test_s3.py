"""Exports with their files in a bucket: a real S3 server, which checks signatures."""

from __future__ import annotations

import functools
import hashlib
import os
import re
import threading
import urllib.error
import urllib.request
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import parse_qs, urlsplit

import botocore.session
import pytest
from asgiref.sync import sync_to_async
from botocore.awsrequest import AWSResponse
from botocore.loaders import create_loader
from django.contrib.auth.models import Permission
from django.core.files.storage import default_storage, storages
from django.test import AsyncClient, Client

from config.storage import from_url
from exports.exceptions import StorageFailed
from exports.files import s3 as bucket
from exports.files import storage as store
from exports.lifecycle import prune
from exports.models import Download, Export
from exports.status import Status
from tests.services import s3 as service
from tests.support.exporting import file_with, left_in, log, make_flights, request, run, start

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(not service.IS_AVAILABLE, reason="rclone's wheel is for Linux"),
]

ROWS = range(1, 36)
EMPTY = SimpleNamespace(stream=lambda *_, **__: iter(()))
NAME = "exports/00000000-0000-4000-8000-000000000000/1.csv"


@pytest.fixture(scope="module", autouse=True)
def _service_is_described_once():
    """Each client reads a description of S3 that has 1 MB, for a tenth of a second."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(botocore.session, "create_loader", functools.cache(create_loader))
        yield


@pytest.fixture(autouse=True)
def environment(s3, monkeypatch, settings, tmp_path):
    """Django keeps its files in the bucket, in the way that the environment says."""
    for name, value in s3.env.items():
        monkeypatch.setenv(name, value)
    settings.EXPORTS_WORK_DIR = tmp_path / "work"
    settings.EXPORTS_PART_ROWS = 10
    settings.STORAGES = {**settings.STORAGES, "default": from_url(s3.env["STORAGE_URL"])}
    yield
    for storage in list(storages._storages.values()):
        if isinstance(storage, bucket.S3Files):
            storage.client.close()


@pytest.fixture
def user(django_user_model):
    user = django_user_model.objects.create_user("ada")
    user.user_permissions.add(Permission.objects.get(codename="export_flight"))
    return user


@pytest.fixture
def finished(user):
    make_flights(ROWS)
    return run(start(user))


@pytest.fixture
async def client(user):
    client = AsyncClient()
    await client.aforce_login(user)
    return client


def stored(content, name=NAME):
    with store.NewFile() as new:
        new.write(content)
        return new.store(name)


def keys():
    """All that is in the bucket below our prefix, by its whole name."""
    listed = default_storage.client.list_objects_v2(Bucket=service.BUCKET, Prefix="waybill/")
    return {entry["Key"] for entry in listed.get("Contents", ())}


def read(name):
    with store.open_file(name) as file:
        return file.read()


async def body(response):
    return b"".join([block async for block in response.streaming_content])


def fetch(url, **headers):
    """What whoever has this address gets: status, headers and content."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(urllib.request.Request(url, headers=headers), timeout=30) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers, error.read()


# -- An export --------------------------------------------------------------------------


def test_an_export_is_put_together_in_the_bucket_and_leaves_nothing_else(finished, tmp_path):
    assert (finished.status, finished.parts.count()) == (Status.SUCCEEDED, 4)
    assert finished.file == f"exports/{finished.pk}/1.csv"
    assert read(finished.file) == file_with(ROWS)
    assert {key for key in keys() if str(finished.pk) in key} == {f"waybill/{finished.file}"}
    assert left_in(tmp_path) == set()


async def test_it_comes_down_whole_and_in_ranges(finished, client):
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


async def test_of_a_range_the_bucket_is_asked_for_that_range(finished, client, monkeypatch):
    asked = []
    default_storage.client.meta.events.register(
        "before-call.s3.GetObject",
        lambda params, **_: asked.append(params["headers"].get("Range")),
    )

    for header in ({"Range": "bytes=100-199"}, {}):
        await body(await client.get(f"/exports/{finished.pk}/file", headers=header))

    assert asked == ["bytes=100-199", f"bytes=0-{finished.bytes - 1}"]


async def test_a_download_that_is_broken_off_ends_the_request_to_the_bucket(
    finished, client, monkeypatch
):
    opened, real = [], store.open_at
    monkeypatch.setattr(store, "open_at", lambda *args: opened.append(real(*args)) or opened[-1])
    response = await client.get(f"/exports/{finished.pk}/file")

    await anext(aiter(response))
    response.close()

    assert [each._raw_stream.closed for each in opened] == [True]


async def test_a_file_that_is_not_in_the_bucket_any_more_is_gone(finished, client):
    await sync_to_async(store.delete)(finished.file)

    response = await client.get(f"/exports/{finished.pk}/file")

    assert response.status_code == 410


# -- A link -------------------------------------------------------------------------------


@pytest.fixture
def by_link(settings):
    settings.EXPORTS_DOWNLOAD = "redirect"


async def test_a_click_leads_to_a_link_that_gives_the_file_with_its_name(
    finished, client, by_link, user
):
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


async def test_a_link_gives_ranges_and_the_row_says_which(finished, client, by_link):
    headers = {"Range": "bytes=10-19", "If-Range": '"of the bucket"'}

    response = await client.get(f"/exports/{finished.pk}/file", headers=headers)
    _, answered, content = await sync_to_async(fetch)(response["Location"], Range="bytes=10-19")

    assert content == file_with(ROWS)[10:20]
    assert answered["Content-Range"] == f"bytes 10-19/{finished.bytes}"
    assert [row.range async for row in Download.objects.all()] == ["bytes=10-19"]


async def test_each_click_has_a_link_of_its_own_that_is_fresh_for_so_long(
    finished, client, by_link, settings
):
    settings.EXPORTS_LINK_SECONDS = 7

    link = (await client.get(f"/exports/{finished.pk}/file"))["Location"]

    asked = parse_qs(urlsplit(link).query)
    assert asked["X-Amz-Expires"] == ["7"]
    assert asked["X-Amz-Algorithm"] == ["AWS4-HMAC-SHA256"]
    assert service.SECRET not in link


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
async def test_a_link_that_was_tampered_with_gives_nothing(finished, client, by_link, tamper):
    link = (await client.get(f"/exports/{finished.pk}/file"))["Location"]
    assert tamper(link) != link

    status, _, content = await sync_to_async(fetch)(tamper(link))

    assert status in {400, 403}
    assert b"United" not in content


@pytest.mark.parametrize(("age", "statuses"), [(30, {200}), (61, {400, 403})])
def test_a_link_works_while_it_is_fresh_and_no_longer(finished, monkeypatch, age, statuses):
    made = datetime.now(UTC).replace(tzinfo=None) - timedelta(seconds=age)
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda *_, **__: made)
    link = store.link(finished.file, timedelta(seconds=60), {})

    status, _, content = fetch(link)

    assert status in statuses
    assert (content == file_with(ROWS)) == (status == 200)


def test_nobody_gets_a_link_who_may_not_have_the_file(finished, by_link, user):
    user.user_permissions.clear()
    client = Client()
    client.force_login(user)

    response = client.get(f"/exports/{finished.pk}/file")

    assert response.status_code == 403
    assert "Location" not in response


async def test_head_and_who_has_it_get_no_link(finished, client, by_link):
    url = f"/exports/{finished.pk}/file"

    head = await client.head(url)
    has_it = await client.get(url, headers={"If-None-Match": head["ETag"]})

    assert (head.status_code, head["Content-Length"]) == (200, str(finished.bytes))
    assert has_it.status_code == 304
    assert not await Download.objects.aexists()


# -- Large files -----------------------------------------------------------------------------


def test_a_large_file_goes_up_and_comes_back_in_chunks(tmp_path):
    calls = []
    default_storage.client.meta.events.register(
        "before-call.s3", lambda model, **_: calls.append(model.name)
    )
    content = os.urandom(bucket.MULTIPART_BYTES) + b"and some more"

    name = stored(content)

    assert calls.count("CreateMultipartUpload") == calls.count("CompleteMultipartUpload") == 1
    assert calls.count("UploadPart") == 3
    assert "PutObject" not in calls
    assert read(name) == content
    with store.open_at(name, len(content) - 4, 4) as end:
        assert end.read() == b"more"
    assert left_in(tmp_path) == set()


def test_a_file_that_is_read_can_be_sought_in_and_is_on_disk_meanwhile(tmp_path):
    with store.open_file(stored(b"0123456789")) as file:
        file.seek(-3, os.SEEK_END)
        assert file.read() == b"789"
        file.seek(2)
        assert file.read(2) == b"23"
        on_disk = Path(f"/proc/self/fd/{file.fileno()}").readlink()
        assert on_disk.is_relative_to(tmp_path / "work")


def test_a_compressed_file_is_not_said_to_be_encoded():
    name = stored(b"compressed", NAME + ".gz")

    told = default_storage.client.head_object(Bucket=service.BUCKET, Key=f"waybill/{name}")

    assert "ContentEncoding" not in told
    assert told["ContentType"] == "application/octet-stream"


def test_all_threads_share_one_client():
    found = [default_storage.client]
    thread = threading.Thread(target=lambda: found.append(default_storage.client))
    thread.start()
    thread.join()

    assert found[0] is found[1]


# -- A bucket that refuses -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"AWS_SECRET_ACCESS_KEY": "wrong"}, "SignatureDoesNotMatch"),
        ({"AWS_ACCESS_KEY_ID": "nobody"}, "InvalidAccessKeyId"),
    ],
)
def test_wrong_credentials_fail_the_export_with_the_reason(
    user, monkeypatch, settings, wrong, reason
):
    for name, value in wrong.items():
        monkeypatch.setenv(name, value)
    settings.STORAGES = {**settings.STORAGES}  # A fresh storage reads the environment again.
    make_flights(ROWS)

    export = run(start(user))

    assert export.status == Status.FAILED
    assert export.error.startswith("The storage did not take the file: ")
    assert reason in export.error
    assert "STORAGE_URL" in export.error
    assert str(settings.EXPORTS_WORK_DIR) not in export.error
    assert any(reason in line for line in log(export))


def test_without_any_credentials_it_says_so(user, monkeypatch, settings):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    settings.STORAGES = {**settings.STORAGES}
    make_flights(ROWS)

    export = run(start(user))

    assert export.status == Status.FAILED
    assert "Unable to locate credentials" in export.error


def test_a_bucket_that_is_not_there_fails_the_export_with_the_reason(user, s3, settings):
    url = s3.env["STORAGE_URL"].replace("//exports/", "//no-such-bucket/")
    settings.STORAGES = {**settings.STORAGES, "default": from_url(url)}
    make_flights(ROWS)

    export = run(start(user))

    assert export.status == Status.FAILED
    assert "NoSuchBucket" in export.error


def test_a_service_that_is_away_is_said_to_be(user, s3, settings):
    make_flights(ROWS)
    export = start(user)
    s3.stop()

    run(export)

    assert export.status == Status.FAILED
    assert "Could not connect to the endpoint URL" in export.error
    assert s3.endpoint in export.error


def test_a_refusal_that_passes_is_not_noticed():
    def refuse(request, **_):
        if not refusals:
            return None
        return AWSResponse(request.url, refusals.pop(), {}, EMPTY)

    refusals = [500, 503]

    default_storage.client.meta.events.register("before-send.s3.PutObject", refuse)

    assert read(stored(b"content")) == b"content"
    assert refusals == []


def test_an_upload_that_was_cut_off_is_noticed_and_nothing_is_left(user, monkeypatch):
    sent = bucket.S3Files._save

    def cut_off(self, name, content):
        os.truncate(content.temporary_file_path(), 4)
        return sent(self, name, content)

    monkeypatch.setattr(bucket.S3Files, "_save", cut_off)

    with pytest.raises(StorageFailed, match="The file has 10 bytes, and the storage kept 4"):
        stored(b"0123456789")

    assert f"waybill/{NAME}" not in keys()


def test_a_large_upload_that_fails_leaves_no_object():
    def refuse(params, **_):
        if params["query_string"]["partNumber"] == 2:
            raise ConnectionError("cut")

    default_storage.client.meta.events.register("before-call.s3.UploadPart", refuse)

    with pytest.raises((StorageFailed, OSError), match="cut"):
        stored(os.urandom(bucket.MULTIPART_BYTES + 1))

    assert f"waybill/{NAME}" not in keys()
    assert (
        default_storage.client.list_multipart_uploads(Bucket=service.BUCKET).get("Uploads") is None
    )


# -- Deleting --------------------------------------------------------------------------------------


def test_all_of_an_export_is_deleted_and_nothing_of_another(user):
    make_flights(ROWS)
    mine, other = request(user), request(user, columns=["id"])
    names = [f"exports/{export.pk}/{name}" for export in (mine, other) for name in ("1.csv", "x")]
    for name in names:
        stored(b"x", name)
    assert {mine.pk, other.pk} <= store.folders()

    assert store.delete_all(mine) == 2
    assert store.delete_all(mine) == 0

    left = keys()
    assert {name for name in names if f"waybill/{name}" in left} == set(names[2:])
    assert mine.pk not in store.folders()


def test_what_has_expired_is_pruned_from_the_bucket_and_what_nobody_knows_when_it_is_old(
    finished, monkeypatch
):
    stranger = f"exports/{uuid.uuid4()}/1.csv"
    stored(b"x", stranger)
    # A second ago: SQLite's clock has milliseconds only, and may still be behind this one.
    Export.objects.update(expires_at=datetime.now(UTC) - timedelta(seconds=1))

    assert prune.prune(90).expired == 1
    assert stranger in {key.removeprefix("waybill/") for key in keys()}
    monkeypatch.setattr(prune, "LEFTOVERS_KEPT", timedelta(0))
    assert prune.prune(90).orphans >= 1  # Other tests have left some.

    assert keys() == set()


def test_what_is_asked_to_be_deleted_twice_is_no_matter():
    name = stored(b"x")

    store.delete(name)
    store.delete(name)

    assert f"waybill/{name}" not in keys()
