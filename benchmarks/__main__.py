"""`make bench`: every way of exporting in turn, three rounds, and the medians as a table.

`make bench ARGS=streams` measures streams instead.
"""

from __future__ import annotations

import argparse
import json
import signal
import statistics
import subprocess
import sys

from benchmarks import streams
from benchmarks.export import BASE, WAYS
from benchmarks.surroundings import surroundings


def main() -> None:
    if sys.argv[1:2] == ["streams"]:
        streams.main(sys.argv[2:])
        return
    parser = argparse.ArgumentParser(
        prog="make bench",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--flights", help="measure with only the first so many")
    arguments = parser.parse_args()
    # So that Valkey is stopped then, too.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    with surroundings() as environment:
        load = ["load_demo", *(["--flights", arguments.flights] if arguments.flights else [])]
        for command in (["migrate", "--verbosity", "0"], load):
            # Standard output is for the table.
            subprocess.run(
                [sys.executable, "manage.py", *command],
                env=environment,
                check=True,
                stdout=sys.stderr,
            )
        results: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
        for number in range(arguments.rounds):
            for way in WAYS:  # In turn, so that a busy moment of the machine hits all alike.
                results[way].append(measure(way, environment))
                print(f"round {number + 1} of {arguments.rounds}: {way}", file=sys.stderr)
    print(table(results))


def measure(way: str, environment: dict[str, str]) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.export", way]
    done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE)
    return json.loads(done.stdout)


def table(results: dict[str, list[dict[str, float]]]) -> str:
    """Medians, in Markdown. The ratio is of rows a second, to the loop everybody writes."""
    rows = {way: sorted({each["rows"] for each in rounds}) for way, rounds in results.items()}
    if any(counts != rows[BASE] or len(counts) != 1 for counts in rows.values()):
        raise SystemExit(f"They did not write the same rows, so nothing is compared: {rows}")
    speed = {
        way: statistics.median(each["rows"] / each["seconds"] for each in rounds)
        for way, rounds in results.items()
    }
    memory = {
        way: statistics.median(each["mebibytes"] for each in rounds)
        for way, rounds in results.items()
    }
    lines = ["| way | rows/s | ratio | peak MiB |", "|---|---:|---:|---:|"]
    lines += [
        f"| {way} | {speed[way]:,.0f} | {speed[way] / speed[BASE]:.2f} | {memory[way]:.0f} |"
        for way in results
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
