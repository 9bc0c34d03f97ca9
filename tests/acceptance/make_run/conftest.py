"""Runs of `make run`: one that all tests of this folder share, and runs that are stopped."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.make_run import RUN, Terminal, copy_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture(scope="package")
def lasting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Terminal]:
    """The first run on an empty directory. It goes on, so leave it well."""
    terminal = Terminal(RUN, tmp_path_factory.mktemp("lasting") / "var")
    try:
        terminal.wait_until_ready()
        yield terminal
    finally:
        terminal.close()


@pytest.fixture(scope="package")
def var_dir(lasting: Terminal, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory like that of the lasting run, for runs that are stopped."""
    return copy_of(lasting.var_dir, tmp_path_factory.mktemp("copy") / "var")


@pytest.fixture
def start(var_dir: Path) -> Iterator[Callable[..., Terminal]]:
    """Run a command on the copied data, in a terminal of its own, beside the lasting run."""
    started: list[Terminal] = []

    def start_one(command: list[str] = RUN, **env: str) -> Terminal:
        started.append(Terminal(command, var_dir, **env))
        return started[-1]

    yield start_one
    for terminal in started:
        terminal.close()


@pytest.fixture
def terminal(start: Callable[..., Terminal]) -> Terminal:
    """A run on the copied data that is ready."""
    running = start()
    running.wait_until_ready()
    return running
