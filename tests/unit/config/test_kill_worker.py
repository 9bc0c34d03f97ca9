"""`make kill-worker` picks the worker of its own checkout, and no other process."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from config.run import CannotRunError
from config.run.kill_worker import Running, find_worker, list_processes

if TYPE_CHECKING:
    from pathlib import Path

MANAGER, WORKER, CHILD, BEAT, SHELL = 100, 110, 111, 120, 1


def running(var_dir: Path, *, manager: int = MANAGER) -> list[Running]:
    celery = "python -m celery --quiet --app config"
    return [
        Running(
            manager, SHELL, manager, f"python -m config.run.manager {var_dir}/supervisord.conf 99"
        ),
        Running(BEAT, manager, BEAT, f"{celery} beat --loglevel WARNING"),
        Running(WORKER, manager, WORKER, f"{celery} worker --queues exports"),
        Running(CHILD, WORKER, WORKER, f"{celery} worker --queues exports"),
    ]


@pytest.fixture
def var_dir(tmp_path: Path) -> Path:
    (tmp_path / "supervisord.pid").write_text(f"{MANAGER}\n")
    return tmp_path


def test_worker_is_the_managers_child(var_dir: Path) -> None:
    assert find_worker(var_dir, running(var_dir)).pid == WORKER


def test_worker_of_another_checkout_is_left_alone(var_dir: Path, tmp_path: Path) -> None:
    other = running(tmp_path / "other")

    with pytest.raises(CannotRunError, match="not running in this checkout"):
        find_worker(var_dir, other)


def test_worker_outside_of_the_manager_is_left_alone(var_dir: Path) -> None:
    manager, beat, *_ = running(var_dir)
    orphan = Running(WORKER, SHELL, WORKER, "python -m celery --app config worker")

    with pytest.raises(CannotRunError, match="at the moment"):
        find_worker(var_dir, [manager, beat, orphan])


def test_pid_file_of_a_killed_manager_kills_nothing(var_dir: Path) -> None:
    reused = [Running(MANAGER, SHELL, MANAGER, "vim"), *running(var_dir, manager=MANAGER)[1:]]

    with pytest.raises(CannotRunError, match="not running in this checkout"):
        find_worker(var_dir, reused)


def test_without_a_pid_file_nothing_is_killed(tmp_path: Path) -> None:
    with pytest.raises(CannotRunError, match="not running in this checkout"):
        find_worker(tmp_path, running(tmp_path))


def test_list_of_processes_has_this_one() -> None:
    [ours] = [each for each in list_processes() if each.pid == os.getpid()]

    assert (ours.parent, ours.group) == (os.getppid(), os.getpgrp())
    assert "python" in ours.command
