"""Run functions in several threads at the same moment, each with its own connection."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, TypeVar

from django.db import connection, connections

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")
TIMEOUT = 120  # seconds


def at_once(number: int, function: Callable[[], T]) -> list[T | Exception]:
    """Call `function` in so many threads. Return its results and its exceptions."""
    barrier = threading.Barrier(number)
    outcomes: list[T | Exception] = []

    def call() -> None:
        try:
            connection.ensure_connection()
            barrier.wait(TIMEOUT)
            outcomes.append(function())
        except Exception as error:  # noqa: BLE001 - shown by the test
            outcomes.append(error)
        finally:
            connections.close_all()

    _run([threading.Thread(target=call) for _ in range(number)])
    return outcomes


def all_at_once(*functions: Callable[[], object]) -> None:
    """Call each of `functions` in a thread. None of them may raise."""
    barrier = threading.Barrier(len(functions))
    problems: list[BaseException] = []

    def call(function: Callable[[], object]) -> None:
        try:
            connection.ensure_connection()
            barrier.wait(TIMEOUT)
            function()
        except BaseException as error:  # noqa: BLE001 - shown by the assertion
            problems.append(error)
        finally:
            connections.close_all()

    _run([threading.Thread(target=call, args=[function]) for function in functions])
    assert problems == [], repr(problems)


def _run(threads: list[threading.Thread]) -> None:
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(TIMEOUT)
