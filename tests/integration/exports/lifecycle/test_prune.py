"""What nobody can have any more is deleted, and nothing else, however often and at once."""

from __future__ import annotations

import os
import threading
import time
import uuid
from datetime import timedelta

import pytest
from django.core.files.storage import FileSystemStorage, default_storage
from django.core.management import CommandError, call_command
from django.db import connections, transaction
from django.utils import timezone

from exports.files import storage
from exports.lifecycle import prune
from exports.models import Download, Export, Part, PartStatus
from exports.status import MOVES, Status
from notifications.models import Event, Retained, Stream
from notifications.streams import publish
from notifications.streams.prune import forget
from tests.support.exporting import force_status, left_in
from tests.support.starting import start_export

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("folder")]

NOW = timezone.now()
HOURS_AGO = NOW - timedelta(hours=23)
DAYS_AGO = NOW - timedelta(hours=25)
LONG_AGO = NOW - timedelta(days=91)
SOON = NOW + timedelta(days=1)
NOTHING = {
    "expired": 0,
    "ended": 0,
    "orphans": 0,
    "streams": 0,
    "work_files": 0,
    "exports": 0,
    "undeleted": 0,
}


@pytest.fixture
def make(django_user_model):
    """An export with a file, or with the parts and the leftovers of one that came to none."""
    user = django_user_model.objects.create_superuser("ada")

    def make(status, finished_at=DAYS_AGO, expires_at=None):
        export = start_export(user=user, exporter="airports")
        export.attempt = 2
        file = stored(storage.file_name(export)) if status == Status.SUCCEEDED else ""
        part = Part(export=export, number=1, upto_key="x", rows=1, attempt=3)
        part.status, part.file = PartStatus.DONE, stored(storage.part_name(part))
        part.save()
        stored(f"exports/{export.pk}/part-000001.1")  # Of a lost attempt: no row names it.
        return force_status(
            export, status, file=file, finished_at=finished_at, expires_at=expires_at
        )

    return make


def stored(name):
    with storage.NewFile() as new:
        new.write(b"x")
        return new.store(name)


def age(path, days=2):
    then = time.time() - days * 24 * 3600
    os.utime(path, (then, then))


def ids(folder):
    """The exports that have a folder in storage."""
    return {path.name for path in (folder / "files" / "exports").iterdir()}


def did(**counts):
    return {**NOTHING, **counts}


# -- What goes ----------------------------------------------------------------------------


def test_expired_file_is_deleted_with_its_leftovers(make, folder):
    export = make(Status.SUCCEEDED, expires_at=NOW - timedelta(seconds=1))

    assert vars(prune.prune(90)) == did(expired=1)

    export.refresh_from_db()
    assert (export.file, export.status) == ("", Status.SUCCEEDED)
    assert export.parts.get().file == ""
    assert ids(folder) == set()
    assert vars(prune.prune(90)) == NOTHING


@pytest.mark.parametrize("status", [Status.FAILED, Status.CANCELLED])
def test_leftovers_of_an_ended_export_are_deleted_after_a_day(make, folder, status):
    old, young = make(status), make(status, finished_at=HOURS_AGO)

    assert vars(prune.prune(90)) == did(ended=1)

    assert ids(folder) == {str(young.pk)}
    assert [old.parts.get().file, bool(young.parts.get().file)] == ["", True]
    assert vars(prune.prune(90)) == NOTHING


def test_leftovers_without_a_row_are_deleted(make, folder):
    export = make(Status.FAILED)
    export.parts.all().delete()

    assert vars(prune.prune(90)) == did(ended=1)

    assert ids(folder) == set()


def test_folder_that_only_resembles_a_key_stops_no_pruning(make, folder):
    export = make(Status.FAILED)
    export.parts.all().delete()
    odd = folder / "files" / "exports" / ("-" * 36)
    odd.mkdir()

    assert vars(prune.prune(90)) == did(ended=1)

    assert ids(folder) == {odd.name}


def test_storage_without_listing_is_pruned_by_rows(make, folder, monkeypatch):
    def cannot(*_):
        raise NotImplementedError

    monkeypatch.setattr(FileSystemStorage, "listdir", cannot)
    expired = make(Status.SUCCEEDED, expires_at=NOW)
    failed = make(Status.FAILED)

    assert vars(prune.prune(90)) == did(expired=1, ended=1)

    assert left_in(folder / "files") == {
        f"exports/{export.pk}/part-000001.1" for export in (expired, failed)
    }


def test_folder_without_an_export_is_deleted_after_a_day(make, folder):
    old, young = uuid.uuid4(), uuid.uuid4()
    for name in (old, young):
        stored(f"exports/{name}/1.csv")
    age(default_storage.path(f"exports/{old}/1.csv"))
    (folder / "files" / "exports" / "by hand").mkdir()

    assert vars(prune.prune(90)) == did(orphans=1)

    assert ids(folder) == {str(young), "by hand"}


