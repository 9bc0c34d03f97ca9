"""Extract a part: rows of a query, read one way or the other, into a file in storage."""

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
from exports.readers.read_ahead import Ahead
from exports.readers.recount import Recount
from exports.spec import context, queryset
from exports.worker.gc_threshold import raised_gc_threshold

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Iterator

    from exports.models import Export, Part

    # What is done between two blocks of rows: report, and raise if this is to end.
    Turn = Callable[[], None]
    T = TypeVar("T")

logger = logging.getLogger(__name__)

AHEAD = 2 * 1024 * 1024  # bytes of lines that may wait to be written; as objects, twice that


class Extractor:
    """Reads and writes the parts of one export, in this process. To be closed.

    Raises RequestError or NotPermitted when the export cannot be run any more.
    """

    def __init__(self, export: Export) -> None:
        self._context = context.with_language(export.context)
        # What it refuses is stored, and so in the language of the log.
        with translation.override("en"):
            self.rows, columns = queryset.rows_and_columns(export)
        own = registry.get(export.exporter).parallel
        self.parallel: int = conf.PARALLEL if own is None else own
        self._format = export.format
        self._options = Options(**export.options)
        # Sorted rows are one query, of which the progress is written meanwhile.
        self.source = Source(self.rows.db, apart=bool(self.rows.query.order_by))
        self.source.snapshot_id = export.snapshot_id
        vendor = self.source.connection.vendor
        self._readings = project(self.rows, columns, vendor)
        fields = [reading.field for reading in self._readings]
        self.writer = writer_class(export.format)(fields, self._options)
        # The part whose rows are being copied.
        self._begun: tuple[Part, Ahead[copy.Lines], Recount] | None = None
        self.by_copy = self.source.is_postgres and copy.can_read(self._readings, export.format)

    def close(self) -> None:
        try:
            if self._begun is not None:
                self._begun[1].close()
        finally:
            self.source.close()

    def plan(self) -> list[Range]:
        """Its rows in ranges of keys, each of which becomes a part."""
        with context.activated(self._context):
            return plan(self.source, self.rows, conf.PART_ROWS)

    def extract(self, part: Part, turn: Turn, claim: Callable[[], Part | None]) -> Part | None:
        """Write `part`, which this worker has claimed, to storage, and record it.

        Its counters grow meanwhile. Returns what `claim` gives, the next part. Where PostgreSQL
        writes the lines it is asked for early, so that the database has something to do while
        this one is stored. Raises Fenced or Stopped when the part is not to be finished, and
        WrongCount when its rows differ from the rows in the database.
        """
        part.rows_done = part.bytes = part.protected_cells = 0
        part.rows_found = None
        check = CRC32()
        following = None
        # Columns say the same in each part and in the preview, and mean the same by a day.
        asked = context.activated(self._context)
        with storage.NewFile(check) as new, raised_gc_threshold(), asked:
            # What a format can do besides is for its own readers to know.
            writer: Any = self.writer.part(new)
            with closing(self._write(part, writer)) as counts:
                for count in counts:
                    part.rows_done += count
                    part.bytes, part.protected_cells = new.bytes, writer.protected
                    turn()
            writer.close()
            part.bytes = new.bytes
            if self.by_copy and (following := claim()) is not None:
                self._begin(following)
            # Before the file takes its name: a fenced worker stops here.
            parts.keep(part)
            name = new.store(storage.part_name(part))
        try:
            parts.finish(part, file=name, crc32=check.value)
        except LostRace:
            # After any other error the row may name it. If not, it goes with the export's others.
            storage.delete(name)
            raise
        return following if self.by_copy else claim()

    def _begin(self, part: Part) -> tuple[Ahead[copy.Lines], Recount]:
        """Begin to copy the rows of `part`, or go on."""
        if self._begun is None:
            recount = self._recount(part)
            interrupt = self.source.interrupt
            lines = self._copied(part, recount)
            blocks = Ahead(lines, most=AHEAD, weigh=_bytes, interrupt=interrupt)
            self._begun = part, blocks, recount
        begun, blocks, recount = self._begun
        if begun != part:
            raise RuntimeError(f"{begun} is being read, and the connection is for one at a time.")
        return blocks, recount

    def _copied(self, part: Part, recount: Recount) -> Generator[copy.Lines]:
        """The lines of `part`. It runs in a thread, which has no time zone of its caller's."""
        with context.activated(self._context):
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
        """Write its rows; yield how many, block by block, for the caller to add to `rows_done`."""
        if self.by_copy:
            begun, recount = self._begin(part)
            with closing(begun) as blocks:
                for lines in self._named(blocks, part):
                    writer.write_lines(lines)
                    yield len(lines)
            self._begun = None
        else:
            keys, recount = self._range(part), self._recount(part)
            pages = rows.read(
                self.source, self.rows, self._readings, keys, conf.PAGE_ROWS, recount=recount
            )
            for page in self._named(pages, part):
                try:
                    writer.write(page)
                except Unwritable as error:
                    raise blame.in_row(error, page) from error
                yield len(page[0])
        recount.check(part)
        if part.rows_found is not None:
            logger.info(
                "Part %s was planned with %s rows, and %s were there when it was read.",
                part.number,
                f"{part.rows:,}",
                f"{part.rows_found:,}",
            )

    def _named(self, items: Iterable[T], part: Part) -> Iterator[T]:
        """`items`, and in errors the column and the row."""
        return blame.named(items, self.source, self.rows, self._readings, self._range(part))

    def _recount(self, part: Part) -> Recount:
        return Recount(self.source, self.rows, self._range(part))

    def _range(self, part: Part) -> Range:
        model = self.rows.model
        after = None if part.after_key is None else read_key(model, part.after_key)
        return Range(after, read_key(model, part.upto_key), part.rows)


def _bytes(lines: copy.Lines) -> int:
    return sum(map(len, lines))
