"""The loop of the worker that holds an export: plan, extract part by part, assemble.

Running it twice is safe: everything it writes names its attempt, so of two that hold the
same export one is fenced and stops without a trace.
"""

from __future__ import annotations

import logging
import math
import time
from contextlib import closing, suppress
from threading import Event
from typing import TYPE_CHECKING, Any

from django.db import DatabaseError

from exports.conf import conf
from exports.exceptions import ExportError, Fenced, LostRace, NoRoom, NotPermitted, Stopped
from exports.files import storage
from exports.i18n.message import Message, dump
from exports.lifecycle import attempts, fairness, limits, parts, queue, room
from exports.lifecycle.leases import Now
from exports.log import capture
from exports.models import Consistency, Export, Part
from exports.readers import recount
from exports.readers.connection import Snapshot
from exports.readers.plan import key_text
from exports.readers.retries import is_curable, refusal
from exports.spec import rights
from exports.status import Stage, Status, Wait
from exports.worker.assemble import assemble
from exports.worker.extract import Extractor
from exports.worker.heartbeat import Heartbeat
from exports.worker.progress import INTERVAL, Rate, Ticker

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger(__name__)

ASK_SECONDS = 1.0  # between two questions whether others could help
QUOTA_SECONDS = 1.0  # between two checks of the quotas, which sum all files of the owner


class _HandOver(Exception):
    """Another worker should go on. The message says why."""


def run(
    export: Export,
    should_stop: Callable[[], bool] = queue.is_shutting_down,
    *,
    shares: bool = True,
) -> None:
    """Take `export`, which this worker has claimed, as far as it goes.

    One that `shares` asks others for help, and makes room for those that wait. A process that
    is none of the workers does not: nobody waits for it.

    Whatever ends it is recorded: done, stopped, handed over, failed. Only errors of the
    database are raised: then the lease runs out, and rescue decides.
    """
    with capture.capture(worker=export.worker, attempt=export.attempt) as log:
        try:
            _work(export, log, should_stop, shares=shares)
        except Fenced as error:
            logger.warning("%s This worker stops.", error)
        else:
            if export.status in {Status.FAILED, Status.CANCELLED}:
                # For good: nobody will ever join its parts.
                _delete_files(export)


def _delete_files(export: Export, *, but: str = "") -> None:
    """Delete the files of `export` except `but`, and the names of files from its parts."""
    if storage.delete_others(export, but=but):
        parts.forget_files(export)


def _work(
    export: Export, log: capture.JobLog, should_stop: Callable[[], bool], *, shares: bool
) -> None:
    keeper = Heartbeat(export, should_stop=should_stop)
    try:
        with keeper:
            try:
                _Run(export, log, keeper, should_stop, shares=shares).to_the_end()
            except (LostRace, NoRoom, _HandOver):
                raise
            except Exception:
                # A query that is ended raises, and an exporter may make something else of it.
                _if_interrupted(export, keeper, should_stop)
                raise
    except Fenced:
        raise
    except Stopped:
        attempts.finish_stopping(export, lines=log.take())
    except _HandOver as reason:
        logger.info("%s", reason)
        attempts.hand_over(export, keeper.parts, lines=log.take())
    except NoRoom as error:
        logger.warning("%s. The export goes on by itself when there is room.", error)
        attempts.hand_over(export, keeper.parts, lines=log.take(), waits_for=Wait.SPACE)
    # Whatever an exporter or a storage raises: the export fails, the worker lives.
    except Exception as error:
        if not is_curable(error):
            logger.exception("The export failed.")
            end = attempts.stop if isinstance(error, NotPermitted) else attempts.fail
            end(export, _reason(error), lines=log.take())
            return
        logger.exception("The database refused. Another attempt follows when the lease runs out.")
        # If it still takes a row, let that say why. Often it does: a query took too long.
        with suppress(DatabaseError, LostRace):
            parts.tick(export, lines=log.take(), **dump(_reason(error)))
        raise


def _if_interrupted(export: Export, keeper: Heartbeat, should_stop: Callable[[], bool]) -> None:
    """Raise why our own keeper has ended a query, if it has."""
    if keeper.has_interrupted:
        keeper.rest()
        keeper.raise_refusal()
        parts.check(export)
        _stop_if(should_stop)


def _stop_if(should_stop: Callable[[], bool]) -> None:
    if should_stop():
        raise _HandOver("This worker shuts down. The export goes back to the queue.")


def _reason(error: Exception) -> str:
    """For the person who waits. Details are in the log."""
    if error.args and isinstance(error.args[0], Message):
        return error.args[0]
    if isinstance(error, DatabaseError):
        return refusal(error)
    return str(error) if isinstance(error, ExportError) else f"{type(error).__name__}: {error}"


