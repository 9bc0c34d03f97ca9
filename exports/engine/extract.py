"""Extract a part: rows of a query, read one way or the other, into a file in storage."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

from exports import parts, query, registry
from exports.conf import conf
from exports.engine import store
from exports.engine.ahead import Ahead
from exports.engine.crc32 import CRC32
from exports.engine.garbage import rarely_collected
from exports.engine.plan import Range, read_key
from exports.engine.projection import project
from exports.engine.readers import copy, rows
from exports.engine.source import Source
from exports.engine.writers import writer_class
from exports.engine.writers.base import Options

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from exports.models import Export, Part

    # What is done between two blocks of rows: report, and raise if this is to end.
    Turn = Callable[[], None]


AHEAD = 16  # blocks of lines that wait to be written


class Extractor:
    """Reads and writes the parts of one export, in this process. To be closed.

    Raises RequestError or NotPermitted when the export cannot be run any more.
    """

    def __init__(self, export: Export) -> None:
        self.rows, columns = query.of(export)
        own = registry.get(export.exporter).parallel
        self.parallel: int = conf.PARALLEL if own is None else own
        self._format = export.format
        self._options = Options(**export.options)
        self.source = Source(self.rows.db)
        self.source.snapshot_id = export.snapshot_id
        vendor = self.source.connection.vendor
        self._readings = project(self.rows, columns, vendor)
        fields = [reading.field for reading in self._readings]
        self.writer = writer_class(export.format)(fields, self._options)
        # What is read already of parts that are not written yet.
        self._begun: dict[int, Ahead[copy.Lines]] = {}
        self.by_copy = self.source.is_postgres and copy.can_read(self._readings, export.format)

    def close(self) -> None:
        for blocks in self._begun.values():
            blocks.close()
        self.source.close()

    def extract(self, part: Part, turn: Turn, claim: Callable[[], Part | None]) -> Part | None:
        """Write `part`, which this worker has claimed, to storage, and record it.

        Its counters grow meanwhile. Leaves nothing behind when it raises. Returns what `claim`
        gives, the next part: it is asked when all rows of this one are read, so that the
        database has something to do while they are stored.
        """
        part.rows_done = part.bytes = part.protected_cells = 0
        check = CRC32()
        with store.NewFile(check) as new, rarely_collected():
            # What a format can do besides is for its own readers to know.
            writer: Any = self.writer.part(new)
            for count in self._write(part, writer):
                part.rows_done += count
                part.bytes, part.protected_cells = new.bytes, writer.protected
                turn()
            writer.close()
            part.bytes = new.bytes
            if (following := claim()) is not None:
                self._begin(following)
            # Before the file takes its name: a fenced worker stops here.
            parts.keep(part)
            name = new.store(store.part_name(part))
        with store.deleted_on_error(name):
            parts.finish(part, file=name, crc32=check.value)
        return following

    def _begin(self, part: Part) -> None:
        """Begin to read its rows, if it is the database that does most of the work."""
        if self.by_copy and part.pk not in self._begun:
            lines = copy.read(
                self.source,
                self.rows,
                self._readings,
                self._range(part),
                file_format=self._format,
                options=self._options,
            )
            self._begun[part.pk] = Ahead(lines, AHEAD, self.source.interrupt)

    def _write(self, part: Part, writer: Any) -> Iterator[int]:
        """Write its rows; yield how many, block by block."""
        self._begin(part)
        if self.by_copy:
            with closing(self._begun.pop(part.pk)) as blocks:
                for lines in blocks:
                    writer.write_lines(lines)
                    yield len(lines)
        else:
            keys = self._range(part)
            for page in rows.read(self.source, self.rows, self._readings, keys, conf.PAGE_ROWS):
                writer.write(page)
                yield len(page[0])

    def _range(self, part: Part) -> Range:
        model = self.rows.model
        after = None if part.after_key is None else read_key(model, part.after_key)
        return Range(after, read_key(model, part.upto_key), part.rows)
