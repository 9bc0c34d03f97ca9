"""Parquet: typed columns. A part is a stream of Arrow record batches.

Only who makes or joins Parquet files should import this: pyarrow takes 0.1 s and 50 MB.
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

# A row group is written when it has the one or the other. It is what is held in memory.
GROUP_ROWS = 100_000
GROUP_BYTES = 64 * 2**20


class ParquetWriter:
    """Parquet with zstd and statistics.

    The types of the columns are those of the fields, see `arrow.type_of`; they are the same
    for each file of an exporter, whatever its rows are. A DATETIME without an offset is taken
    as UTC. None of the options means anything here.
    """

    def __init__(self, fields: Sequence[Field], options: Options) -> None:  # noqa: ARG002 - given to all
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
            # Unclosed, it writes a footer when it goes, and what is not whole would look whole.
            sink.discard()
            raise
        return written


class ParquetPart:
    """One part. There are no formulas in Parquet."""

    protected = 0

    def __init__(self, fields: Sequence[Field], schema: pa.Schema, out: Out) -> None:
        self._fields = fields
        self._schema = schema
        # Parts are written once and read once: the quickest compression.
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
    """What pyarrow takes for a file, before an `out` that can only be written to."""

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
        """From now on, write nothing."""
        self._out = None


def _copy(parts: Iterable[IO[bytes]], file: pq.ParquetWriter) -> int:
    """Write the rows of all parts, in order. Return how many."""
    group: list[pa.RecordBatch] = []
    written = rows = size = 0
    # Row groups come and go. Of what they leave, Arrow's own allocator kept 10 to 40 MB more
    # than the system's, and not the same in any two runs; its threads saved no time.
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
    """Write these batches as one row group, and let go of them. Return its rows."""
    table = pa.Table.from_batches(group, file.schema)
    file.write_table(table)
    group.clear()
    return int(table.num_rows)
