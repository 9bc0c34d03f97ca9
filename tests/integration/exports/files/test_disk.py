"""How much room there is: what the system says of the storage's file system and the workers'."""

from __future__ import annotations

import os
import shutil
from types import SimpleNamespace

import pytest

from config import storage
from exports.files import disk

pytestmark = pytest.mark.usefixtures("folder")

BLOCK = 1024  # Of a file system whose other block is larger, as on macOS.


@pytest.fixture
def blocks(monkeypatch, folder):
    """Free blocks of the two file systems, of which root may use two more."""
    free = {"files": 100, "work": 100}

    def statvfs(path):
        found = free[path.relative_to(folder).parts[0]]
        return SimpleNamespace(f_bavail=found, f_bfree=found + 2, f_frsize=BLOCK, f_bsize=4096)

    monkeypatch.setattr(os, "statvfs", statvfs)
    return free


def test_free_bytes_match_the_operating_system(folder):
    """Of folders that are not there yet, too: nobody has written a file."""
    assert not (folder / "files").exists()

    near = shutil.disk_usage(folder).free

    assert disk.storage_free() == pytest.approx(near, abs=64 * 1024 * 1024)
    assert disk.work_free() == pytest.approx(near, abs=64 * 1024 * 1024)


def test_blocks_reserved_for_root_are_not_free(blocks):
    assert disk.storage_free() == disk.work_free() == 100 * BLOCK


@pytest.mark.parametrize(
    ("place", "named"), [("files", "the storage"), ("work", "the work directory")]
)
def test_shortage_is_free_space_below_floor_plus_need(settings, blocks, place, named):
    settings.EXPORTS_MIN_FREE_BYTES = 90 * BLOCK
    blocks[place] = 95
    assert disk.shortage(5 * BLOCK) == ""

    assert disk.shortage(5 * BLOCK + 1) == (
        f"{95 * BLOCK:,} bytes are free in {named}, and {95 * BLOCK + 1:,} are needed"
    )
    assert bool(disk.storage_shortage(5 * BLOCK + 1)) == (place == "files")


def test_zero_floor_disables_the_shortage(settings, blocks):
    settings.EXPORTS_MIN_FREE_BYTES = 0
    blocks["files"] = blocks["work"] = 0

    assert disk.shortage(BLOCK) == ""


def test_unknown_free_space_is_no_shortage(settings, folder):
    """Of a bucket, and of a folder below a file: writing there fails, and says why."""
    settings.EXPORTS_MIN_FREE_BYTES = 2**60
    bucket = storage.from_url("s3://exports")
    settings.STORAGES = {**settings.STORAGES, "default": bucket}
    (folder / "file").touch()
    settings.EXPORTS_WORK_DIR = folder / "file" / "work"

    assert disk.storage_free() is disk.work_free() is None
    assert disk.shortage() == ""
