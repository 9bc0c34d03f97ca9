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


def test_a_file_is_stored_under_its_name_and_nothing_is_left_of_its_making(folder):
    assert stored(b"content") == NAME

    assert left_in(folder) == {f"files/{NAME}"}
    with storage.open_file(NAME) as file:
        assert file.read() == b"content"


def test_a_file_that_was_copied_half_when_the_disk_was_full_is_removed(folder, monkeypatch):
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


def test_a_file_of_which_the_storage_kept_less_is_refused_and_removed(folder, monkeypatch):
    def less(self, name, content):
        path = Path(self.path(name))
        path.parent.mkdir(parents=True)
        path.write_bytes(content.read(3))
        return name

    monkeypatch.setattr(FileSystemStorage, "_save", less)

    with pytest.raises(StorageFailed, match="has 7 bytes, but the storage has 3"):
        stored(b"content")

    assert left_in(folder) == set()


def test_what_a_storage_raises_is_told_with_what_to_look_at(monkeypatch):
    def refuse(*_):
        raise RuntimeError("SlowDown: reduce your request rate.")

    monkeypatch.setattr(FileSystemStorage, "_save", refuse)

    with pytest.raises(StorageFailed, match=r"Could not save the file: SlowDown.*STORAGE_URL"):
        stored(b"content")


@pytest.mark.parametrize("error", [OSError("busy"), RuntimeError("AccessDenied")])
def test_deleting_never_raises(monkeypatch, caplog, error):
    def refuse(*_):
        raise error

    name = stored(b"content")
    monkeypatch.setattr(FileSystemStorage, "delete", refuse)

    storage.delete(name)

    assert f"Could not delete {name}: {error}" in caplog.text


@pytest.mark.parametrize("name", ["/etc/hostname", "../secret", "secret", NAME + "/../../secret"])
def test_what_is_no_name_of_ours_is_neither_read_nor_deleted(folder, name):
    (folder / "files").mkdir()
    (folder / "files" / "secret").touch()
    (folder / "secret").touch()

    for read in (storage.open_file, storage.size, lambda name: storage.open_at(name, 0, 1)):
        with pytest.raises(FileNotFoundError, match="is not the name of an export's file"):
            read(name)
    storage.delete(name)

    assert left_in(folder) == {"secret", "files/secret"}


def test_a_name_that_is_taken_is_given_another_that_is_ours_too(folder):
    first, second = stored(b"first"), stored(b"second")

    assert first != second
    assert [storage.size(first), storage.size(second)] == [5, 6]
    assert default_storage.exists(second)
