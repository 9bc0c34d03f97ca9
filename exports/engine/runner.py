"""The loop that a worker runs: claim a part, extract it, until none is open; assemble.

Running it twice is safe: everything it writes names its attempt, so of two that hold the
same export one is fenced and stops without a trace.
"""

from __future__ import annotations

import hashlib
import logging
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from django.db import DatabaseError, InterfaceError, OperationalError

from exports import lifecycle, parts, query, queue
from exports.conf import conf
from exports.engine import joblog, store
from exports.engine.keeper import Keeper
from exports.engine.plan import Range, plan
from exports.engine.progress import Rate, Ticker
from exports.engine.readers import rows as reader
from exports.engine.writers import WRITERS
from exports.exceptions import ExportError, Fenced, LostRace, Stopped, WrongCount
from exports.models import Export, Part, Stage, Status

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from django.db.models import QuerySet

    from exports.engine.writers import Writer
    from exports.exporter import Column

logger = logging.getLogger(__name__)

MAX_REASON = 1_000  # characters; it is in every snapshot of the export


class _HandOver(Exception):
    """The worker was told to shut down."""


def run(export: Export, should_stop: Callable[[], bool] = queue.is_shutting_down) -> None:
    """Take `export`, which this worker has claimed, as far as it goes.

    Whatever ends it is recorded: done, stopped, handed over, failed. Only errors of the
    database are raised: then the lease runs out, and rescue decides.
    """
    with joblog.capture() as log:
        try:
            _work(export, log, should_stop)
        except Fenced as error:
            logger.warning("%s This worker stops.", error)


def _work(export: Export, log: joblog.JobLog, should_stop: Callable[[], bool]) -> None:
    try:
        with Keeper(export) as keeper:
            _Run(export, log, keeper, should_stop).to_the_end()
    except Fenced:
        raise
    except Stopped:
        lifecycle.settle(export, lines=log.take())
    except _HandOver:
        logger.info("This worker shuts down. The export goes back to the queue.")
        lifecycle.hand_over(export, lines=log.take())
    except (OperationalError, InterfaceError) as error:
        logger.exception("The database refused. Another attempt follows when the lease runs out.")
        # If it still takes a row, let that say why. Often it does: a query took too long.
        with suppress(DatabaseError, LostRace):
            parts.tick(export, lines=log.take(), error=_reason(error))
        raise
    # Whatever an exporter or a storage raises: the export fails, the worker lives.
    except Exception as error:
        logger.exception("The export failed.")
        lifecycle.fail(export, _reason(error), lines=log.take())


def _reason(error: Exception) -> str:
    """For the person who waits. Details are in the log."""
    reason = str(error) if isinstance(error, ExportError) else f"{type(error).__name__}: {error}"
    # What an exporter raises may quote its data. No database stores these.
    reason = reason.replace("\0", "\N{REPLACEMENT CHARACTER}").encode(errors="replace").decode()
    return reason if len(reason) <= MAX_REASON else f"{reason[:MAX_REASON]} …"


