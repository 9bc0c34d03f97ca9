"""How many file descriptors are left, and how the limit is raised."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from contextlib import ExitStack

import pytest

from notifications.delivery import descriptors
from tests.services.processes import ROOT

RAISED = """
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, (100, 300))
from notifications.delivery import descriptors
descriptors.raise_limit()
print(*resource.getrlimit(resource.RLIMIT_NOFILE))
"""
EXHAUSTED = """
import os, resource
resource.setrlimit(resource.RLIMIT_NOFILE, (40, 40))
from notifications.delivery import descriptors
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


def test_exhausted_process_has_no_descriptor_left() -> None:
    assert output_of(EXHAUSTED).split() == ["True", "32", "0"]


def test_open_files_reduce_the_descriptors_left() -> None:
    before = descriptors.left()
    with ExitStack() as stack:
        for _ in range(10):
            opened = os.dup(0)
            stack.callback(os.close, opened)

        assert descriptors.left() <= before - 10


def test_counting_descriptors_costs_none() -> None:
    assert len({descriptors.left() for _ in range(5)}) == 1


@pytest.mark.parametrize(
    ("limits", "wanted"),
    [
        ((100, 300), 300),
        ((100, 1_000_000), 65_536),
        ((100, resource.RLIM_INFINITY), 65_536),
        ((300, 300), None),
        ((100_000, 1_000_000), None),  # It is never lowered.
        ((resource.RLIM_INFINITY, resource.RLIM_INFINITY), None),
    ],
)
def test_limit_is_raised_as_far_as_useful(monkeypatch, limits, wanted) -> None:
    raised = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: limits)
    monkeypatch.setattr(resource, "setrlimit", lambda _, made: raised.append(made))

    descriptors.raise_limit()

    assert raised == ([] if wanted is None else [(wanted, limits[1])])


def test_unlimited_descriptors_get_a_limit(monkeypatch) -> None:
    unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    monkeypatch.setattr(resource, "getrlimit", lambda _: unlimited)

    assert descriptors.limit() == 65_536


def test_reserve_is_a_quarter_of_a_high_limit(monkeypatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (8192, 8192))

    assert descriptors.reserve() == 2048
