"""Run all ways to export the same flights, and compare them."""

from __future__ import annotations

import json
import os
import platform
import statistics
import subprocess
import sys
from typing import TYPE_CHECKING

from benchmarks.export import BASE, LIMIT, POSTGRES, SQLITE, WAYS
from benchmarks.output import say
from exports.formats import WRITERS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from benchmarks.export import Way

Result = dict[str, float]  # the rows, seconds, mebibytes and processor seconds of one run

HEADER = "| way | rows | rows/s | of {limit} | of the loop | CPU µs per row | peak MiB |"
HEADER_RULE = "|---|---:|---:|---:|---:|---:|---:|"


def measure(environment: Mapping[str, str], *, rows: int, rounds: int) -> str:
    """Run each way `rounds` times on the database of `environment`. Return a Markdown table."""
    vendor = SQLITE if environment["DATABASE_URL"].startswith("sqlite") else POSTGRES
    fill(environment, rows)
    chosen = available(vendor, environment)
    results: dict[str, list[Result]] = {way.name: [] for way in chosen}
    for number in range(rounds):
        for way in chosen:  # Ways alternate, so that a busy machine affects all of them.
            say(f"round {number + 1} of {rounds}: {way.name}")
            results[way.name].append(run(way, rows, environment))
    return f"\n{title(vendor, rows, rounds)}\n\n{table(results, chosen, rows)}"


def available(vendor: str, environment: Mapping[str, str]) -> list[Way]:
    """Return the ways that this database and machine support."""
    return [
        way
        for way in WAYS
        if vendor in way.databases
        and way.format in WRITERS
        and (not way.needs_psql or environment.get("PSQL"))
    ]


def fill(environment: Mapping[str, str], rows: int) -> None:
    """Make sure that the database has at least `rows` flights."""
    python = sys.executable
    for command in (
        [python, "manage.py", "migrate", "--verbosity", "0"],
        [python, "manage.py", "load_demo", "--flights", str(rows)],
        [python, "-m", "benchmarks.flights", str(rows)],
    ):
        # Standard output is only for the table.
        subprocess.run(command, env=environment, check=True, stdout=sys.stderr)


def run(way: Way, rows: int, environment: Mapping[str, str]) -> Result:
    count = str(share(way, rows))
    command = [sys.executable, "-m", "benchmarks.export", way.name, count]
    done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE)
    result: Result = json.loads(done.stdout)
    return result


def share(way: Way, rows: int) -> int:
    """Return how many of `rows` this way writes."""
    return max(rows // way.share, 1)


def title(vendor: str, rows: int, rounds: int) -> str:
    named = {POSTGRES: "PostgreSQL", SQLITE: "SQLite"}[vendor]
    return (
        f"{named}, {rows:,} flights, medians of {rounds}. Python {platform.python_version()}, "
        f"{os.cpu_count()} processors."
    )


def table(results: Mapping[str, list[Result]], ways: Sequence[Way], rows: int) -> str:
    """Return medians as Markdown. Ratios compare rows per second, so slow ways may write fewer."""
    wrong = {
        way.name: counts
        for way in ways
        if (counts := {each["rows"] for each in results[way.name]}) != {share(way, rows)}
    }
    if wrong:
        raise SystemExit(f"Not all rows were written, so nothing is compared: {wrong}")
    speed = {
        way.name: statistics.median(each["rows"] / each["seconds"] for each in results[way.name])
        for way in ways
    }
    limit = next((name for name in LIMIT.values() if name in speed), BASE)
    lines = [HEADER.format(limit=limit), HEADER_RULE]
    for way in ways:
        each = results[way.name]
        processor = statistics.median(one["processor"] / one["rows"] for one in each)
        cells = (
            way.name,
            f"{share(way, rows):,}",
            f"{speed[way.name]:,.0f}",
            f"{speed[way.name] / speed[limit]:.2f}",
            f"{speed[way.name] / speed[BASE]:.2f}",
            f"{processor * 1_000_000:.1f}",
            f"{statistics.median(one['mebibytes'] for one in each):.0f}".replace("nan", ""),
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)
