"""What holds files fails, or is full: the export says so, and leaves nothing behind."""

from __future__ import annotations

import os
import subprocess

import pytest

from exports.exceptions import OutOfSpace
from exports.models import PartStatus
from exports.status import Status
from tests.faults.exports.hazards.traps import SAYS

pytestmark = pytest.mark.django_db(transaction=True)

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a small disk")


@pytest.mark.proves("no-partial-file")
@pytest.mark.parametrize("place", ["save-part-000003", "open-part-000003", "save-file"])
@pytest.mark.parametrize("action", ["fail", "fail once"])
def test_storage_error_is_the_reason_and_a_new_export_succeeds(depot, place, action):
    depot.muster()
    depot.traps.set(place, action)

    failed = depot.wait_for(depot.request())

    depot.traps.remove(place)
    depot.assert_failed(failed, f"OSError: {SAYS}")
    depot.assert_unharmed(depot.request())


@pytest.fixture
def small_disk(crew):
    """A function that mounts a disk of so many KiB over a directory of the workers'."""
    mounted = []

    def mount(directory, kib):
        options = ["-t", "tmpfs", "-o", f"size={kib}k", "tmpfs", directory]
        subprocess.run(["mount", *options], check=True, timeout=30)
        mounted.append(directory)

    yield mount
    for directory in mounted:
        subprocess.run(["umount", directory], check=True, timeout=30)


FLOOR = 64 * 1024


@pytest.mark.proves("free-space-is-kept")
@needs_root
@pytest.mark.parametrize("directory", ["work", "files"])
def test_full_disk_pauses_exports_until_there_is_room(
    depot, small_disk, clock, settings, directory
):
    settings.EXPORTS_MIN_FREE_BYTES = FLOOR
    depot.muster(EXPORTS_MIN_FREE_BYTES=str(FLOOR))
    disk = getattr(depot.crew, directory)
    small_disk(disk, 256)
    hold = depot.traps.hold("row-000400")
    export = depot.request()
    hold.wait()

    (disk / "ballast").write_bytes(bytes(200 * 1024))
    hold.release()
    depot.wait_for(export, Status.QUEUED)

    assert export.waits_for == "space"
    assert export.parts.filter(status=PartStatus.DONE).count() in {2, 3}
    if directory == "files":
        with pytest.raises(OutOfSpace):
            depot.request()
    else:
        assert depot.request("few").status == Status.QUEUED

    (disk / "ballast").unlink()
    depot.assert_unharmed(export)


@pytest.mark.proves("no-partial-file")
@needs_root
@pytest.mark.parametrize(
    ("directory", "kib", "reason"),
    [
        ("work", 12, "No space left on device"),  # for the first part
        ("work", 16, "No space left on device"),  # for the file
        ("files", 16, "No space left on device"),  # for the fifth part
        (
            "files",
            28,
            "has 20,289 bytes, but the storage has",
        ),  # for all of the file; some of it was taken
    ],
)
def test_full_disk_fails_the_export_and_workers_survive(depot, small_disk, directory, kib, reason):
    depot.muster()
    disk = getattr(depot.crew, directory)
    small_disk(disk, kib)
    ballast = disk / "ballast"
    if kib == 12:
        ballast.write_bytes(bytes(kib * 1024))

    export = depot.wait_for(depot.request())

    ballast.unlink(missing_ok=True)
    depot.assert_failed(export, reason)
