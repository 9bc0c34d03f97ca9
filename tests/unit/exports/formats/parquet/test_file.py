"""Parts become one Parquet file, whole or not at all, and in little memory."""

from __future__ import annotations

import io
import math
import subprocess
import sys
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from exports.exceptions import Fenced, Stopped
from exports.formats import parquet
from exports.formats.base import Options
from exports.formats.kinds import Field, Kind
from exports.formats.parquet import ParquetWriter
from tests.support.parquet import assembled, parts_of, table_of

ROOT = Path(__file__).resolve().parents[5]

# -- The file ------------------------------------------------------------------------------------


ID_AND_NAME = [Field("id", Kind.INTEGER), Field("name", Kind.TEXT)]


def rows(first, last):
    return [[str(number) for number in range(first, last)], ["é" * 50] * (last - first)]


def test_file_without_parts_or_with_empty_parts_has_no_rows():
    for parts in ([], [[]], [[rows(0, 0)], []]):
        assert table_of(ID_AND_NAME, *parts).num_rows == 0


def test_parts_are_joined_in_the_given_order():
    table = table_of(ID_AND_NAME, [rows(0, 3), rows(3, 4)], [], [rows(4, 9)])

    assert table["id"].to_pylist() == list(range(9))


def test_header_may_be_any_text():
    headers = ["", " ", "a.b", "A.B", "é\n", '"']

    table = table_of([Field(header, Kind.TEXT) for header in headers], [[["x"]] * 6])

    assert table.column_names == headers


def test_duckdb_reads_a_file_with_an_empty_header(tmp_path):
    path = tmp_path / "file.parquet"
    path.write_bytes(assembled([Field("", Kind.TEXT), *ID_AND_NAME], [[["x"], ["1"], ["é"]]]))

    assert duckdb.sql(f"SELECT * FROM '{path}'").fetchall() == [("x", 1, "é")]


def test_columns_are_compressed_with_zstd_and_have_statistics():
    metadata = pq.read_metadata(io.BytesIO(assembled(ID_AND_NAME, [rows(0, 500)])))

    chunks = [metadata.row_group(0).column(number) for number in range(2)]
    assert [chunk.compression for chunk in chunks] == ["ZSTD", "ZSTD"]
    assert [chunk.statistics.min for chunk in chunks] == [0, "é" * 50]
    assert [chunk.statistics.max for chunk in chunks] == [499, "é" * 50]


def row_groups(*parts):
    metadata = pq.read_metadata(io.BytesIO(assembled(ID_AND_NAME, *parts)))
    return [metadata.row_group(number).num_rows for number in range(metadata.num_row_groups)]


def test_row_group_ends_when_it_has_enough_rows(monkeypatch):
    monkeypatch.setattr(parquet, "GROUP_ROWS", 100)

    assert row_groups([rows(0, 60), rows(60, 120)], [rows(120, 180)]) == [120, 60]


def test_row_group_ends_when_it_has_enough_bytes(monkeypatch):
    monkeypatch.setattr(parquet, "GROUP_BYTES", 10_000)  # A row has about 112.

    assert row_groups([rows(0, 60), rows(60, 120)], [rows(120, 180)]) == [120, 60]


def test_part_is_left_open_for_the_caller():
    (part,) = parts_of(ID_AND_NAME, [rows(0, 3)])

    ParquetWriter(ID_AND_NAME, Options()).assemble(io.BytesIO(), [part])

    assert not part.closed


class Written:
    """Nothing but what `Out` has; refuses to `take` more blocks than that."""

    def __init__(self, take=math.inf, refusal=None):
        self.blocks = []
        self.take = take
        self.refusal = refusal

    def write(self, block, /):
        if len(self.blocks) >= self.take:
            raise self.refusal
        self.blocks.append(block)


def test_writer_only_writes_bytes_to_its_output():
    part, file = Written(), Written()

    writer = ParquetWriter(ID_AND_NAME, Options())
    writing = writer.part(part)
    writing.write(rows(0, 9))
    writing.close()
    writer.assemble(file, [io.BytesIO(b"".join(part.blocks))])

    assert {type(block) for block in part.blocks + file.blocks} == {bytes}
    assert pq.read_table(io.BytesIO(b"".join(file.blocks)))["id"].to_pylist() == list(range(9))


def test_error_of_the_output_passes_through_a_part():
    refusal = Fenced("not yours")
    part = ParquetWriter(ID_AND_NAME, Options()).part(Written(take=5, refusal=refusal))

    with pytest.raises(Fenced) as error:
        part.write(rows(0, 9))

    assert error.value is refusal


@pytest.mark.parametrize("moment", ["the rows", "the footer"])
def test_error_of_the_output_passes_through_the_assembly(moment):
    whole = Written()
    writer = ParquetWriter(ID_AND_NAME, Options())
    writer.assemble(whole, parts_of(ID_AND_NAME, [rows(0, 9)]))
    refusal = OSError(28, "No space left on device")
    out = Written(take=2 if moment == "the rows" else len(whole.blocks) - 1, refusal=refusal)

    with pytest.raises(OSError, match="No space left") as error:
        writer.assemble(out, parts_of(ID_AND_NAME, [rows(0, 9)]))

    assert error.value is refusal
    assert len(out.blocks) == out.take


def test_incomplete_file_does_not_look_complete(monkeypatch):
    monkeypatch.setattr(parquet, "GROUP_ROWS", 5)
    out = io.BytesIO()

    def parts():
        yield from parts_of(ID_AND_NAME, [rows(0, 9)])
        raise Stopped

    with pytest.raises(Stopped):
        ParquetWriter(ID_AND_NAME, Options()).assemble(out, parts())

    assert len(out.getvalue()) > 100
    with pytest.raises(pa.ArrowInvalid, match="magic bytes not found in footer"):
        pq.read_table(io.BytesIO(out.getvalue()))


# -- What it costs -------------------------------------------------------------------------------


# Numbers, text that repeats itself, and text that does not: a part of 100 000 rows, many times.
WRITE = """
import hashlib, resource, sys, tempfile
from exports.formats.kinds import Field, Kind
from exports.formats.base import Options
from exports.formats.parquet import ParquetWriter

fields = [Field("id", Kind.INTEGER), Field("name", Kind.TEXT), Field("hash", Kind.TEXT)]
writer = ParquetWriter(fields, Options())
pages = []
for start in range(0, 100_000, 5_000):
    ids = [str(number) for number in range(start, start + 5_000)]
    hashes = [hashlib.sha256(number.encode()).hexdigest() for number in ids]
    pages.append([ids, ["JetBlue Airways"] * 5_000, hashes])

def parts():
    for _ in range(int(sys.argv[1]) // 100_000):
        with tempfile.TemporaryFile() as file:
            part = writer.part(file)
            for page in pages:
                part.write(page)
            part.close()
            file.seek(0)
            yield file

with tempfile.TemporaryFile() as out:
    writer.assemble(out, parts())
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def peak_megabytes(count):
    done = subprocess.run(
        [sys.executable, "-c", WRITE, str(count)],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    return int(done.stdout) / (2**20 if sys.platform == "darwin" else 2**10)


def test_memory_does_not_grow_with_the_rows():
    assert peak_megabytes(2_000_000) - peak_megabytes(200_000) < 10


def test_importing_the_formats_does_not_import_pyarrow():
    code = "import sys, exports.formats.base; print('pyarrow' in sys.modules)"

    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )

    assert done.stdout == "False\n"
