"""Extract a part: read its rows with COPY or row by row, and write them to a file in storage."""

from __future__ import annotations

import logging
from contextlib import closing
from typing import TYPE_CHECKING, Any, TypeVar

from django.utils import translation

from exports.conf import conf
from exports.exceptions import LostRace, Unwritable
from exports.exporters import registry
from exports.files import storage
from exports.files.checksum import CRC32
from exports.formats import writer_class
from exports.formats.base import Options
from exports.lifecycle import parts
from exports.readers import blame, copy, rows
from exports.readers.connection import Source
from exports.readers.plan import Range, plan, read_key
from exports.readers.projection import project
from exports.readers.read_ahead import ReadAhead
from exports.readers.recount import Recount
from exports.spec import context, queryset
from exports.worker.gc_threshold import raised_gc_threshold

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator

    from exports.models import Export, Part

    # Called between two blocks of rows. It reports progress, and raises to end the work.
    Checkpoint = Callable[[], None]
    T = TypeVar("T")

logger = logging.getLogger(__name__)

# Bytes of lines that COPY reads ahead. As Python objects, the lines take twice as much memory.
MAX_AHEAD = 2 * 1024 * 1024


class Extractor:
    """Read and write parts of one export in this process. The caller closes it.

    Raises RequestError or NotPermitted if the export can no longer be run.
    """

    def __init__(self, export: Export) -> None:
        self._context = export.context
        # In English, because an error message would be stored.
        with translation.override("en"):
            self.rows, columns = queryset.rows_and_columns(export)
        own = registry.get(export.exporter).parallel
        self.parallel: int = conf.PARALLEL if own is None else own
        self._format = export.format
        self._options = Options(**export.options)
        # Sorted rows are read in one long query. Progress is written meanwhile, over another
        # connection.
        self.source = Source(self.rows.db, apart=bool(self.rows.query.order_by))
        self.source.snapshot_id = export.snapshot_id
        vendor = self.source.connection.vendor
        self._readings = project(self.rows, columns, vendor)
        fields = [reading.field for reading in self._readings]
        self.writer = writer_class(export.format)(fields, self._options)
        # The part that COPY is reading, its lines and its recount.
        self._begun: tuple[Part, ReadAhead[copy.Lines], Recount] | None = None
        self.by_copy = self.source.is_postgres and copy.can_read(self._readings, export.format)

    def close(self) -> None:
        try:
            if self._begun is not None:
                self._begun[1].close()
        finally:
            self.source.close()

    def plan(self) -> list[Range]:
        """Return the ranges of keys that become the parts."""
        with context.activate_for_file(self._context):
            return plan(self.source, self.rows, conf.PART_ROWS)

    def extract(
        self, part: Part, checkpoint: Checkpoint, claim: Callable[[], Part | None]
    ) -> Part | None:
        """Write the claimed `part` to storage, record it, and return what `claim` returns.

        With COPY the next part is claimed early, so that the database works while this one is
        stored. Raises Fenced or Stopped if the part should not be finished, and WrongCount if its
        rows differ from the rows in the database.
        """
        part.rows_done = part.bytes = part.protected_cells = 0
        part.rows_found = None
        check = CRC32()
        following = None
        # All parts and the preview have the same language and time zone.
        in_language = context.activate_for_file(self._context)
        with storage.NewFile(check) as new, raised_gc_threshold(), in_language:
            # Of type Any, because the writers of formats have different methods.
            writer: Any = self.writer.part(new)
            with closing(self._write(part, writer)) as counts:
                for count in counts:
                    part.rows_done += count
                    part.bytes, part.protected_cells = new.bytes, writer.protected
                    checkpoint()
            writer.close()
            part.bytes = new.bytes
            if self.by_copy and (following := claim()) is not None:
                self._begin(following)
            # A fenced worker stops here, before it stores the file.
            parts.save_progress(part)
            name = new.store(storage.part_name(part))
        try:
            parts.finish(part, file=name, crc32=check.value)
        except LostRace:
            # After any other error the row may already name the file. If it does not, the file is
            # deleted with the other files of the export.
            storage.delete(name)
            raise
        return following if self.by_copy else claim()

    def _begin(self, part: Part) -> tuple[ReadAhead[copy.Lines], Recount]:
        """Return the lines and the recount of `part`. Start COPY unless it was started early."""
        if self._begun is None:
            recount = self._recount(part)
            interrupt = self.source.interrupt
            lines = self._copied(part, recount)
            blocks = ReadAhead(lines, max_bytes=MAX_AHEAD, size_of=_bytes, interrupt=interrupt)
            self._begun = part, blocks, recount
        begun, blocks, recount = self._begun
        if begun != part:
            raise RuntimeError(f"COPY is still reading {begun} on this connection.")
        return blocks, recount

    def _copied(self, part: Part, recount: Recount) -> Generator[copy.Lines]:
        """Yield the lines of `part`. It runs in a thread, which has its own time zone."""
        with context.activate_for_file(self._context):
            yield from copy.read(
                self.source,
                self.rows,
                self._readings,
                self._range(part),
                file_format=self._format,
                options=self._options,
                recount=recount,
            )

    def _write(self, part: Part, writer: Any) -> Generator[int]:
        """Write the rows of `part` block by block. Yield the number of rows in each block."""
        if self.by_copy:
            begun, recount = self._begin(part)
            with closing(begun) as blocks:
                for lines in self._name_in_errors(blocks, part):
                    writer.write_lines(lines)
                    yield len(lines)
            self._begun = None
        else:
            keys, recount = self._range(part), self._recount(part)
            pages = rows.read(
                self.source, self.rows, self._readings, keys, conf.PAGE_ROWS, recount=recount
            )
            for page in self._name_in_errors(pages, part):
                try:
                    writer.write(page)
                except Unwritable as error:
                    raise blame.with_row(error, page) from error
                yield len(page[0])
        recount.check(part)
        if part.rows_found is not None:
            logger.info(
                "Part %s was planned with %s rows; it had %s rows when it was read.",
                part.number,
                f"{part.rows:,}",
                f"{part.rows_found:,}",
            )

    def _name_in_errors(self, items: Iterable[T], part: Part) -> Iterator[T]:
        """Yield `items`. Errors name the column and the row."""
        return blame.name_in_errors(
            items, self.source, self.rows, self._readings, self._range(part)
        )

    def _recount(self, part: Part) -> Recount:
        return Recount(self.source, self.rows, self._range(part))

    def _range(self, part: Part) -> Range:
        model = self.rows.model
        after = None if part.after_key is None else read_key(model, part.after_key)
        return Range(after, read_key(model, part.upto_key), part.rows)


def _bytes(lines: copy.Lines) -> int:
    return sum(map(len, lines))
