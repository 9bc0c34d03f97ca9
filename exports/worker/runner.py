"""The loop of the worker that holds an export: plan, extract part by part, assemble.

Running it twice is safe. Every write names the attempt, so if two workers hold the same export, one
is fenced and stops without any effect.
"""

from __future__ import annotations

import logging
import math
import time
from contextlib import closing, suppress
from dataclasses import dataclass
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
from exports.readers.retries import is_transient, message_of
from exports.spec import rights
from exports.status import Stage, Status, Wait
from exports.worker.assemble import assemble
from exports.worker.extract import Extractor
from exports.worker.heartbeat import Heartbeat
from exports.worker.progress import INTERVAL, Rate, Ticker

if TYPE_CHECKING:
    from collections.abc import Callable

logger = logging.getLogger(__name__)

HELP_SECONDS = 1.0  # Between two requests for helpers.
QUOTA_SECONDS = 1.0  # Between two checks of the quotas, which sum all files of the owner.


class _HandOver(Exception):
    """Another worker should continue. The message says why."""


def run(
    export: Export, should_stop: Callable[[], bool] = queue.is_shutting_down, *, shares: bool = True
) -> None:
    """Work on the claimed `export` as far as possible.

    With `shares` this worker requests helpers, and gives the export back if other exports wait. The
    `export` command passes False, because its process takes no other exports.

    The outcome is recorded: succeeded, failed, stopped or handed over. Only errors of the database
    are raised. Then the lease expires, and `rescue` decides.
    """
    with capture.capture(worker=export.worker, attempt=export.attempt) as log:
        try:
            _work(export, log, should_stop, shares=shares)
        except Fenced as error:
            logger.warning("%s This worker stops.", error)
        else:
            if export.status in {Status.FAILED, Status.CANCELLED}:
                # These statuses are final, so the parts will never be assembled.
                _delete_files(export)


def _delete_files(export: Export, *, but: str = "") -> None:
    """Delete the files of `export` except `but`, and the file names of its parts."""
    if storage.delete_others(export, but=but):
        parts.forget_files(export)


def _work(
    export: Export, log: capture.JobLog, should_stop: Callable[[], bool], *, shares: bool
) -> None:
    heartbeat = Heartbeat(export, should_stop=should_stop)
    try:
        with heartbeat:
            _Run(export, log, heartbeat, should_stop, shares=shares).run()
    except Fenced:
        raise
    except Stopped:
        attempts.finish_stopping(export, lines=log.take())
    except _HandOver as reason:
        logger.info("%s", reason)
        attempts.hand_over(export, heartbeat.parts, lines=log.take())
    except NoRoom as error:
        logger.warning("%s. The export continues automatically when there is space.", error)
        attempts.hand_over(export, heartbeat.parts, lines=log.take(), waits_for=Wait.SPACE)
    # An exporter or a storage may raise anything. The export fails, but the worker continues.
    except Exception as error:
        if not is_transient(error):
            logger.exception("The export failed.")
            end = attempts.stop if isinstance(error, NotPermitted) else attempts.fail
            end(export, _reason(error), lines=log.take())
            return
        logger.exception("Database error. Another attempt follows when the lease expires.")
        # Store the reason if the database still works, as it does after a statement timeout.
        with suppress(DatabaseError, LostRace):
            parts.tick(export, lines=log.take(), **dump(_reason(error)))
        raise


def _reason(error: Exception) -> str:
    """Return the reason for users. The log has the details."""
    if error.args and isinstance(error.args[0], Message):
        return error.args[0]
    if isinstance(error, DatabaseError):
        return message_of(error)
    return str(error) if isinstance(error, ExportError) else f"{type(error).__name__}: {error}"


