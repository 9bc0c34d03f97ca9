"""`make bench`: run all ways to export several times, and print the medians as tables.

    make bench                                      PostgreSQL and SQLite, a million flights
    make bench ARGS="--database postgres --rounds 5 --rows 2000000"
    make bench ARGS=memory                          memory of a worker for few and many rows
    make bench ARGS=scale                           a hundred workers, a thousand parts
    make bench ARGS=streams                         thousands of clients of streams
    make bench ARGS=page                            fifty moving bars in a browser
    make bench ARGS=attacks                         ordinary users and one attacker

Each has --help. They use a new PostgreSQL server, or that of BENCH_DATABASE_URL.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys

from benchmarks import hostile, memory, page, scale, streams, ways
from benchmarks.environment import DATABASES, POSTGRES, SQLITE, isolated

OTHERS = {
    "attacks": hostile.main,
    "memory": memory.main,
    "page": page.main,
    "scale": scale.main,
    "streams": streams.main,
}


def main() -> None:
    # Without this handler, SIGTERM would leave Valkey running.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    if (other := OTHERS.get(sys.argv[1] if sys.argv[1:] else "")) is not None:
        other(sys.argv[2:])
        return
    parser = argparse.ArgumentParser(
        prog="make bench",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rows", type=int, default=1_000_000, help="flights to export")
    parser.add_argument("--database", choices=DATABASES, help="only this database")
    arguments = parser.parse_args()
    for database in _chosen(arguments.database):
        with isolated(database) as environment:
            print(ways.measure(environment, rows=arguments.rows, rounds=arguments.rounds))


def _chosen(database: str | None) -> tuple[str, ...]:
    if database:
        return (database,)
    url = os.environ.get("BENCH_DATABASE_URL")
    if url:
        return (SQLITE if url.startswith("sqlite") else POSTGRES,)
    return (POSTGRES, SQLITE)


if __name__ == "__main__":
    main()
