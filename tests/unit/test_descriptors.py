"""How many file descriptors are left, and how the limit is raised."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from contextlib import ExitStack

from notifications import descriptors
from tests.services.processes import ROOT

RAISED = """
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, (100, 300))
from notifications import descriptors
descriptors.raise_limit()
print(*resource.getrlimit(resource.RLIMIT_NOFILE))
"""
EXHAUSTED = """
import os, resource
resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))
from notifications import descriptors
print(descriptors.left() > 20, descriptors.reserve())
try:
    while True:
        os.dup(0)
except OSError:
    print(descriptors.left())
"""


def output_of(script: str) -> str:
    command = [sys.executable, "-c", script]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout


def test_limit_is_raised_to_the_highest_allowed() -> None:
    assert output_of(RAISED).split() == ["300", "300"]


def test_nothing_is_left_at_the_limit() -> None:
    assert output_of(EXHAUSTED).split() == ["True", "32", "0"]


def test_open_files_are_not_left() -> None:
    before = descriptors.left()
    with ExitStack() as stack:
        for _ in range(10):
            opened = os.dup(0)
            stack.callback(os.close, opened)

        assert descriptors.left() <= before - 10


def test_reserve_is_a_quarter_of_a_high_limit(monkeypatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (8192, 8192))

    assert descriptors.reserve() == 2048
