"""The progress of an export on standard error: a bar on a terminal, otherwise plain lines.

Standard output has only the result.
"""

from __future__ import annotations

import logging
import sys
from contextlib import contextmanager, nullcontext
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.utils import timezone
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn
from rich.text import Text

from exports.status import Stage, Status, Wait
from notifications.management.progress_bar import RateColumn
from notifications.printable import INDENT, escaped, one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

Snapshot = dict[str, Any]


def activity(snapshot: Snapshot) -> str:
    """Describe the status or the stage: "Extracting rows"."""
    if snapshot["status"] == Status.RUNNING and snapshot["stage"]:
        return str(Stage(snapshot["stage"]).label)
    if snapshot["waits_for"]:
        return str(Wait(snapshot["waits_for"]).label)
    if snapshot["status"] == Status.QUEUED and (snapshot["queue_position"] or 0) > 1:
        return f"Queued, {snapshot['queue_position'] - 1} ahead"
    return str(Status(snapshot["status"]).label)


def rows(snapshot: Snapshot) -> str:
    if snapshot["rows_total"] is None:
        return ""
    return f"{snapshot['rows_done']:,} of {snapshot['rows_total']:,} rows"


def remaining(snapshot: Snapshot) -> str:
    """Return the remaining time, if it is known: "0:01:30 left"."""
    if snapshot["eta"] is None:
        return ""
    return f"{timedelta(seconds=round(snapshot['eta']))} left"


def line_of(data: dict[str, Any], at: str) -> str:
    """Return a log line of the export as text."""
    moment = timezone.localtime(datetime.fromisoformat(at))
    worker = f" [{data['worker']} #{data['attempt']}]" if "worker" in data else ""
    first, *more = escaped(data["message"]).split("\n")
    # An exporter may log values of rows. They must not look like another entry.
    lines = [one_line(f"{moment:%H:%M:%S} {data['level']:<7} {first}{worker}")]
    return "\n".join([*lines, *(INDENT + line for line in more)])


class Lines:
    """Plain lines for a log: one at the start of each stage, and one for each tenth of the rows."""

    def __init__(self, write: Callable[[str], object]) -> None:
        self._write = write
        self._last: tuple[str, int] | None = None

    def show(self, snapshot: Snapshot) -> None:
        """Show the state of the export."""
        description = activity(snapshot)
        total = snapshot["rows_total"]
        # At most 10, although rows that were added meanwhile may make it more.
        tenths = min(snapshot["rows_done"] * 10 // total, 10) if total else 0
        shown = (description, tenths if snapshot["stage"] == Stage.EXTRACTING else 0)
        if shown == self._last:
            return
        self._last = shown
        if not shown[1]:
            self._write(f"{description}.")
            return
        rate = f"{snapshot['rate']:,.0f} rows/s" if snapshot["rate"] else ""
        parts = [f"{tenths * 10} %", rows(snapshot), rate, remaining(snapshot)]
        self._write(f"{description}: {', '.join(filter(None, parts))}.")

    def log(self, data: dict[str, Any], at: str) -> None:
        """Show a log line of the export."""
        self.say(line_of(data, at))

    def say(self, text: str) -> None:
        """Show a message of the command itself."""
        self._write(escaped(text))

    def paused(self) -> AbstractContextManager[None]:
        """Write nothing during the block, which uses the terminal itself."""
        return nullcontext()


class Bar(Lines):
    """A progress bar, with messages and log lines above it."""

    def __init__(self) -> None:
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=20),
            TextColumn("{task.fields[rows]}"),
            TaskProgressColumn(),
            RateColumn(),
            TextColumn("{task.fields[left]}"),
            console=Console(stderr=True),
            transient=True,
        )
        self._task = self._bar.add_task("", total=None, rows="", rate=None, left="")
        # A plain write to the terminal would garble the bar.
        super().__init__(lambda text: self._bar.console.print(Text(text), soft_wrap=True))

    def show(self, snapshot: Snapshot) -> None:
        self._bar.update(
            self._task,
            description=activity(snapshot),
            total=snapshot["rows_total"],
            completed=snapshot["rows_done"],
            rows=rows(snapshot),
            rate=snapshot["rate"],
            left=remaining(snapshot),
        )

    @contextmanager
    def paused(self) -> Iterator[None]:
        self._bar.stop()
        try:
            yield
        finally:
            self._bar.start()

    @contextmanager
    def drawn(self) -> Iterator[Bar]:
        """Draw the bar during the block."""
        # Log handlers keep the old `sys.stderr`, and would write across the bar.
        handlers = [
            handler
            for handler in logging.getLogger().handlers
            if isinstance(handler, logging.StreamHandler) and handler.stream is sys.stderr
        ]
        before = sys.stderr
        with self._bar:
            for handler in handlers:
                handler.setStream(sys.stderr)  # Rich's stream, which prints above the bar.
            try:
                yield self
            finally:
                for handler in handlers:
                    handler.setStream(before)