class _Run:
    """One worker's go at one export."""

    def __init__(
        self,
        export: Export,
        log: joblog.JobLog,
        keeper: Keeper,
        should_stop: Callable[[], bool],
    ) -> None:
        self._export = export
        self._log = log
        self._keeper = keeper
        self._should_stop = should_stop
        self._ticker = Ticker(self._tick)
        self._rate = Rate()
        self._started = time.monotonic()

    def to_the_end(self) -> None:
        export = self._export
        logger.info("Export %s, attempt %s by %s.", export.pk, export.attempt, export.worker)
        rows, columns = query.of(export)
        writer = WRITERS[export.format]([column.header for column in columns])
        self._ensure_plan(rows)
        self._rate = Rate()  # From here on: counting must not look like slow extracting.
        while (part := parts.claim(export)) is not None:
            self._extract(part, rows, columns, writer)
        self._assemble(writer)

    def _ensure_plan(self, rows: QuerySet[Any]) -> None:
        export = self._export
        if export.rows_total is not None:
            done = export.rows_done
            logger.info("Going on from the finished parts: %s rows are done.", f"{done:,}")
            self._tick(stage=Stage.EXTRACTING)
            return
        ranges = plan(rows, conf.PART_ROWS)
        total = sum(keys.rows for keys in ranges)
        new = [
            Part(
                export=export,
                number=number,
                after_key=None if keys.after is None else str(keys.after),
                upto_key=str(keys.upto),
                rows=keys.rows,
            )
            for number, keys in enumerate(ranges, start=1)
        ]
        parts.save_plan(export, new, total)
        logger.info("%s rows to extract. Parts: %s.", f"{total:,}", len(new))

    def _extract(
        self, part: Part, rows: QuerySet[Any], columns: Sequence[Column], writer: Writer
    ) -> None:
        self._keeper.part = part
        part.rows_done = part.bytes = 0
        with store.NewFile() as new:
            for page in reader.read(rows, columns, _range(part, rows), conf.PAGE_ROWS):
                new.write(writer.rows(page))
                part.rows_done += len(page)
                part.bytes = new.bytes
                self._rate.add(len(page))
                self._ticker.touch()
                if self._should_stop():
                    raise _HandOver
            # The lease is renewed before the file takes its name: a fenced worker stops here.
            self._ticker.flush()
            name = new.store(store.part_name(part))
        with store.deleted_on_error(name):
            parts.finish(part, file=name, sha256=new.sha256)
        self._keeper.part = None
        logger.info("Part %s: %s rows.", part.number, f"{part.rows_done:,}")

    def _assemble(self, writer: Writer) -> None:
        export = self._export
        self._tick(stage=Stage.ASSEMBLING)
        if not parts.are_done(export):
            raise WrongCount("Not every part has been extracted. Run the export again.")
        done = list(export.parts.order_by("number"))
        with store.NewFile() as new:
            new.write(writer.head())
            for part in done:
                self._append(new, part)
            self._ticker.flush()
            name = new.store(store.file_name(export))
        took = time.monotonic() - self._started
        rows = sum(part.rows_done for part in done)
        logger.info(
            "%s rows, %s bytes. This attempt took %.1f s.", f"{rows:,}", f"{new.bytes:,}", took
        )
        with store.deleted_on_error(name):
            lifecycle.succeed(
                export,
                lines=self._log.take(),
                file=name,
                bytes=new.bytes,
                sha256=new.sha256,
                rows_done=rows,
                rows_total=rows,
            )
        if export.status == Status.SUCCEEDED:
            for part in done:
                store.delete(part.file)
        else:
            # Asked to pause or cancel in the last moment. A paused one still needs its parts.
            store.delete(name)

    def _append(self, new: store.NewFile, part: Part) -> None:
        before, digest = new.bytes, hashlib.sha256()
        with store.open_file(part.file) as file:
            while block := file.read(store.BLOCK):
                new.write(block)
                digest.update(block)
                self._ticker.touch()
                if self._should_stop():
                    raise _HandOver
        if new.bytes - before != part.bytes:
            raise WrongCount(
                f"Part {part.number} has {new.bytes - before} bytes in storage and had "
                f"{part.bytes} when it was written. Run the export again."
            )
        if digest.hexdigest() != part.sha256:
            raise WrongCount(
                f"Part {part.number} in storage is not what was written: its SHA-256 is another. "
                f"Run the export again."
            )

    def _tick(self, **fields: Any) -> None:
        lines = self._log.take()
        try:
            parts.tick(
                self._export, self._keeper.part, rate=self._rate.value, lines=lines, **fields
            )
        except BaseException:
            self._log.give_back(lines)
            raise


def _range(part: Part, rows: QuerySet[Any]) -> Range:
    key = rows.model._meta.pk.to_python
    after = None if part.after_key is None else key(part.after_key)
    return Range(after, key(part.upto_key), part.rows)
