"""The output of benchmarks: progress on standard error, and cells of tables."""

from __future__ import annotations

import sys


def say(text: str) -> None:
    """Report progress. Standard output is only for the tables."""
    print(text, file=sys.stderr, flush=True)


def ms(seconds: float) -> str:
    return f"{seconds * 1000:,.1f} ms"
