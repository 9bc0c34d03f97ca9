"""What holds an event loop is seen in any event loop. Daphne's: tests/integration."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from functools import partial
from typing import TYPE_CHECKING

import pytest

from notifications.delivery import watchdog
from notifications.delivery.watchdog import Watchdog, WatchEventLoop
from tests.support.streaming import eventually
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

LONG = 4 * watchdog.LIMIT


def watched(hold: Callable[[], object], times: int = 1) -> Watchdog:
    """Call `hold` in an event loop, so often, and let the loop come round after each."""

    async def main() -> Watchdog:
        dog = Watchdog()
        dog.start()
        await eventually(lambda: dog._waiting_since and dog._called_at, "the first sign of life")
        for _ in range(times):
            before = dog.blocks.count
            hold()
            await eventually(partial(has_more, dog, before), "it is counted")
        return dog

    dog = asyncio.run(main())
    dog._thread.join(10)
    return dog


def has_more(dog: Watchdog, before: int) -> bool:
    return dog.blocks.count > before


def sleep() -> None:
    time.sleep(LONG)


@pytest.mark.parametrize("times", [1, 3])
def test_block_is_logged_once_with_its_place(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, times: int
) -> None:
    monkeypatch.setattr(watchdog, "LOG_GAP", 0.0)

    dog = watched(sleep, times)

    (record,) = [each for each in caplog.records if each.name == watchdog.__name__]
    assert record.levelno == logging.WARNING
    assert f"{__file__}:{sleep.__code__.co_firstlineno + 1}" in record.getMessage()
    assert record.stack_info
    assert "in sleep\n    time.sleep(LONG)" in record.stack_info
    assert dog.blocks.count == times
    assert dog.blocks.longest >= LONG / 2
    assert dog.blocks.last_place.startswith(__file__)


def test_unending_block_is_logged(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watchdog, "LOG_AFTER", LONG)

    def until_logged() -> None:
        wait_until(lambda: "has been held" in caplog.text, what="it is logged meanwhile")

    watched(until_logged)

    assert caplog.text.count("The event loop") == 1


def test_logging_of_blocks_is_throttled(caplog: pytest.LogCaptureFixture) -> None:
    """However many lines of code an attacker can make slow, they fill no disk."""

    async def main() -> None:
        dog = Watchdog()
        for number in range(100):
            dog._record(watchdog.Sample(f"place {number}", watchdog.traceback.StackSummary()), 1, 1)

    asyncio.run(main())

    assert caplog.text.count("The event loop") == 1


def test_call_that_blocks_all_threads_is_seen_by_a_late_watchdog() -> None:
    """When it gets to look, the call has only just returned, and no sign of life was missed."""

    async def main() -> Watchdog:
        dog = Watchdog()
        for cpu_since in (0.0, LONG):
            late = {"late": LONG, "cpu_since": cpu_since}
            thread = threading.Thread(target=dog._tick, args=(LONG, LONG), kwargs=late)
            thread.start()
            thread.join()  # The loop is still in the function that has made the call.
            dog._called_at = LONG
        return dog

    blocks = asyncio.run(main()).blocks

    assert (blocks.count, blocks.longest) == (1, LONG)
    assert blocks.last_place.startswith(__file__)


def test_loop_waiting_for_a_cpu_is_not_blocking() -> None:
    async def main() -> Watchdog:
        return Watchdog()

    dog = asyncio.run(main())
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    assert thread.ident is not None
    dog._loop_thread = thread.ident
    try:
        wait_until(loop.is_running)
        assert wait_until(lambda: dog._take_sample(is_busy=False) is None, what="the loop is idle")
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def test_watchdog_ends_with_its_loop() -> None:
    async def application(*_: object) -> None:
        """It does nothing."""

    async def main() -> Watchdog:
        served = WatchEventLoop(application)
        await served({}, None, None)
        await served({}, None, None)
        (dog,) = watchdog.watchdogs()
        return dog

    dog = asyncio.run(main())

    dog._thread.join(10)
    assert not dog._thread.is_alive()
    assert watchdog.watchdogs() == []
