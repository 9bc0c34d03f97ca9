"""Parquet: typed columns. A part is a stream of Arrow record batches.

Import this module only to write Parquet files: pyarrow takes 0.1 s and 50 MB to load.
"""

from __future__ import annotations

import io
from typing import IO, TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from exports.formats import arrow

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from exports.formats.base import Options, Out
    from exports.formats.kinds import Field, Page

# A row group is written when it reaches either limit. Until then it is in memory.
GROUP_ROWS = 100_000
GROUP_BYTES = 64 * 2**20


class ParquetWriter:
    """Parquet with zstd compression and statistics. No option applies to it.

    `arrow.type_of` chooses the types of the columns from the fields alone. So all files of an
    exporter have the same types, whatever their rows are.
    """

    def __init__(self, fields: Sequence[Field], options: Options) -> None:  # noqa: ARG002 - part of the interface
        self._fields = fields
        self._schema = arrow.schema(fields)

    def part(self, out: Out) -> ParquetPart:
        return ParquetPart(self._fields, self._schema, out)

    def assemble(self, out: Out, parts: Iterable[IO[bytes]]) -> int:
        sink = Sink(out)
        file = pq.ParquetWriter(
            sink, self._schema, compression="zstd", memory_pool=pa.system_memory_pool()
        )
        try:
            written = _copy(parts, file)
            file.close()
        except BaseException:
            # pyarrow writes a footer when it collects an unclosed file, which makes an incomplete
            # file look complete.
            sink.discard()
            raise
        return written


class ParquetPart:
    """One part of a file."""

    protected = 0  # No program runs text in Parquet as a formula.

    def __init__(self, fields: Sequence[Field], schema: pa.Schema, out: Out) -> None:
        self._fields = fields
        self._schema = schema
        # Parts are written once and read once, so compression has to be quick.
        options = pa.ipc.IpcWriteOptions(compression="lz4", use_threads=False)
        self._stream = pa.ipc.new_stream(Sink(out), schema, options=options)

    def write(self, page: Page) -> None:
        arrays = [
            arrow.array(field, values) for field, values in zip(self._fields, page, strict=True)
        ]
        self._stream.write_batch(pa.RecordBatch.from_arrays(arrays, schema=self._schema))

    def close(self) -> None:
        self._stream.close()


class Sink(io.RawIOBase):
    """A file object for pyarrow that passes its bytes to `out`."""

    def __init__(self, out: Out) -> None:
        self._out: Out | None = out

    def writable(self) -> bool:
        return True

    def write(self, block: Any, /) -> int:
        data = bytes(block)
        if self._out is not None:
            self._out.write(data)
        return len(data)

    def discard(self) -> None:
        """Write nothing from now on."""
        self._out = None


def _copy(parts: Iterable[IO[bytes]], file: pq.ParquetWriter) -> int:
    """Write the rows of all parts, in order; return how many."""
    group: list[pa.RecordBatch] = []
    written = rows = size = 0
    # Arrow's own allocator keeps 10 to 40 MB more of freed row groups than the system's, and the
    # amount varies between runs. Threads save no time here.
    pool, options = pa.system_memory_pool(), pa.ipc.IpcReadOptions(use_threads=False)
    for part in parts:
        for batch in pa.ipc.open_stream(part, options=options, memory_pool=pool):
            group.append(batch)
            rows += batch.num_rows
            size += batch.nbytes
            if rows >= GROUP_ROWS or size >= GROUP_BYTES:
                written += _write(group, file)
                rows = size = 0
    if rows:
        written += _write(group, file)
    return written


def _write(group: list[pa.RecordBatch], file: pq.ParquetWriter) -> int:
    """Write `group` as one row group and empty the list; return the number of rows."""
    table = pa.Table.from_batches(group, file.schema)
    file.write_table(table)
    group.clear()
    return int(table.num_rows)
