"""When the health page says that the event loop of a process is not well."""

from __future__ import annotations

import time
from collections import deque
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from exports import health
from exports.health import LONG_BLOCK, MANY_BLOCKS, RECENT_BLOCK, Unhealthy
from notifications.delivery import watchdog
from notifications.delivery.watchdog import MAX_LAST, Blocks

if TYPE_CHECKING:
    from collections.abc import Sequence

SHORT = 0.2


def blocked(
    monkeypatch: pytest.MonkeyPatch, durations: Sequence[float], ago: float = 1.0
) -> Blocks:
    """Let this process have one watchdog that has seen blocks of so many seconds."""
    at = time.monotonic() - ago
    last = deque(((at, seconds) for seconds in durations), maxlen=MAX_LAST)
    blocks = Blocks(
        count=len(durations), longest=max(durations, default=0), last_place="site.py:7", last=last
    )
    monkeypatch.setattr(watchdog, "watchdogs", lambda: [SimpleNamespace(blocks=blocks)])
    return blocks


def test_event_loop_without_blocks_is_healthy(monkeypatch: pytest.MonkeyPatch) -> None:
    blocked(monkeypatch, [])

    assert health.event_loop().startswith("never blocked for 0.1 s")


def test_few_short_blocks_are_acceptable(monkeypatch: pytest.MonkeyPatch) -> None:
    blocked(monkeypatch, [SHORT] * (MANY_BLOCKS - 1))

    assert health.event_loop() == (
        "blocked for more than 0.1 s: 9 times, 0.2 s at most, last 1 s ago at site.py:7"
    )


@pytest.mark.parametrize("durations", [[SHORT] * MANY_BLOCKS, [LONG_BLOCK, SHORT]])
def test_many_blocks_or_a_long_block_are_a_fault(
    monkeypatch: pytest.MonkeyPatch, durations: Sequence[float]
) -> None:
    blocked(monkeypatch, durations)

    with pytest.raises(Unhealthy, match=r"at most, last 1 s ago at site\.py:7"):
        health.event_loop()


def test_old_blocks_are_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    blocked(monkeypatch, [LONG_BLOCK] * MANY_BLOCKS, ago=RECENT_BLOCK + 1)

    assert "last 601 s ago" in health.event_loop()


def test_last_block_is_remembered_with_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    dog = watchdog.Watchdog.__new__(watchdog.Watchdog)
    dog.blocks = Blocks()
    monkeypatch.setattr(dog, "_log", lambda *_: None)
    dog._is_logged = False
    before = time.monotonic()

    dog._record(watchdog.Sample("site.py:7", SimpleNamespace()), 0.3, 0.1)  # type: ignore[arg-type]

    (at, seconds), *_none = dog.blocks.last
    assert before <= at <= time.monotonic()
    assert seconds == 0.3
