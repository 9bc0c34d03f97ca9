"""A file is in storage whole, under a name that is made here, or it is not there."""

from __future__ import annotations

import errno
import uuid
from pathlib import Path

import pytest
from django.core.files.storage import FileSystemStorage, default_storage

from exports.exceptions import StorageFailed
from exports.files import storage
from tests.support.exporting import left_in

pytestmark = pytest.mark.usefixtures("folder")

NAME = f"exports/{uuid.uuid4()}/1.csv"


def stored(content, name=NAME):
    with storage.NewFile() as new:
        new.write(content)
        return new.store(name)


def test_stored_file_leaves_no_temporary_files(folder):
    assert stored(b"content") == NAME

    assert left_in(folder) == {f"files/{NAME}"}
    with storage.open_file(NAME) as file:
        assert file.read() == b"content"


def test_half_copied_file_is_removed_when_the_disk_is_full(folder, monkeypatch):
    """On another file system it is copied, to its final name."""

    def half(self, name, content):
        path = Path(self.path(name))
        path.parent.mkdir(parents=True)
        path.write_bytes(content.read(3))
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(FileSystemStorage, "_save", half)

    with pytest.raises(OSError, match="No space left"):
        stored(b"content")

    assert left_in(folder) == set()


def test_truncated_file_is_refused_and_removed(folder, monkeypatch):
    def less(self, name, content):
        path = Path(self.path(name))
        path.parent.mkdir(parents=True)
        path.write_bytes(content.read(3))
        return name

    monkeypatch.setattr(FileSystemStorage, "_save", less)

    with pytest.raises(StorageFailed, match="has 7 bytes, but the storage has 3"):
        stored(b"content")

    assert left_in(folder) == set()


def test_storage_error_names_the_setting_to_check(monkeypatch):
    def refuse(*_):
        raise RuntimeError("SlowDown: reduce your request rate.")

    monkeypatch.setattr(FileSystemStorage, "_save", refuse)

    with pytest.raises(StorageFailed, match=r"Could not save the file: SlowDown.*STORAGE_URL"):
        stored(b"content")


@pytest.mark.parametrize("error", [OSError("busy"), RuntimeError("AccessDenied")])
def test_failed_deletion_is_logged_and_not_raised(monkeypatch, caplog, error):
    def refuse(*_):
        raise error

    name = stored(b"content")
    monkeypatch.setattr(FileSystemStorage, "delete", refuse)

    storage.delete(name)

    assert f"Could not delete {name}: {error}" in caplog.text


@pytest.mark.parametrize("name", ["/etc/hostname", "../secret", "secret", NAME + "/../../secret"])
def test_foreign_file_names_are_neither_read_nor_deleted(folder, name):
    (folder / "files").mkdir()
    (folder / "files" / "secret").touch()
    (folder / "secret").touch()

    for read in (storage.open_file, storage.size, lambda name: storage.open_at(name, 0, 1)):
        with pytest.raises(FileNotFoundError, match="is not the name of an export's file"):
            read(name)
    storage.delete(name)

    assert left_in(folder) == {"secret", "files/secret"}


def test_taken_name_is_replaced_by_another_valid_one(folder):
    first, second = stored(b"first"), stored(b"second")

    assert first != second
    assert [storage.size(first), storage.size(second)] == [5, 6]
    assert default_storage.exists(second)
