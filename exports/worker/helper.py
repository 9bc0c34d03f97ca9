"""The loop of a worker that helps: it takes parts of an export that another one holds.

It decides nothing. What goes wrong here is left for the worker that holds the export to meet
again; and after each part it makes room for whoever waits.
"""

from __future__ import annotations

import logging
from contextlib import closing
from typing import TYPE_CHECKING

from exports.exceptions import LostRace, NoRoom
from exports.lifecycle import fairness, parts, queue, room
from exports.log import capture
from exports.models import Consistency, Export, Part
from exports.status import Status
from exports.worker.extract import Extractor
from exports.worker.heartbeat import Heartbeat
from exports.worker.progress import Ticker

if TYPE_CHECKING:
    import uuid
    from collections.abc import Callable

logger = logging.getLogger(__name__)


class _Enough(Exception):
    """The worker shuts down."""


def help_with(
    export_id: uuid.UUID,
    *,
    worker: str,
    should_stop: Callable[[], bool] = queue.is_shutting_down,
) -> None:
    """Extract parts of an export for as long as it runs, there are any, and nobody waits."""
    export = Export.objects.filter(pk=export_id, status=Status.RUNNING).first()
    if export is None or not _is_planned(export):
        return  # It is over, or will ask anew.
    named = capture.capture(worker=worker, attempt=export.attempt, helping=True)
    with named as log, Heartbeat(export, holds=False, should_stop=should_stop) as keeper:
        helper = _Helper(export, worker, log, keeper, should_stop)
        try:
            helper.help()
        except (LostRace, NoRoom, _Enough) as reason:
            logger.info("No more help: %s", reason)
        # Whatever it is, the worker that holds the export meets it, and says so.
        except Exception as error:  # noqa: BLE001 - see above
            logger.warning("A part could not be extracted by a helper: %r", error)
        finally:
            helper.let_go()


def _is_planned(export: Export) -> bool:
    if export.consistency == Consistency.SNAPSHOT:
        return bool(export.snapshot_id)  # The plan of an attempt before is of another moment.
    return export.rows_total is not None


class _Helper:
    def __init__(
        self,
        export: Export,
        worker: str,
        log: capture.JobLog,
        keeper: Heartbeat,
        should_stop: Callable[[], bool],
    ) -> None:
        self._export = export
        self._worker = worker
        self._part: Part | None = None  # that is written now
        self._log = log
        self._keeper = keeper
        self._should_stop = should_stop
        self._ticker = Ticker(self._tick)

    def help(self) -> None:
        room.check_disk()
        with closing(Extractor(self._export)) as extractor:
            self._keeper.interrupt = extractor.source.interrupt
            part = None if fairness.has_queued_exports() else self._claim()
            while part is not None:
                self._part = part
                following = extractor.extract(part, self._turn, self._claim)
                logger.info(
                    "Part %s: %s rows, by %s.", part.number, f"{part.rows_done:,}", self._worker
                )
                self._keeper.remove(part)
                parts.log_helping(part, lines=self._log.take())
                room.check_disk()
                part = None if fairness.has_queued_exports() else following

    def let_go(self) -> None:
        """Open what was not finished."""
        self._keeper.rest()
        parts.give_back(self._keeper.parts)

    def _claim(self) -> Part | None:
        part = parts.claim(self._export, helper=self._worker)
        if part is not None:
            self._keeper.add(part)
        return part

    def _turn(self) -> None:
        self._ticker.touch()
        if self._should_stop():
            raise _Enough("this worker shuts down.")

    def _tick(self) -> None:
        room.check_disk()
        if self._part is not None:
            parts.keep(self._part)