@pytest.mark.proves("any-user-can-be-deleted")
def test_data_of_a_deleted_users_exports_is_deleted(make, folder):
    gone = make(Status.SUCCEEDED, finished_at=NOW, expires_at=SOON)
    gone.owner.delete()
    with transaction.atomic():
        for name in ("export-1", "order-7", f"export-{uuid.uuid4().hex}"):  # Of something else.
            publish.append(name, "log", {})
    for path in (folder / "files" / "exports" / str(gone.pk)).iterdir():
        age(path)

    would, does = vars(prune.prune(90, dry_run=True)), vars(prune.prune(90))

    assert would == does == did(orphans=1, streams=1)
    assert ids(folder) == set()
    assert not Stream.objects.filter(name=gone.stream).exists()
    assert Stream.objects.count() == 3


def test_work_files_of_dead_processes_are_deleted(folder):
    work = folder / "work"
    work.mkdir()
    dead, alive = work / f"{storage.WORK_PREFIX}dead", work / f"{storage.WORK_PREFIX}alive"
    foreign = work / "part-of-somebody-else"
    for path in (dead, alive, foreign):
        path.touch()
    age(dead)
    age(foreign)

    assert vars(prune.prune(90)) == did(work_files=1)

    assert left_in(work) == {alive.name, foreign.name}


@pytest.mark.parametrize("status", [Status.SUCCEEDED, Status.FAILED, Status.CANCELLED])
def test_old_export_is_deleted_with_all_its_data(make, folder, status):
    old = make(status, finished_at=LONG_AGO, expires_at=LONG_AGO)
    kept = make(status, finished_at=NOW - timedelta(days=89), expires_at=SOON)
    force_status(kept, kept.status, origin=old)
    Download.objects.create(export=old)
    with transaction.atomic():
        for export in (old, kept):
            publish.append_many(export.stream, [("log", {})] * 3)
            publish.retain(export.stream, export.key, {})

    assert prune.prune(90).exports == 1

    kept.refresh_from_db()
    assert kept.origin is None
    assert list(Export.objects.all()) == [kept]
    assert not Download.objects.exists()
    streams = set(Stream.objects.filter(name__startswith="export-").values_list("name", flat=True))
    assert streams == {kept.stream}
    assert {event.stream.name for event in Event.objects.filter(type="log")} == {kept.stream}
    assert not Retained.objects.filter(stream__name=old.stream).exists()
    assert str(old.pk) not in ids(folder)


# -- What stays -----------------------------------------------------------------------------


@pytest.mark.proves("pruning-keeps-what-is-offered")
@pytest.mark.parametrize("status", sorted(set(MOVES) - {"succeeded", "failed", "cancelled"}))
def test_unfinished_export_is_not_pruned_at_any_age(make, folder, status):
    export = make(status, finished_at=LONG_AGO, expires_at=LONG_AGO)
    before = left_in(folder)
    for path in (folder / "files").rglob("*"):
        age(path, days=100)

    assert vars(prune.prune(1)) == NOTHING

    assert left_in(folder) == before
    assert Export.objects.get() == export
    assert export.parts.get().file


@pytest.mark.proves("pruning-keeps-what-is-offered")
def test_offered_file_is_kept_however_old_its_export(make, folder):
    export = make(Status.SUCCEEDED, finished_at=LONG_AGO, expires_at=SOON)
    before = left_in(folder)

    assert vars(prune.prune(90)) == NOTHING

    export.refresh_from_db()
    assert export.file
    assert left_in(folder) == before


def test_running_download_survives_the_pruning(make):
    export = make(Status.SUCCEEDED, expires_at=NOW)

    with storage.open_at(export.file, 0, 1) as file:
        assert prune.prune(90).expired == 1
        assert file.read() == b"x"


def test_forged_file_name_deletes_no_foreign_file(make, folder):
    other = make(Status.SUCCEEDED, expires_at=SOON)
    (folder / "files" / "secret").touch()
    liar = make(Status.SUCCEEDED, expires_at=NOW)
    force_status(liar, liar.status, file="secret")
    liar.parts.update(file=f"exports/{liar.pk}/../../secret")

    assert prune.prune(90).expired == 1

    assert (folder / "files" / "secret").exists()
    assert ids(folder) == {str(other.pk)}


# -- While everything runs ----------------------------------------------------------------------


@pytest.mark.proves("pruning-keeps-what-is-offered")
def test_concurrent_prunes_do_not_conflict(make, folder):
    for _ in range(10):
        make(Status.SUCCEEDED, finished_at=LONG_AGO, expires_at=LONG_AGO)
    kept = make(Status.SUCCEEDED, expires_at=SOON)
    at_once, done, errors = threading.Barrier(3), [], []

    def run():
        try:
            at_once.wait()
            done.append(prune.prune(90))
        except Exception as error:  # noqa: BLE001 - raised below
            errors.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)

    assert errors == []
    assert sum(each.undeleted for each in done) == 0
    assert list(Export.objects.all()) == [kept]
    assert ids(folder) == {str(kept.pk)}


