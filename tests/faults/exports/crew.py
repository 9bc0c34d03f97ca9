"""Workers that go from one test to the next, for as long as they live: a start takes seconds."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import psutil

from tests.faults.exports.hazards.cargo import PAGE_ROWS, PART_ROWS
from tests.faults.exports.hazards.traps import Traps
from tests.services.waybill import Worker

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.services.processes import Run

LEASE = 2  # seconds


class Hand(Worker):
    """A worker, and what it has said since the test began."""

    said_before = 0

    @property
    def is_alive(self) -> bool:
        return self.process.is_running

    @property
    def child(self) -> psutil.Process:
        """The process that does the work."""
        [child] = psutil.Process(self.process.pid).children()
        return child

    def said(self) -> str:
        return self.process.log_text()[self.said_before :]

    def open_files(self, folder: Path) -> list[str]:
        """What its processes have open in there."""
        parent = psutil.Process(self.process.pid)
        return [
            file.path
            for process in (parent, *parent.children())
            for file in process.open_files()
            if file.path.startswith(str(folder))
        ]


class Crew:
    """The workers of this folder's tests, with their own storage, work directory and traps."""

    def __init__(self, run: Run, folder: Path) -> None:
        self.files, self.work, self._traps = (folder / each for each in ("files", "work", "traps"))
        for each in (self.files, self.work, self._traps):
            each.mkdir(parents=True)
        self.traps = Traps(self._traps)
        self._run = run
        self._hands: dict[Hand, Mapping[str, str]] = {}

    def muster(self, count: int = 2, **env: str) -> list[Hand]:
        """Exactly so many workers with these settings, and no others."""
        for hand, its in list(self._hands.items()):
            if not hand.is_alive or its != env or len(self._hands) > count:
                self.dismiss(hand)
        while len(self._hands) < count:
            self._hands[self._start(env)] = env
        for hand in self._hands:
            hand.said_before = len(hand.process.log_text())
        return list(self._hands)

    def dismiss(self, *hands: Hand) -> None:
        for hand in hands or list(self._hands):
            hand.kill()
            self._hands.pop(hand, None)

    def thaw(self) -> None:
        for hand in self._hands:
            with contextlib.suppress(ProcessLookupError):
                hand.thaw()

    def _start(self, env: Mapping[str, str]) -> Hand:
        return Hand(
            self._run,
            {
                "DJANGO_SETTINGS_MODULE": "tests.faults.exports.hazards.settings",
                "EXPORTS_LEASE_SECONDS": str(LEASE),
                "EXPORTS_PART_ROWS": str(PART_ROWS),
                "EXPORTS_PAGE_ROWS": str(PAGE_ROWS),
                "EXPORTS_TURN_SECONDS": "0",  # Whoever waits gets the next turn.
                "EXPORTS_WORK_DIR": str(self.work),
                "STORAGE_URL": f"file://{self.files}",
                "DATABASE_LOCK_TIMEOUT": "1min",  # Longer than any test holds one.
                **self.traps.env,
                **env,
            },
        )
