"""Looking on at an export from a terminal until it is over, or until somebody wants to leave."""

from __future__ import annotations

import signal
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Protocol

from exports import lifecycle
from exports.exceptions import IllegalMove, LostRace
from exports.lifecycle import attempts
from exports.management.terminal.follow import Following
from exports.management.terminal.interrupts import Interrupts, is_on_terminal
from exports.models import Export, PartStatus
from exports.status import HELD, Status

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from exports.management.terminal.progress import Display
    from notifications.streams.items import Item

POLL = 0.25  # seconds; workers do not report more often
# Seconds for the loop to come to a place where it can stop. It may be in a long statement.
GRACE = 10.0

HERE = (
    "Hand the export over to the workers, cancel it, or go on? [h/c/g] ",
    ("hand over", "cancel", "go on"),
)
ELSEWHERE = ("Detach and let the export continue, or cancel it? [d/c] ", ("detach", "cancel"))


class Local(Protocol):
    """Who works on it in this process: a thread."""

    attempt: int
    should_stop: threading.Event
    error: Exception | None

    def start(self) -> None: ...

    def is_alive(self) -> bool: ...

    def join(self, timeout: float | None = None) -> None: ...


class Watch:
    """One person who looks on. `signal` is what made them leave."""

    def __init__(
        self,
        export: Export,
        local: Local | None,
        display: Display,
        each: Callable[[Item], object] | None = None,
    ) -> None:
        self.signal: signal.Signals | None = None
        self._export_id = export.pk
        self._local = local
        self._display = display
        self._each = each
        self._following = Following(export, say=display.say)
        self._deadline: float | None = None

    def to_the_end(self) -> None:
        """Show what happens until it is over, or is left. Raises Gone."""
        with Interrupts() as interrupts:
            if self._local is not None:
                self._local.start()
            while not self._is_over():
                if (number := interrupts.take()) and self._leaves(number, interrupts):
                    return
                if self._deadline is not None and time.monotonic() > self._deadline:
                    self._let_go()
                    return
                if self._local is None:
                    time.sleep(POLL)
                else:
                    self._local.join(POLL)

    def _is_over(self) -> bool:
        # Asked before what it did is read: then all of that is there.
        works_here = self._local is not None and self._local.is_alive()
        self._show()
        if self._local is None or works_here:
            return self._local is None and self._following.is_over
        if self._following.is_over or self.signal is not None or self._local.error is not None:
            return True
        # This process stood still for longer than its lease.
        self._display.say("Another worker has taken over.")
        self._local = None
        return False

    def _show(self) -> None:
        for item in self._following.new():
            if self._each is not None:
                self._each(item)
            if item.kind == "state":
                self._display.show(item.data)
            elif item.name == "log" and self._local is None:
                # What is logged here is on standard error by itself.
                self._display.log(item.data, item.at)

    # -- Who wants to leave ----------------------------------------------------------------

    def _leaves(self, number: signal.Signals, interrupts: Interrupts) -> bool:
        """Whether to look on no more, after the signal `number`."""
        is_first, self.signal = self.signal is None, number
        if not is_first:
            self._let_go()
            return True
        choice = self._choice(number, interrupts)
        if choice == "go on":
            self.signal = None
        elif choice == "cancel":
            self._cancel()
        elif self._local is None:
            return True
        else:
            self._display.say("Handing the export over…")
            self._local.should_stop.set()
            self._deadline = time.monotonic() + GRACE
        return False

    def _choice(self, number: signal.Signals, interrupts: Interrupts) -> str | None:
        if number != signal.SIGINT or not is_on_terminal():
            return None
        with self._display.paused():
            return interrupts.ask(*(ELSEWHERE if self._local is None else HERE))

    def _cancel(self) -> None:
        # A row of its own: the worker's object changes under it.
        export = Export.objects.get(pk=self._export_id)
        with suppress(IllegalMove, LostRace):  # It is over. What it has become is shown.
            lifecycle.cancel(export, by=export.owner)

    def _let_go(self) -> None:
        """Put back what the worker here does not get to put back by itself."""
        if self._local is None:
            return
        export = Export.objects.get(pk=self._export_id)
        if export.attempt != self._local.attempt or export.status not in HELD:
            return
        with suppress(LostRace):
            if export.status == Status.RUNNING:
                own = export.parts.filter(status=PartStatus.CLAIMED, by_helper=False)
                attempts.hand_over(export, own)
            else:
                attempts.finish_stopping(export)
