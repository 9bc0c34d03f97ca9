"""The container: written from first to last, in the form that Excel accepts of any size."""

from __future__ import annotations

import io
import struct
import zipfile

import pytest

from exports.formats.xlsx.segments import Segment, compress
from exports.formats.xlsx.zip import Archive

SOME = b"waybill" * 1_000
BLOCK = 1 << 26
GIB_4 = 1 << 32


class Sparse:
    """A file with a hole for each block of zeros."""

    ZEROS = bytes(BLOCK)

    def __init__(self, file):
        self._file = file

    def write(self, block):
        if block is self.ZEROS:
            self._file.seek(len(block), 1)
        else:
            self._file.write(block)


def archive_of(*entries):
    out = io.BytesIO()
    archive = Archive(out)
    for name, *pieces in entries:
        archive.begin(name)
        for piece in pieces:
            archive.write(*compress(piece))
        archive.end()
    archive.close()
    return out


def test_entry_is_its_joined_segments():
    with zipfile.ZipFile(archive_of(("a.xml", SOME, b"", b"end"), ("b/c.xml",))) as archive:
        assert archive.testzip() is None
        assert archive.read("a.xml") == SOME + b"end"
        assert archive.read("b/c.xml") == b""


def test_whole_document_is_an_entry():
    out = io.BytesIO()
    archive = Archive(out)

    archive.add("a.xml", "<é/>")
    archive.close()

    with zipfile.ZipFile(out) as read:
        assert read.read("a.xml") == "<é/>".encode()


def test_entry_times_are_the_earliest_of_a_zip():
    with zipfile.ZipFile(archive_of(("a.xml", SOME))) as archive:
        assert archive.getinfo("a.xml").date_time == (1980, 1, 1, 0, 0, 0)


def test_local_header_has_no_sizes_and_the_zip64_version():
    signature, version, flags, method, *times_and_sizes = struct.unpack(
        "<4s5H3I2H", archive_of(("a.xml", SOME)).getvalue()[:30]
    )

    assert (signature, version, flags, method) == (b"PK\3\4", 45, 0x08, 8)
    # No sizes, and no extra field: the one form that Excel opens if they exceed 4 GiB.
    assert times_and_sizes[2:] == [0, 0, 0, len("a.xml"), 0]


@pytest.mark.parametrize(
    # The directory needs ZIP64 from 4 GiB - 1 on, and readers take the width from there.
    ("raw", "form"),
    [(GIB_4 - 2, "<4s3I"), (GIB_4 - 1, "<4sI2Q")],
    ids=["4 GiB - 2", "4 GiB - 1"],
)
def test_data_descriptor_has_the_width_of_its_sizes(raw, form):
    out = io.BytesIO()
    archive = Archive(out)

    archive.begin("a.xml")
    archive.write(Segment(0, raw, 10, 7), b"0123456789")
    archive.end()

    size = struct.calcsize(form)
    assert struct.unpack(form, out.getvalue()[-size:]) == (b"PK\7\x08", 7, 12, raw)


@pytest.mark.parametrize(
    ("raw", "version"), [(GIB_4 - 2, 20), (GIB_4 - 1, 45), (GIB_4, 45)], ids=str
)
def test_directory_uses_zip64_from_the_reserved_value(raw, version):
    out = io.BytesIO()
    archive = Archive(out)

    archive.begin("a.xml")
    archive.write(Segment(0, raw, 10, 7), b"0123456789")
    archive.end()
    archive.close()

    with zipfile.ZipFile(out) as read:
        info = read.getinfo("a.xml")
    assert (info.file_size, info.compress_size, info.extract_version) == (raw, 12, version)
    assert len(info.extra) == (12 if version == 45 else 0)


def test_entry_larger_than_4_gib_is_read_back():
    block = b"<row/>" * 10_000_000
    segment, data = compress(block)
    out = io.BytesIO()
    archive = Archive(out)
    archive.begin("large.xml")
    for _ in range(72):
        archive.write(segment, data)
    archive.end()
    archive.add("small.xml", "<a/>")
    archive.close()

    with zipfile.ZipFile(out) as read:
        info = read.getinfo("large.xml")
        assert info.file_size == 72 * len(block) > GIB_4
        assert info.extract_version == 45
        assert read.getinfo("small.xml").extract_version == 20
        assert read.read("small.xml") == b"<a/>"
        with read.open("large.xml") as entry:
            assert entry.read(12) == b"<row/><row/>"


def test_entries_behind_4_gib_are_found(tmp_path):
    with (tmp_path / "sparse.zip").open("w+b") as file:
        archive = Archive(Sparse(file))
        archive.begin("hole.xml")
        for _ in range(GIB_4 // BLOCK + 1):
            archive.write(Segment(0, BLOCK, BLOCK, 0), Sparse.ZEROS)
        archive.end()
        archive.add("behind.xml", "<a/>")
        archive.close()

        with zipfile.ZipFile(file) as read:
            hole, behind = read.infolist()
            assert hole.compress_size > GIB_4
            assert behind.header_offset > GIB_4
            assert read.read("behind.xml") == b"<a/>"


def test_more_than_65535_entries_are_all_listed():
    names = [f"{number}.xml" for number in range(65_536)]

    out = archive_of(*((name,) for name in names))

    with zipfile.ZipFile(out) as archive:
        assert archive.namelist() == names
    signature, count, all_of_them = struct.unpack("<4s20x2Q", out.getvalue()[-98:-58])
    assert (signature, count, all_of_them) == (b"PK\6\6", 65_536, 65_536)


def test_small_archive_has_no_zip64_end():
    assert b"PK\6\6" not in archive_of(("a.xml", SOME)).getvalue()
