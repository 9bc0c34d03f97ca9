"""A bucket: large files, a service that refuses, and what is deleted from it."""

from __future__ import annotations

import os
import threading
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from botocore.awsrequest import AWSResponse
from django.core.files.storage import default_storage

from config.storage import from_url
from exports.exceptions import StorageFailed
from exports.files import s3 as bucket
from exports.files import storage as store
from exports.lifecycle import prune
from exports.models import Export
from exports.status import Status
from tests.services import s3 as service
from tests.support.bucket import ROWS, keys, read
from tests.support.exporting import left_in, log, make_flights, request, run, start

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(not service.IS_AVAILABLE, reason="rclone's wheel is for Linux"),
]


EMPTY = SimpleNamespace(stream=lambda *_, **__: iter(()))
NAME = "exports/00000000-0000-4000-8000-000000000000/1.csv"


def stored(content, name=NAME):
    with store.NewFile() as new:
        new.write(content)
        return new.store(name)


# -- Large files ---------------------------------------------------------------------------------


def test_large_file_is_uploaded_and_read_in_chunks(tmp_path):
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


def test_opened_file_is_seekable_and_on_disk(tmp_path):
    with store.open_file(stored(b"0123456789")) as file:
        file.seek(-3, os.SEEK_END)
        assert file.read() == b"789"
        file.seek(2)
        assert file.read(2) == b"23"
        on_disk = Path(f"/proc/self/fd/{file.fileno()}").readlink()
        assert on_disk.is_relative_to(tmp_path / "work")


def test_compressed_file_has_no_content_encoding():
    name = stored(b"compressed", NAME + ".gz")

    told = default_storage.client.head_object(Bucket=service.BUCKET, Key=f"waybill/{name}")

    assert "ContentEncoding" not in told
    assert told["ContentType"] == "application/octet-stream"


def test_threads_share_one_client():
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
    assert export.error.startswith("Could not save the file: ")
    assert reason in export.error
    assert "STORAGE_URL" in export.error
    assert str(settings.EXPORTS_WORK_DIR) not in export.error
    assert any(reason in line for line in log(export))


def test_missing_credentials_fail_the_export_with_the_reason(user, monkeypatch, settings):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    settings.STORAGES = {**settings.STORAGES}
    make_flights(ROWS)

    export = run(start(user))

    assert export.status == Status.FAILED
    assert "Unable to locate credentials" in export.error


def test_missing_bucket_fails_the_export_with_the_reason(user, s3, settings):
    url = s3.env["STORAGE_URL"].replace("//exports/", "//no-such-bucket/")
    settings.STORAGES = {**settings.STORAGES, "default": from_url(url)}
    make_flights(ROWS)

    export = run(start(user))

    assert export.status == Status.FAILED
    assert "NoSuchBucket" in export.error


def test_unreachable_service_fails_the_export_with_the_reason(user, s3, settings):
    make_flights(ROWS)
    export = start(user)
    s3.stop()

    run(export)

    assert export.status == Status.FAILED
    assert "Could not connect to the endpoint URL" in export.error
    assert s3.endpoint in export.error


def test_transient_refusal_is_retried():
    def refuse(request, **_):
        if not refusals:
            return None
        return AWSResponse(request.url, refusals.pop(), {}, EMPTY)

    refusals = [500, 503]

    default_storage.client.meta.events.register("before-send.s3.PutObject", refuse)

    assert read(stored(b"content")) == b"content"
    assert refusals == []


@pytest.mark.proves("no-partial-file")
def test_truncated_upload_is_detected_and_removed(user, monkeypatch):
    sent = bucket.S3Files._save

    def cut_off(self, name, content):
        os.truncate(content.temporary_file_path(), 4)
        return sent(self, name, content)

    monkeypatch.setattr(bucket.S3Files, "_save", cut_off)

    with pytest.raises(StorageFailed, match="The file has 10 bytes, but the storage has 4"):
        stored(b"0123456789")

    assert f"waybill/{NAME}" not in keys()


def test_large_upload_that_fails_leaves_no_object():
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


# -- Deleting ------------------------------------------------------------------------------------


def test_deletion_removes_all_files_of_one_export_only(user):
    make_flights(ROWS)
    mine, other = request(user), request(user, columns=["id"])
    names = [f"exports/{export.pk}/{name}" for export in (mine, other) for name in ("1.csv", "x")]
    for name in names:
        stored(b"x", name)
    assert {mine.pk, other.pk} <= store.export_ids()

    assert store.delete_all(mine) == 2
    assert store.delete_all(mine) == 0

    left = keys()
    assert {name for name in names if f"waybill/{name}" in left} == set(names[2:])
    assert mine.pk not in store.export_ids()


def test_expired_files_and_old_orphans_are_removed_from_buckets(finished, monkeypatch):
    stranger = f"exports/{uuid.uuid4()}/1.csv"
    stored(b"x", stranger)
    # A second ago: SQLite's clock has milliseconds only, and may still be behind this one.
    Export.objects.update(expires_at=datetime.now(UTC) - timedelta(seconds=1))

    assert prune.prune(90).expired == 1
    assert stranger in {key.removeprefix("waybill/") for key in keys()}
    monkeypatch.setattr(prune, "LEFTOVERS_KEPT", timedelta(0))
    assert prune.prune(90).orphans >= 1  # Other tests have left some.

    assert keys() == set()


def test_file_can_be_deleted_twice():
    name = stored(b"x")

    store.delete(name)
    store.delete(name)

    assert f"waybill/{name}" not in keys()