class _Run:
    """One worker's go at one export."""

    def __init__(
        self,
        export: Export,
        log: capture.JobLog,
        keeper: Heartbeat,
        should_stop: Callable[[], bool],
        *,
        shares: bool,
    ) -> None:
        self._export = export
        self._shares = shares
        self._log = log
        self._keeper = keeper
        self._should_stop = should_stop
        self._part: Part | None = None  # that is written now
        self._ticker = Ticker(self._tick)
        self._quotas = Ticker(lambda: room.check_quotas(export), interval=QUOTA_SECONDS)
        self._rate = Rate()
        self._speed: float | None = None  # as of the last report
        self._started = time.monotonic()
        self._asked_for_help = -math.inf
        self._assembled = 0.0  # of the file, at most 1

    def to_the_end(self) -> None:
        export = self._export
        logger.info("Export %s, attempt %s by %s.", export.pk, export.attempt, export.worker)
        rights.check_owner(export.pk)
        room.check_quotas(export)
        with closing(Extractor(export)) as extractor:
            self._keeper.interrupt = extractor.source.interrupt
            if export.consistency == Consistency.SNAPSHOT:
                with closing(Snapshot(extractor.rows.db)) as snapshot:
                    extractor.source.snapshot_id = snapshot.id
                    self._plan(extractor, snapshot_id=snapshot.id)
                    self._extract_all(extractor)
            else:
                if export.rows_total is None:
                    self._plan(extractor)
                else:
                    self._go_on()
                self._extract_all(extractor)
            self._assemble(extractor)

    def _plan(self, extractor: Extractor, **fields: Any) -> None:
        export = self._export
        ranges = extractor.plan()
        total = sum(keys.rows for keys in ranges)
        limits.check_rows(export, total)
        model = extractor.rows.model
        new = [
            Part(
                export=export,
                number=number,
                after_key=None if keys.after is None else key_text(model, keys.after),
                upto_key=key_text(model, keys.upto),
                rows=keys.rows,
            )
            for number, keys in enumerate(ranges, start=1)
        ]
        # Those of an attempt that read another moment.
        old = [part.file for part in export.parts.exclude(file="")]
        parts.save_plan(export, new, total, **fields)
        for name in old:
            storage.delete(name)
        way = "PostgreSQL writes the lines itself" if extractor.by_copy else "Row by row"
        logger.info("%s rows to extract. Parts: %s. %s.", f"{total:,}", len(new), way)

    def _go_on(self) -> None:
        done = self._export.rows_done
        logger.info("Going on from the finished parts: %s rows are done.", f"{done:,}")
        self._tick(stage=Stage.EXTRACTING)

    def _extract_all(self, extractor: Extractor) -> None:
        """Every part, those that others have included: until all are in storage."""
        self._measure_anew()  # From here on: counting must not look like slow extracting.
        began = time.monotonic()
        self._ask_for_help(extractor.parallel)
        part = self._claim()
        while part is not None or not self._is_extracted():
            if part is None:
                self._wait_for_helpers()
                part = self._claim()
                continue
            self._part = part
            following = extractor.extract(part, self._turn, self._claim)
            self._part = None
            self._keeper.remove(part)
            logger.info("Part %s: %s rows.", part.number, f"{part.rows_done:,}")
            room.check_disk()  # Small parts may all be written between two reports.
            if following is not None and time.monotonic() - began >= conf.TURN_SECONDS:
                self._give_way()
            self._ask_for_help(extractor.parallel)
            part = following

    def _claim(self) -> Part | None:
        """The next part that nobody has."""
        part = parts.claim(self._export)
        if part is not None:
            self._keeper.add(part)
        return part

    def _is_extracted(self) -> bool:
        """Whether all is in storage. Raises Stopped or Fenced if this is not to go on."""
        parts.check(self._export)
        return parts.all_done(self._export)

    def _ask_for_help(self, parallel: int) -> None:
        now = time.monotonic()
        if not self._shares or parallel <= 0 or now - self._asked_for_help < ASK_SECONDS:
            return
        self._asked_for_help = now
        if wanted := fairness.helpers_wanted(self._export, parallel):
            queue.request_helpers(self._export.pk, wanted)

    def _wait_for_helpers(self) -> None:
        # What is waited for happens in another process, and shows in the database.
        Event().wait(INTERVAL)
        self._turn()

    def _give_way(self) -> None:
        # A moment that is given up is gone: the export would begin anew each time.
        keeps_on = not self._shares or self._export.consistency == Consistency.SNAPSHOT
        if not keeps_on and fairness.should_yield():
            raise _HandOver("Others wait for a worker. The export goes on after them.")

    def _assemble(self, extractor: Extractor) -> None:
        export = self._export
        self._measure_anew()  # From here on of the rows that are joined.
        self._tick(stage=Stage.ASSEMBLING, read_until=Now())
        done = list(export.parts.order_by("number"))
        counted = recount.totals(export, done)
        file = assemble(export, done, extractor.writer, self._has_assembled)
        took, size = time.monotonic() - self._started, f"{file['bytes']:,}"
        rows = f"{counted['rows_done']:,}"
        logger.info("%s rows, %s bytes. This attempt took %.1f s.", rows, size, took)
        with storage.deleted_on_error(file["file"]):
            rights.check_owner(export.pk)
            attempts.succeed(export, lines=self._log.take(), **counted, **file)
        if export.status == Status.SUCCEEDED:
            for part in done:
                storage.delete(part.file)
            _delete_files(export, but=file["file"])
        else:
            # Asked to pause or cancel in the last moment. A paused one still needs its parts.
            storage.delete(file["file"])

    def _has_assembled(self, share: float) -> None:
        self._rate.add((share - self._assembled) * (self._export.rows_total or 0))
        self._assembled = share
        self._turn()

    def _measure_anew(self) -> None:
        self._rate, self._speed = Rate(), None

    def _turn(self) -> None:
        self._ticker.touch()
        self._keeper.raise_refusal()
        _stop_if(self._should_stop)

    def _tick(self, **fields: Any) -> None:
        before = self._export.rows_done
        fields["assembled"] = self._assembled
        lines = self._log.take()
        try:
            parts.tick(self._export, self._part, rate=self._speed, lines=lines, **fields)
        except BaseException:
            self._log.give_back(lines)
            raise
        limits.check_bytes(self._export, self._export.bytes)
        self._quotas.touch()
        room.check_disk()
        # All workers' rows. Fewer than before are those of a part that was lost.
        self._rate.add(max(self._export.rows_done - before, 0))
        # Now, and not with the next report: until then time passes, and no rows are added.
        self._speed = self._rate.value
