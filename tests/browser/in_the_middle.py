"""An export that is stopped in the middle, whatever time a page takes to show it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from exports.status import Status
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from playwright.sync_api import Locator

    from exports.models import Export
    from tests.services.waybill import Worker


def shown(bar: Locator) -> int:
    """How many rows the bar says are done."""
    return int(bar.evaluate("bar => bar.value"))


def freeze_after(worker: Worker, export: Export, rows: int = 0) -> int:
    """Stop the worker in its tracks once more than so many rows are done. How many are.

    By the table and not by the page: a slow browser would see the export only as it is over.
    """

    def has_moved() -> bool:
        export.refresh_from_db()
        return export.rows_done > rows

    wait_until(has_moved, what=f"more than {rows} rows are done")
    worker.freeze()
    export.refresh_from_db()
    assert export.status == Status.RUNNING, "it was too quick to be stopped in the middle"
    return export.rows_done


def watch_it_move(worker: Worker, export: Export, bar: Locator) -> int:
    """See the bar move twice with the export. The worker is frozen then. How many rows are done."""
    done = freeze_after(worker, export)
    wait_until(lambda: shown(bar) == done, what="the bar is level with the table")
    worker.thaw()
    done = freeze_after(worker, export, done)
    wait_until(lambda: shown(bar) == done, what="the bar has moved on with the table")
    return done
