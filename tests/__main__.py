"""Runs the tests on every database: `python -m tests [arguments of pytest]`.

All of them on SQLite, and beside that what uses the database on PostgreSQL. Each is a pytest
of its own, because a Django process has one database for life; and tests that mostly wait run
beside those that mostly work. What the first says is shown at once, and what the others say
when it is over. The last line counts all, and the exit status is 0 when all passed.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

from tests.services.environment import DATABASES, GROUPS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType
    from typing import IO


def main(arguments: list[str]) -> int:
    began = time.monotonic()
    runs: list[_Run] = []
    _interrupt_all(runs)
    with tempfile.TemporaryDirectory() as directory:
        for database, tiers in product(DATABASES, GROUPS):
            runs.append(_Run(database, tiers, Path(directory), arguments, is_shown=not runs))
        statuses = [run.wait() for run in runs]
        counts = [_count(run.report) for run in runs]
    for run, count in zip(runs, counts, strict=True):
        sys.stdout.write(f"{run.name + ':':32} {_sentence(count)}\n")
    took = time.monotonic() - began
    sys.stdout.write(f"==== {_sentence(sum(counts, Counter()))} in {took:.0f} s ====\n")
    return exit_status(statuses)


class _Run:
    """A pytest of some tiers on one database. What it says is shown at once, or in the end."""

    def __init__(
        self,
        database: str,
        tiers: Sequence[str],
        directory: Path,
        arguments: list[str],
        *,
        is_shown: bool,
    ) -> None:
        self.name = f"{database}, {', '.join(tiers)}"
        said = directory / f"{database}-{tiers[0]}"
        self.report = said.with_suffix(".xml")
        self._said: IO[bytes] | None = None if is_shown else said.open("w+b")
        options = ["--database", database, "--tiers", ",".join(tiers)]
        options.append(f"--junit-xml={self.report}")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "pytest", *options, *arguments],
            stdin=None if is_shown else subprocess.DEVNULL,
            stdout=self._said,
            stderr=None if is_shown else subprocess.STDOUT,
        )

    def wait(self) -> int:
        status = self.process.wait()
        if self._said is not None:
            with self._said:
                self._said.seek(0)
                if status != pytest.ExitCode.NO_TESTS_COLLECTED:
                    sys.stdout.write(self._said.read().decode(errors="replace"))
        return status


def exit_status(statuses: list[int]) -> int:
    """The worst; that one of the runs had none of the chosen tests is not a failure."""
    ran = [status for status in statuses if status != pytest.ExitCode.NO_TESTS_COLLECTED]
    return max(ran, key=abs) if ran else pytest.ExitCode.NO_TESTS_COLLECTED


def _interrupt_all(runs: list[_Run]) -> None:
    """When somebody wants it all to end: let each clean up, and say what it found."""

    def interrupt(number: int, _: FrameType | None) -> None:
        if number == signal.SIGTERM:
            # As Ctrl-C does, which the terminal sends to the children as well.
            for run in runs:
                run.process.send_signal(signal.SIGINT)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, interrupt)


def _count(report: Path) -> Counter[str]:
    if not report.exists():
        return Counter()
    suite = ET.parse(report).getroot()[0]
    number = {name: int(suite.get(name, 0)) for name in ("tests", "failures", "errors", "skipped")}
    bad = number["failures"] + number["errors"] + number["skipped"]
    return Counter(
        passed=number["tests"] - bad,
        failed=number["failures"],
        errors=number["errors"],
        skipped=number["skipped"],
    )


def _sentence(count: Counter[str]) -> str:
    kinds = ("failed", "passed", "skipped", "errors")
    return ", ".join(f"{count[kind]} {kind}" for kind in kinds if count[kind]) or "no tests"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
