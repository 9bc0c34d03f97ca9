"""How far an export is, on standard error: a bar on a terminal, elsewhere a line now and then.

Standard output is for the result alone.
"""

from __future__ import annotations

import logging
import sys
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol

from django.utils import timezone
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn
from rich.text import Text

from exports.status import Stage, Status, Wait
from notifications.management.progress_bar import RateColumn
from notifications.printable import INDENT, escaped, one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Snapshot = dict[str, Any]


class Display(Protocol):
    """Who is told of an export that goes on."""

    def show(self, snapshot: Snapshot) -> None:
        """It has come so far."""
        ...

    def log(self, data: dict[str, Any], at: str) -> None:
        """It has logged a line."""
        ...

    def say(self, text: str) -> None:
        """A word of the command's own."""
        ...

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Leave the terminal alone: something is asked there."""
        ...


def doing(snapshot: Snapshot) -> str:
    """What happens to it just now: "Extracting rows"."""
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


def left(snapshot: Snapshot) -> str:
    """The time that is left: "0:01:30 left"."""
    if snapshot["eta"] is None:
        return ""
    return f"{timedelta(seconds=round(snapshot['eta']))} left"


def line_of(data: dict[str, Any], at: str) -> str:
    moment = timezone.localtime(datetime.fromisoformat(at))
    who = f" [{data['worker']} #{data['attempt']}]" if "worker" in data else ""
    first, *more = escaped(data["message"]).split("\n")
    # An exporter may log what it has read. That cannot pretend to be another entry.
    lines = [one_line(f"{moment:%H:%M:%S} {data['level']:<7} {first}{who}")]
    return "\n".join([*lines, *(INDENT + line for line in more)])


class Milestones:
    """Of many snapshots, those that are worth a line: a new stage, every tenth of the rows."""

    def __init__(self) -> None:
        self._last: tuple[str, int] | None = None

    def line(self, snapshot: Snapshot) -> str:
        """The line for `snapshot`; empty when it is not worth one."""
        what = doing(snapshot)
        total = snapshot["rows_total"]
        # Rows that were added meanwhile may make it more than the whole.
        tenths = min(snapshot["rows_done"] * 10 // total, 10) if total else 0
        here = (what, tenths if snapshot["stage"] == Stage.EXTRACTING else 0)
        if here == self._last:
            return ""
        self._last = here
        if not here[1]:
            return f"{what}."
        rate = f"{snapshot['rate']:,.0f} rows/s" if snapshot["rate"] else ""
        parts = [f"{tenths * 10} %", rows(snapshot), rate, left(snapshot)]
        return f"{what}: {', '.join(filter(None, parts))}."


class Lines:
    """Plain lines, for a log, or for nobody."""

    def __init__(self, write: Callable[[str], object]) -> None:
        self._write = write
        self._milestones = Milestones()

    def show(self, snapshot: Snapshot) -> None:
        if line := self._milestones.line(snapshot):
            self._write(line)

    def log(self, data: dict[str, Any], at: str) -> None:
        self.say(line_of(data, at))

    def say(self, text: str) -> None:
        self._write(escaped(text))

    @contextmanager
    def paused(self) -> Iterator[None]:
        yield


class Bar:
    """One line that is drawn anew, and what is logged above it."""

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

    def show(self, snapshot: Snapshot) -> None:
        self._bar.update(
            self._task,
            description=doing(snapshot),
            total=snapshot["rows_total"],
            completed=snapshot["rows_done"],
            rows=rows(snapshot),
            rate=snapshot["rate"],
            left=left(snapshot),
        )

    def log(self, data: dict[str, Any], at: str) -> None:
        self.say(line_of(data, at))

    def say(self, text: str) -> None:
        # Above the bar, which a plain write would tear.
        self._bar.console.print(Text(escaped(text)), soft_wrap=True)

    @contextmanager
    def paused(self) -> Iterator[None]:
        self._bar.stop()
        try:
            yield
        finally:
            self._bar.start()

    @contextmanager
    def drawn(self) -> Iterator[Bar]:
        """The bar is there while the block runs."""
        # Logging holds on to the stream that it was given at first, and would write across it.
        handlers = [
            handler
            for handler in logging.getLogger().handlers
            if isinstance(handler, logging.StreamHandler) and handler.stream is sys.stderr
        ]
        before = sys.stderr
        with self._bar:
            for handler in handlers:
                handler.setStream(sys.stderr)  # Rich's: it prints above the bar.
            try:
                yield self
            finally:
                for handler in handlers:
                    handler.setStream(before)
