"""Compare the memory of exports with few and with many rows, which must be the same.

make bench ARGS=memory
make bench ARGS="memory --few 100000 --many 1000000"
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from benchmarks import ways
from benchmarks.environment import POSTGRES as DATABASE
from benchmarks.environment import isolated
from benchmarks.export import POSTGRES
from benchmarks.output import say

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ALLOWED = 10  # The allowed difference in MiB.


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(
        prog="make bench ARGS=memory",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--few", type=int, default=200_000)
    parser.add_argument("--many", type=int, default=5_000_000)
    options = parser.parse_args(arguments)
    with isolated(DATABASE) as environment:
        chosen = [
            way for way in ways.available(POSTGRES, environment) if way.name.startswith("waybill")
        ]
        peaks: dict[str, list[float]] = {way.name: [] for way in chosen}
        for rows in (options.few, options.many):
            ways.fill(environment, rows)
            for way in chosen:
                say(f"{rows:,} rows: {way.name}")
                peaks[way.name].append(ways.run(way, rows, environment)["mebibytes"])
    show(peaks, options.few, options.many)


def show(peaks: Mapping[str, Sequence[float]], few: int, many: int) -> None:
    """Print the memory for few and for many rows. Fail if it grows."""
    lines = [
        f"| peak MiB | {few:,} rows | {many:,} rows | growth (under {ALLOWED}) |",
        "|---|---:|---:|---:|",
    ]
    lines += [
        f"| {name} | {less:.0f} | {more:.0f} | {more - less:.1f} |"
        for name, (less, more) in peaks.items()
    ]
    print("\n".join(lines))
    if grown := [name for name, (less, more) in peaks.items() if more - less >= ALLOWED]:
        raise SystemExit(f"Memory grows with the rows: {', '.join(grown)}.")
