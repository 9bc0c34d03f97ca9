"""The loop of a helper: a worker that extracts parts of an export that another worker holds.

A helper makes no decisions. If a part fails, the helper reopens it, and the worker that holds the
export meets the same error. After each part the helper stops if an export is queued.
"""

from __future__ import annotations

import logging
from contextlib import closing
from dataclasses import dataclass
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


class _ShuttingDown(Exception):
    """This worker shuts down."""


def help_with(
    export_id: uuid.UUID, *, worker: str, should_stop: Callable[[], bool] = queue.is_shutting_down
) -> None:
    """Extract parts of an export while it runs, has open parts, and no other export is queued."""
    export = Export.objects.filter(pk=export_id, status=Status.RUNNING).first()
    if export is None or not _is_planned(export):
        return  # The export has ended, or its holder will request help again.
    lines = capture.capture(worker=worker, attempt=export.attempt, helping=True)
    with lines as log, Heartbeat(export, holds=False, should_stop=should_stop) as heartbeat:
        helper = _Helper(export, worker, log, heartbeat, should_stop)
        try:
            helper.run()
        except (LostRace, NoRoom, _ShuttingDown) as reason:
            logger.info("This worker stops helping: %s", reason)
        # The worker that holds the export meets the same error and reports it.
        except Exception as error:  # noqa: BLE001 - see above
            logger.warning("A part could not be extracted by a helper: %r", error)
        finally:
            heartbeat.stop_interrupting()
            parts.reopen_claimed(heartbeat.parts)


def _is_planned(export: Export) -> bool:
    if export.consistency == Consistency.SNAPSHOT:
        # Until then, its parts are those of an earlier attempt, which read another moment.
        return bool(export.snapshot_id)
    return export.rows_total is not None


@dataclass
class _Helper:
    export: Export
    worker: str
    log: capture.JobLog
    heartbeat: Heartbeat
    should_stop: Callable[[], bool]

    def __post_init__(self) -> None:
        self._part: Part | None = None  # The part that is being written.
        self._ticker = Ticker(self._report)

    def run(self) -> None:
        room.check_disk()
        with closing(Extractor(self.export)) as extractor:
            self.heartbeat.interrupt = extractor.source.interrupt
            part = None if fairness.has_queued_exports() else self._claim()
            while part is not None:
                self._part = part
                following = extractor.extract(part, self._checkpoint, self._claim)
                logger.info(
                    "Part %s: %s rows, by %s.", part.number, f"{part.rows_done:,}", self.worker
                )
                self.heartbeat.remove(part)
                parts.append_log(part, lines=self.log.take())
                room.check_disk()
                part = None if fairness.has_queued_exports() else following

    def _claim(self) -> Part | None:
        part = parts.claim(self.export, helper=self.worker)
        if part is not None:
            self.heartbeat.add(part)
        return part

    def _checkpoint(self) -> None:
        self._ticker.touch()
        if self.should_stop():
            raise _ShuttingDown("this worker shuts down.")

    def _report(self) -> None:
        room.check_disk()
        if self._part is not None:
            parts.save_progress(self._part)
