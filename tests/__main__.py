"""Run the tests on every database: `python -m tests [arguments of pytest]`.

All tests run on SQLite, and those that use the database also run on PostgreSQL. Each database
has several runs of pytest side by side, because a Django process keeps one database for life,
and because tests that wait leave the processor to tests that work. The first run shows its
progress; the others show their output when they end. The last line counts all tests. The exit
status is 0 if all passed.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

from tests.services.environment import DATABASES, GROUPS, TIERS, WITHOUT_DATABASE

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType
    from typing import IO

HERE = Path(__file__).parent


def main(arguments: list[str]) -> int:
    began = time.monotonic()
    runs: list[_Run] = []
    _interrupt_all(runs)
    with tempfile.TemporaryDirectory() as directory:
        for database, tiers in lanes(arguments):
            runs.append(_Run(database, tiers, Path(directory), arguments, is_shown=not runs))
        statuses = [run.wait() for run in runs]
        counts = [_count(run.report) for run in runs]
    for run, count in zip(runs, counts, strict=True):
        sys.stdout.write(f"{run.name + ':':32} {_summary(count)}\n")
    took = time.monotonic() - began
    sys.stdout.write(f"==== {_summary(sum(counts, Counter()))} in {took:.0f} s ====\n")
    return exit_status(statuses)


def lanes(arguments: Sequence[str]) -> list[tuple[str, list[str]]]:
    """Return the databases and tiers of the runs that `arguments` of pytest need.

    A run whose folders are not among the named paths would only import tests and leave them out.
    """
    needed = _tiers_in(arguments)
    found = []
    for database in DATABASES:
        for group in GROUPS:
            tiers = [
                tier
                for tier in group
                if tier in needed and (database == DATABASES[0] or tier not in WITHOUT_DATABASE)
            ]
            if tiers:
                found.append((database, tiers))
    return found


def _tiers_in(arguments: Sequence[str]) -> set[str]:
    """Return the tiers of the paths among `arguments`; all tiers if no path is below one."""
    paths = [Path(argument.partition("::")[0]).resolve() for argument in arguments]
    named = {tier for tier in TIERS for path in paths if path.is_relative_to(HERE / tier)}
    return set(TIERS) if HERE in paths or not named else named


class _Run:
    """A run of pytest: some tiers on one database. Its output is shown at once or at its end."""

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
        path = directory / f"{database}-{tiers[0]}"
        self.report = path.with_suffix(".xml")
        self._output: IO[bytes] | None = None if is_shown else path.open("w+b")
        options = ["--database", database, "--tiers", ",".join(tiers)]
        options.append(f"--junit-xml={self.report}")
        # Every program that a test starts would compile our modules again.
        env = {name: os.environ[name] for name in os.environ if name != "PYTHONDONTWRITEBYTECODE"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "pytest", *options, *arguments],
            env=env,
            stdin=None if is_shown else subprocess.DEVNULL,
            stdout=self._output,
            stderr=None if is_shown else subprocess.STDOUT,
        )

    def wait(self) -> int:
        """Wait for the end, show the output and return the exit status."""
        status = self.process.wait()
        if self._output is not None:
            with self._output:
                self._output.seek(0)
                if status != pytest.ExitCode.NO_TESTS_COLLECTED:
                    sys.stdout.write(self._output.read().decode(errors="replace"))
        return status


def exit_status(statuses: list[int]) -> int:
    """Return the worst status. A run without any of the chosen tests is not a failure."""
    ran = [status for status in statuses if status != pytest.ExitCode.NO_TESTS_COLLECTED]
    return max(ran, key=abs) if ran else pytest.ExitCode.NO_TESTS_COLLECTED


def _interrupt_all(runs: list[_Run]) -> None:
    """On SIGINT or SIGTERM, let each run clean up and show what it found."""

    def interrupt(number: int, _: FrameType | None) -> None:
        if number == signal.SIGTERM:
            # At Ctrl-C the terminal itself interrupts the runs.
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


def _summary(count: Counter[str]) -> str:
    kinds = ("failed", "passed", "skipped", "errors")
    return ", ".join(f"{count[kind]} {kind}" for kind in kinds if count[kind]) or "no tests"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
