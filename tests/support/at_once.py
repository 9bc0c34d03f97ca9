"""Several threads that do the same at the same moment, each with a connection of its own."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, TypeVar

from django.db import connection

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


def at_once(number: int, function: Callable[[], T]) -> list[T | Exception]:
    """Call `function` in so many threads; what it returned, and what it raised."""
    barrier = threading.Barrier(number)
    outcomes: list[T | Exception] = []

    def call() -> None:
        barrier.wait()
        try:
            outcomes.append(function())
        except Exception as error:  # noqa: BLE001 - shown by the test
            outcomes.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=call) for _ in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes
