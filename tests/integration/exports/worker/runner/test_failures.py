"""A worker that fails says why, and leaves no file that is not whole."""

from __future__ import annotations

import re
from functools import partial

import pytest
from django.contrib.auth.models import Permission, User
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage, default_storage
from django.db import OperationalError

from exports.files import storage
from exports.lifecycle import attempts, rescue
from exports.models import Part
from exports.status import Status
from tests.support.exporting import (
    content,
    events,
    expire_lease,
    file_with,
    log,
    make_flights,
    resume_with,
    run,
    start,
)
from tests.support.running import assert_whole, left_in_storage, watched

pytestmark = pytest.mark.django_db(transaction=True)


def raise_(error):
    raise error


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ValueError("no such engine"), "ValueError: no such engine"),
        (KeyError("speed"), "KeyError: 'speed'"),
        (ValueError("text with a \0 and \ud800"), "ValueError: text with a \ufffd and \ufffd"),
        (ValueError("x" * 5_000), f"ValueError: {'x' * 988} …"),
    ],
)
@pytest.mark.usefixtures("small_parts")
def test_exporter_error_fails_the_export_and_the_worker_survives(superuser, at, error, reason):
    export = watched(superuser)
    at(25, partial(raise_, error))

    run(export)

    export.refresh_from_db()
    assert (export.status, export.error) == ("failed", reason)
    assert (export.lease_expires_at, export.stage) == (None, "")
    assert events(export.owner_stream, "export.failed")[0]["error"] == reason
    (traceback,) = [
        line["message"] for line in events(export.stream, "log") if line["level"] == "ERROR"
    ]
    assert traceback.startswith("The export failed.\nTraceback")


def test_lost_permission_fails_the_export_with_the_reason():
    user = User.objects.create_user("somebody")
    user.user_permissions.add(Permission.objects.get(codename="export_flight"))
    export = start(user)
    user.user_permissions.clear()
    export.refresh_from_db()

    run(export)

    assert export.status == Status.FAILED
    assert export.error.startswith('You do not have permission to export "Flights".')


@pytest.mark.proves("no-partial-file")
@pytest.mark.usefixtures("small_parts")
def test_storage_that_is_full_fails_with_the_reason(superuser, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    make_flights(range(1, 36))
    export = start(superuser)
    monkeypatch.setattr(FileSystemStorage, "_save", full)

    run(export)

    assert (export.status, export.error) == (
        "failed",
        "OSError: [Errno 28] No space left on device",
    )
    assert left_in_storage() == set()


def test_full_work_directory_fails_the_export_with_the_reason(superuser, monkeypatch):
    class FullDisk:
        def write(self, block):
            raise OSError(28, "No space left on device")

        def close(self):
            raise OSError(28, "No space left on device")

    def new_file(self, digest):
        made(self, digest)
        self._file.close()
        self._file = FullDisk()

    made = storage.NewFile.__init__
    make_flights(range(1, 36))
    export = start(superuser)
    monkeypatch.setattr(storage.NewFile, "__init__", new_file)

    run(export)

    assert export.error == "OSError: [Errno 28] No space left on device"


@pytest.mark.proves("no-partial-file")
@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda content: content[:-1], r"Part 2 has \d+ bytes in storage, but \d+ were written"),
        (lambda content: content + b"x", r"Part 2 has \d+ bytes in storage"),
        (lambda content: content.replace(b"United", b"untied"), r"Part 2 .* its CRC-32 does"),
        (lambda content: b"", r"Part 2 has 0 bytes in storage"),
        (lambda content: None, r"FileNotFoundError"),
    ],
)
@pytest.mark.usefixtures("small_parts")
def test_damaged_part_fails_the_export_without_a_file(superuser, at, damage, reason):
    def tamper():
        name = Part.objects.get(number=2).file
        with default_storage.open(name) as file:
            new = damage(file.read())
        default_storage.delete(name)
        if new is not None:
            assert default_storage.save(name, ContentFile(new)) == name

    export = watched(superuser)
    at(25, tamper)

    run(export)

    assert (export.status, export.file) == ("failed", "")
    assert re.search(reason, export.error)


def test_storage_that_cannot_delete_does_not_undo_the_success(superuser, monkeypatch):
    class ClientError(Exception):
        """As of S3: no OSError."""

    make_flights(range(1, 36))
    export = start(superuser)
    monkeypatch.setattr(FileSystemStorage, "delete", lambda *_: raise_(ClientError("denied")))

    run(export)

    assert export.status == Status.SUCCEEDED
    assert content(export) == file_with(range(1, 36))


def test_orphaned_files_of_a_killed_worker_are_removed(superuser):
    make_flights(range(1, 36))
    export = start(superuser)
    part = Part(export=export, number=1, attempt=7)
    for name in (storage.part_name(part), storage.file_name(export).replace("/1.", "/7.")):
        default_storage.save(name, ContentFile(b"of nobody"))

    assert_whole(run(export))


def test_storage_that_cannot_list_does_not_undo_the_success(superuser, monkeypatch):
    make_flights(range(1, 36))
    export = start(superuser)
    monkeypatch.setattr(FileSystemStorage, "listdir", lambda *_: raise_(NotImplementedError()))

    assert_whole(run(export))


@pytest.mark.usefixtures("small_parts")
def test_database_error_is_raised_and_left_to_the_rescue(superuser, at):
    export = watched(superuser)
    at(25, partial(raise_, OperationalError("canceling statement due to statement timeout")))

    with pytest.raises(OperationalError):
        run(export)

    assert export.status == Status.RUNNING
    assert export.lease_expires_at is not None
    assert "canceling statement due to statement timeout" in log(export)[-1]
    expire_lease(export)
    assert rescue.rescue()["rescued"] == 1
    assert_whole(resume_with(export))


@pytest.mark.proves("killed-worker-costs-one-part")
@pytest.mark.usefixtures("small_parts")
def test_repeated_database_error_becomes_the_reason_of_failure(superuser, at, settings):
    settings.EXPORTS_MAX_ATTEMPTS = 2
    export = watched(superuser)
    for _ in range(2):
        at(25, partial(raise_, OperationalError("statement timeout")))
        with pytest.raises(OperationalError):
            run(export)
        expire_lease(export)
        rescued = rescue.rescue()
        if rescued["rescued"]:
            export = attempts.claim(export.pk, worker="another")

    export.refresh_from_db()
    assert (export.status, export.error) == ("failed", "Database error: statement timeout")