@dataclass
class _Run:
    """One attempt of this worker at an export."""

    export: Export
    log: capture.JobLog
    heartbeat: Heartbeat
    should_stop: Callable[[], bool]
    shares: bool

    def __post_init__(self) -> None:
        self._part: Part | None = None  # The part that is being written.
        self._ticker = Ticker(self._report)
        self._quotas = Ticker(lambda: room.check_quotas(self.export), interval=QUOTA_SECONDS)
        self._rate = Rate()
        self._speed: float | None = None  # The rate at the last report.
        self._started = time.monotonic()
        self._help_requested_at = -math.inf
        self._assembled = 0.0  # The share of the file, from 0 to 1.

    def run(self) -> None:
        """Run the attempt to its end, or raise why it ends early."""
        try:
            self._run()
        except (LostRace, NoRoom, _HandOver):
            raise
        except Exception:
            # An interrupted query raises, and code of the exporter may turn that into any error.
            if self.heartbeat.has_interrupted:
                self.heartbeat.stop_interrupting()
                self.heartbeat.raise_refusal()
                parts.check(self.export)
                self._stop_if_shutting_down()
            raise

    def _run(self) -> None:
        export = self.export
        logger.info("Export %s, attempt %s by %s.", export.pk, export.attempt, export.worker)
        rights.check_owner(export.pk)
        room.check_quotas(export)
        with closing(Extractor(export)) as extractor:
            self.heartbeat.interrupt = extractor.source.interrupt
            if export.consistency == Consistency.SNAPSHOT:
                with closing(Snapshot(extractor.rows.db)) as snapshot:
                    extractor.source.snapshot_id = snapshot.id
                    self._plan(extractor, snapshot_id=snapshot.id)
                    self._extract_all(extractor)
            else:
                if export.rows_total is None:
                    self._plan(extractor)
                else:
                    done = f"{export.rows_done:,}"
                    logger.info("Continuing from the finished parts: %s rows are done.", done)
                    self._report(stage=Stage.EXTRACTING)
                self._extract_all(extractor)
            self._assemble(extractor)

    def _plan(self, extractor: Extractor, **fields: Any) -> None:
        export = self.export
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
        # Files of an earlier attempt, which read the rows of another moment.
        old = [part.file for part in export.parts.exclude(file="")]
        parts.save_plan(export, new, total, **fields)
        for name in old:
            storage.delete(name)
        method = "PostgreSQL writes the lines itself" if extractor.by_copy else "Row by row"
        logger.info("%s rows to extract. Parts: %s. %s.", f"{total:,}", len(new), method)

    def _extract_all(self, extractor: Extractor) -> None:
        """Extract parts until all are in storage, including those that helpers extract."""
        self._restart_rate()  # Otherwise the time of counting would lower the rate.
        began = time.monotonic()
        self._request_help(extractor.parallel)
        part = self._claim()
        while part is not None or not self._is_extracted():
            if part is None:
                # Helpers are other processes, so their progress is visible only in the database.
                Event().wait(INTERVAL)
                self._checkpoint()
                part = self._claim()
                continue
            self._part = part
            following = extractor.extract(part, self._checkpoint, self._claim)
            self._part = None
            self.heartbeat.remove(part)
            logger.info("Part %s: %s rows.", part.number, f"{part.rows_done:,}")
            room.check_disk()  # Many small parts may be written between two reports.
            if following is not None and time.monotonic() - began >= conf.TURN_SECONDS:
                self._yield_to_others()
            self._request_help(extractor.parallel)
            part = following

    def _claim(self) -> Part | None:
        part = parts.claim(self.export)
        if part is not None:
            self.heartbeat.add(part)
        return part

    def _is_extracted(self) -> bool:
        """Return whether all parts are in storage. Raises Stopped or Fenced."""
        parts.check(self.export)
        return parts.all_done(self.export)

    def _request_help(self, parallel: int) -> None:
        now = time.monotonic()
        if not self.shares or parallel <= 0 or now - self._help_requested_at < HELP_SECONDS:
            return
        self._help_requested_at = now
        if wanted := fairness.helpers_wanted(self.export, parallel):
            queue.request_helpers(self.export.pk, wanted)

    def _yield_to_others(self) -> None:
        # A snapshot ends with the connection, so the export would start from the beginning.
        is_snapshot = self.export.consistency == Consistency.SNAPSHOT
        if self.shares and not is_snapshot and fairness.should_yield():
            raise _HandOver("Other exports wait for a worker. This one continues after them.")

    def _assemble(self, extractor: Extractor) -> None:
        export = self.export
        self._restart_rate()  # From here on it is the rate of joined rows.
        self._report(stage=Stage.ASSEMBLING, read_until=Now())
        done = list(export.parts.order_by("number"))
        counted = recount.totals(export, done)
        file = assemble(export, done, extractor.writer, self._assembly_checkpoint)
        took, size = time.monotonic() - self._started, f"{file['bytes']:,}"
        rows = f"{counted['rows_done']:,}"
        logger.info("%s rows, %s bytes. This attempt took %.1f s.", rows, size, took)
        with storage.deleted_on_error(file["file"]):
            rights.check_owner(export.pk)
            attempts.succeed(export, lines=self.log.take(), **counted, **file)
        if export.status == Status.SUCCEEDED:
            for part in done:
                storage.delete(part.file)
            _delete_files(export, but=file["file"])
        else:
            # A user has just paused or cancelled the export. If paused, it still needs its parts.
            storage.delete(file["file"])

    def _assembly_checkpoint(self, share: float) -> None:
        self._rate.add((share - self._assembled) * (self.export.rows_total or 0))
        self._assembled = share
        self._checkpoint()

    def _restart_rate(self) -> None:
        self._rate, self._speed = Rate(), None

    def _checkpoint(self) -> None:
        self._ticker.touch()
        self.heartbeat.raise_refusal()
        self._stop_if_shutting_down()

    def _stop_if_shutting_down(self) -> None:
        if self.should_stop():
            raise _HandOver("This worker shuts down. The export goes back to the queue.")

    def _report(self, **fields: Any) -> None:
        before = self.export.rows_done
        fields["assembled"] = self._assembled
        lines = self.log.take()
        try:
            parts.tick(self.export, self._part, rate=self._speed, lines=lines, **fields)
        except BaseException:
            self.log.give_back(lines)
            raise
        limits.check_bytes(self.export, self.export.bytes)
        self._quotas.touch()
        room.check_disk()
        # `rows_done` counts the rows of all workers. It falls when a part was lost.
        self._rate.add(max(self.export.rows_done - before, 0))
        # Measured right after rows were added. Until the next report the rate would seem to fall,
        # because time passes before new rows are added.
        self._speed = self._rate.value
