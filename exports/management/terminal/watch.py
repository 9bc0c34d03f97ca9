"""Watch an export from a terminal until it is over or the user leaves."""

from __future__ import annotations

import signal
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING

from django.db import Error as DatabaseError
from django.db import connections

from exports import lifecycle
from exports.exceptions import IllegalMove, LostRace
from exports.lifecycle import attempts
from exports.management.terminal.follow import Following
from exports.management.terminal.interrupts import Interrupts, is_on_terminal
from exports.models import Export, PartStatus
from exports.status import HELD, Status
from notifications.http import with_script_prefix

if TYPE_CHECKING:
    from collections.abc import Callable

    from exports.management.terminal.progress import Lines
    from notifications.streams.items import Item

POLL = 0.25  # Seconds. Workers do not report more often.
GRACE = 10.0  # Seconds in which a worker in this process may finish a long statement.

# The question after Ctrl-C and its answers, if this process runs the export or another one does.
HERE = (
    "Hand the export over to the workers, cancel it, or go on? [h/c/g] ",
    ("hand over", "cancel", "go on"),
)
ELSEWHERE = ("Detach and let the export continue, or cancel it? [d/c] ", ("detach", "cancel"))


class Worker(threading.Thread):
    """A thread that runs an export, which this process has claimed, with `run`."""

    def __init__(self, export: Export, run: Callable[..., None]) -> None:
        super().__init__(name="export", daemon=True)
        self.attempt = export.attempt
        self.error: DatabaseError | None = None
        self.should_stop = threading.Event()
        self._export = export
        self._run = with_script_prefix(run)

    def run(self) -> None:
        try:
            self._run(self._export, self.should_stop.is_set, shares=False)
        except DatabaseError as error:
            self.error = error
        finally:
            connections.close_all()


class Watch:
    """Shows an export on `display`, and calls `on_item` with each item of its stream.

    `worker` runs the export in this process. Without it, other workers do. `signal` is the signal
    that made the user leave, if any.
    """

    def __init__(
        self,
        export: Export,
        worker: Worker | None,
        display: Lines,
        on_item: Callable[[Item], object] | None = None,
    ) -> None:
        self.signal: signal.Signals | None = None
        self._export_id = export.pk
        self._worker = worker
        self._display = display
        self._on_item = on_item
        self._following = Following(export, say=display.say)
        self._deadline: float | None = None

    def to_the_end(self) -> None:
        """Show the export until it is over or the user leaves. Raises Gone if it is deleted."""
        with Interrupts() as interrupts:
            if self._worker is not None:
                self._worker.start()
            while not self._is_over():
                if (signum := interrupts.take()) and self._leaves(signum, interrupts):
                    return
                if self._deadline is not None and time.monotonic() > self._deadline:
                    self._let_go()
                    return
                if self._worker is None:
                    time.sleep(POLL)
                else:
                    self._worker.join(POLL)

    def _is_over(self) -> bool:
        # Checked before the stream is read, which then has every event of a worker that has ended.
        is_alive = self._worker is not None and self._worker.is_alive()
        self._show()
        if self._worker is None or is_alive:
            return self._worker is None and self._following.is_over
        if self._following.is_over or self.signal is not None or self._worker.error is not None:
            return True
        # The attempt has ended although the export has not, so this process was frozen for longer
        # than its lease.
        self._display.say("Another worker has taken over.")
        self._worker = None
        return False

    def _show(self) -> None:
        for item in self._following.new():
            if self._on_item is not None:
                self._on_item(item)
            if item.kind == "state":
                self._display.show(item.data)
            elif item.name == "log" and self._worker is None:
                # A worker in this process already logs to standard error.
                self._display.log(item.data, item.at)

    def _leaves(self, signum: signal.Signals, interrupts: Interrupts) -> bool:
        """Handle the signal `signum`. Return whether to stop watching at once."""
        is_first, self.signal = self.signal is None, signum
        if not is_first:
            self._let_go()
            return True
        choice = self._choice(signum, interrupts)
        if choice == "go on":
            self.signal = None
        elif choice == "cancel":
            self._cancel()
        elif self._worker is None:
            return True
        else:
            self._display.say("Handing the export over…")
            self._worker.should_stop.set()
            self._deadline = time.monotonic() + GRACE
        return False

    def _choice(self, signum: signal.Signals, interrupts: Interrupts) -> str | None:
        """Return the answer of the user; None if the signal leaves no choice or comes again."""
        if signum != signal.SIGINT or not is_on_terminal():
            return None
        with self._display.paused():
            return interrupts.ask(*(ELSEWHERE if self._worker is None else HERE))

    def _cancel(self) -> None:
        # Loaded again, because the thread of the worker changes its own object.
        export = Export.objects.get(pk=self._export_id)
        with suppress(IllegalMove, LostRace):  # The export is over. The next `_show` shows it.
            lifecycle.cancel(export, by=export.owner)

    def _let_go(self) -> None:
        """Give the export back to the queue if the worker in this process has not done so."""
        if self._worker is None:
            return
        export = Export.objects.get(pk=self._export_id)
        if export.attempt != self._worker.attempt or export.status not in HELD:
            return
        with suppress(LostRace):
            if export.status == Status.RUNNING:
                own = export.parts.filter(status=PartStatus.CLAIMED, by_helper=False)
                attempts.hand_over(export, own)
            else:
                attempts.finish_stopping(export)