def test_file_that_cannot_be_deleted_is_retried_next_time(make, folder, monkeypatch):
    def refuse(self, name):
        if str(stubborn.pk) in name:
            raise RuntimeError("AccessDenied")
        real(self, name)

    real = FileSystemStorage.delete
    stubborn = make(Status.SUCCEEDED, finished_at=LONG_AGO, expires_at=NOW)
    other = make(Status.SUCCEEDED, expires_at=NOW)
    monkeypatch.setattr(FileSystemStorage, "delete", refuse)

    assert vars(prune.prune(90)) == did(expired=1, undeleted=1)

    stubborn.refresh_from_db()
    other.refresh_from_db()
    assert (bool(stubborn.file), bool(other.file)) == (True, False)
    assert ids(folder) == {str(stubborn.pk)}
    monkeypatch.setattr(FileSystemStorage, "delete", real)
    assert vars(prune.prune(90)) == did(expired=1, exports=1)


def test_unreachable_storage_stops_the_pruning_early(make, monkeypatch):
    asked = []

    def away(_, name):
        asked.append(name)
        raise OSError("Could not connect")

    for _ in range(prune.MAX_FAILURES + 5):
        make(Status.SUCCEEDED, finished_at=LONG_AGO, expires_at=NOW)
    monkeypatch.setattr(FileSystemStorage, "delete", away)

    with pytest.raises(OSError, match="Could not connect"):
        prune.prune(90)

    assert len(asked) == prune.MAX_FAILURES
    assert Export.objects.exclude(file="").count() == prune.MAX_FAILURES + 5


def test_pruning_works_in_batches(make, monkeypatch):
    monkeypatch.setattr(prune, "BATCH", 2)
    for _ in range(5):
        make(Status.SUCCEEDED, expires_at=NOW)
        make(Status.FAILED)

    assert vars(prune.prune(90)) == did(expired=5, ended=5)


# -- The command ----------------------------------------------------------------------------------


def test_command_prints_deleted_counts(make, folder, capsys):
    make(Status.SUCCEEDED, expires_at=NOW)
    make(Status.FAILED)
    make(Status.CANCELLED, finished_at=LONG_AGO)

    call_command("prune_exports")

    assert capsys.readouterr().out == (
        "Deleted: expired files 1, leftovers of failed and cancelled exports 1, folders without "
        "an export 0, streams without an export 0, work files 0, old exports 1.\n"
    )
    assert ids(folder) == set()


def test_dry_run_prints_counts_and_deletes_nothing(make, folder, capsys):
    make(Status.SUCCEEDED, expires_at=NOW)
    make(Status.FAILED)
    make(Status.CANCELLED, finished_at=LONG_AGO)
    orphan, work = stored(f"exports/{uuid.uuid4()}/1.csv"), folder / "work" / "waybill-dead"
    work.touch()
    age(default_storage.path(orphan))
    age(work)
    before = left_in(folder)

    call_command("prune_exports", dry_run=True)
    told = capsys.readouterr().out
    assert left_in(folder) == before
    assert Export.objects.exclude(file="").count() == 1
    assert Export.objects.count() == 3

    call_command("prune_exports")

    assert told == capsys.readouterr().out.replace("Deleted", "Would delete")
    without = "folders without an export 1, streams without an export 0"
    assert f"{without}, work files 1, old exports 1" in told
    assert left_in(folder) == set()


def test_command_keeps_exports_younger_than_its_days_option(make):
    make(Status.FAILED, finished_at=NOW - timedelta(days=3))

    call_command("prune_exports", days=4)
    assert Export.objects.count() == 1

    call_command("prune_exports", days=2)
    assert Export.objects.count() == 0


def test_command_uses_the_retention_of_the_settings(make, settings):
    settings.EXPORTS_RETENTION_DAYS = 2
    make(Status.FAILED, finished_at=NOW - timedelta(days=3))

    call_command("prune_exports")

    assert Export.objects.count() == 0


@pytest.mark.parametrize("days", [0, -1, 36_501, 99_999_999_999])
def test_command_refuses_invalid_days(make, days):
    make(Status.FAILED)

    with pytest.raises(CommandError, match="--days must be from 1 to 36500"):
        call_command("prune_exports", days=days)


def test_command_fails_when_a_deletion_was_refused(make, monkeypatch):
    def refuse(*_):
        raise OSError("Read-only file system")

    make(Status.SUCCEEDED, expires_at=NOW)
    monkeypatch.setattr(FileSystemStorage, "delete", refuse)

    with pytest.raises(CommandError, match="did not delete the files of 1 exports"):
        call_command("prune_exports")

    for _ in range(prune.MAX_FAILURES):
        make(Status.SUCCEEDED, expires_at=NOW)
    with pytest.raises(CommandError, match="Stopped: Read-only file system"):
        call_command("prune_exports")


# -- A stream that is forgotten ---------------------------------------------------------------------


@pytest.mark.parametrize("batch", [1, 1_000])
def test_forgetting_deletes_one_stream_only(batch):
    with transaction.atomic():
        for name in ("export-1", "export-2"):
            publish.append_many(name, [("log", {})] * 5)
            publish.retain(name, "k", {})

    forget("export-1", batch)
    forget("export-1", batch)
    forget("export-3", batch)

    assert [stream.name for stream in Stream.objects.all()] == ["export-2"]
    assert (Event.objects.count(), Retained.objects.count()) == (5, 1)
