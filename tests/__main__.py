"""Runs the tests on every database: `python -m tests [arguments of pytest]`.

First everything on SQLite, then what uses the database on PostgreSQL. Each is a pytest of
its own, because a Django process has one database for life. The last line counts both,
and the exit status is 0 when both passed.
"""

from __future__ import annotations

import signal
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

from tests.services.environment import DATABASES

if TYPE_CHECKING:
    from types import FrameType


def main(arguments: list[str]) -> int:
    statuses: dict[str, int] = {}
    counts: dict[str, Counter[str]] = {}
    with tempfile.TemporaryDirectory() as directory:
        for database in DATABASES:
            report = Path(directory) / f"{database}.xml"
            options = ["--database", database, f"--junit-xml={report}"]
            statuses[database], interrupted = _pytest(*options, *arguments)
            counts[database] = _count(report)
            if interrupted:
                break
    for database, count in counts.items():
        sys.stdout.write(f"{database + ':':10} {_sentence(count)}\n")
    sys.stdout.write(f"==== {_sentence(sum(counts.values(), Counter()))} ====\n")
    return exit_status(list(statuses.values()))


def exit_status(statuses: list[int]) -> int:
    """The worst; that one database had none of the chosen tests is not a failure."""
    ran = [status for status in statuses if status != pytest.ExitCode.NO_TESTS_COLLECTED]
    return max(ran, key=abs) if ran else pytest.ExitCode.NO_TESTS_COLLECTED


def _pytest(*arguments: str) -> tuple[int, bool]:
    """Its exit status, and whether somebody wants it all to end."""
    child = subprocess.Popen([sys.executable, "-m", "pytest", *arguments])
    interrupted = False

    def interrupt(number: int, _: FrameType | None) -> None:
        nonlocal interrupted
        interrupted = True
        if number == signal.SIGTERM:
            # As Ctrl-C does, which the terminal sends to the child as well: it cleans up.
            child.send_signal(signal.SIGINT)

    before = {
        number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)
    }
    status = child.wait()
    for number, handler in before.items():
        signal.signal(number, handler)
    return status, interrupted or status == pytest.ExitCode.INTERRUPTED


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
        milliseconds=int(float(suite.get("time", 0)) * 1000),
    )


def _sentence(count: Counter[str]) -> str:
    kinds = ("failed", "passed", "skipped", "errors")
    numbers = ", ".join(f"{count[kind]} {kind}" for kind in kinds if count[kind]) or "no tests"
    return f"{numbers} in {count['milliseconds'] / 1000:.2f}s"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
