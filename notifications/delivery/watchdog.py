"""Log code that blocks the event loop of a web process, with its stack.

Blocking code delays every socket and every request of the process. A thread schedules a callback
on the loop twenty times a second. If the loop has not called it after LIMIT, the thread logs the
stack of the loop's thread and counts the block. The admin's health page shows the count. The thread
detects every block of 200 ms, and most blocks of more than 100 ms. It uses less than half a percent
of one processor.

A pause of the whole process is no block: the machine was suspended, or other processes used all
processors. In that case the process has used less CPU time than LIMIT, and the thread itself is
late or the loop is idle. If code holds the loop but uses little CPU time, either the code waits or
the process gets no processor. The log line has both times, so that the reader can decide.
"""

from __future__ import annotations

import asyncio
import logging
import selectors
import sys
import sysconfig
import threading
import time
import traceback
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from types import FrameType

logger = logging.getLogger(__name__)

LIMIT = 0.1  # Seconds that the loop may take to call a callback.
TICK = 0.05  # Seconds between two callbacks.
LOG_AFTER = 1.0  # Seconds after which a block is logged although it has not ended.
# Seconds between two log lines about the same place, and between any two log lines. They keep an
# attacker who causes blocks from filling the disk.
LOG_SECONDS = 10.0
LOG_GAP = 1.0
MAX_LAST = 100  # The number of last blocks whose times are kept for the health page.

STDLIB = sysconfig.get_path("stdlib")
PACKAGES = ("site-packages", "dist-packages")


@dataclass(frozen=True)
class Sample:
    """The stack of the loop's thread during a block."""

    place: str
    stack: traceback.StackSummary


@dataclass
class Blocks:
    """The blocks since the process began."""

    count: int = 0
    longest: float = 0.0  # Seconds.
    seconds: float = 0.0  # The sum of all blocks.
    last_place: str = ""
    # When each of the last blocks ended (monotonic time), and how many seconds it took.
    last: deque[tuple[float, float]] = field(default_factory=lambda: deque(maxlen=MAX_LAST))


class Watchdog:
    """Watches the running event loop until the loop is closed or `stop` is called."""

    def __init__(self) -> None:
        self.blocks = Blocks()
        self._loop = asyncio.get_running_loop()
        self._loop_thread = threading.get_ident()
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watchdog", daemon=True)
        # When the last callback was scheduled, plus pauses of the whole process; the CPU time at
        # that moment; and when the loop called it (None: not yet).
        self._waiting_since = self._cpu_before = 0.0
        self._called_at: float | None = 0.0
        self._sample: Sample | None = None  # The stack of the current block, if there is one.
        self._is_logged = False  # Whether the current block has been logged.
        self._logged: dict[str, float] = {}  # The time of the last log line of each place.
        self._last_log = -LOG_GAP
        self._unlogged = 0

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._is_over.set()
        self._thread.join()

    def _run(self) -> None:
        ticked, cpu_ticked = time.monotonic(), time.process_time()
        while not self._is_over.wait(TICK) and not self._loop.is_closed():
            now, cpu = time.monotonic(), time.process_time()
            self._tick(now, cpu, late=now - ticked - TICK, cpu_since=cpu - cpu_ticked)
            ticked, cpu_ticked = time.monotonic(), time.process_time()
        _watchdogs.pop(self._loop, None)

    def _tick(self, now: float, cpu: float, *, late: float, cpu_since: float) -> None:
        """Check the loop and schedule the next callback. `late` is the delay of this thread."""
        is_late = late >= LIMIT
        is_busy = cpu_since >= LIMIT
        if self._called_at is None:
            if is_late and not is_busy:
                self._waiting_since += late  # The whole process stood still.
            self._check_block(now - self._waiting_since, cpu - self._cpu_before)
            return
        if self._sample:
            self._record(
                self._sample, self._called_at - self._waiting_since, cpu - self._cpu_before
            )
        elif is_late and is_busy and (sample := self._take_sample(is_busy=True)):
            # A call into C held the interpreter's lock, so this thread could not run during the
            # block.
            self._record(sample, late, cpu_since)
        self._sample, self._is_logged = None, False
        self._waiting_since, self._cpu_before, self._called_at = now, cpu, None
        with suppress(RuntimeError):  # The loop may have been closed meanwhile.
            self._loop.call_soon_threadsafe(self._callback)

    def _check_block(self, seconds: float, cpu: float) -> None:
        """Check a loop that has not called back for `seconds`, of which `cpu` are CPU time."""
        if self._sample is None and seconds >= LIMIT:
            self._sample = self._take_sample(is_busy=cpu >= LIMIT)
            if self._sample is None:
                self._waiting_since += seconds
                self._cpu_before += cpu
        elif self._sample and seconds >= LOG_AFTER and not self._is_logged:
            self._log(self._sample, f"has been held for {seconds:.1f} s", cpu)

    def _callback(self) -> None:
        """Note the time. The loop calls this when no code blocks it."""
        self._called_at = time.monotonic()

    def _take_sample(self, *, is_busy: bool) -> Sample | None:
        """Return the stack of the code that holds the loop, or None if no code holds it."""
        frames = sys._current_frames()
        running = list(_inside_loop(frames.get(self._loop_thread)))
        if not running and is_busy:
            # The loop waits for the interpreter's lock, which a call into C may hold.
            running = self._running_elsewhere(frames)
        if not running:
            return None
        own = [frame for frame in running if not _is_stdlib(frame)]
        place = (own or running)[0]
        return Sample(
            f"{place.f_code.co_filename}:{place.f_lineno}",
            traceback.StackSummary.extract(
                ((frame, frame.f_lineno) for frame in reversed(running)), lookup_lines=False
            ),
        )

    def _running_elsewhere(self, frames: dict[int, FrameType]) -> list[FrameType]:
        """Return the stack of another thread that runs our code or a library's."""
        for thread, frame in frames.items():
            if thread not in {self._loop_thread, threading.get_ident()} and not _is_stdlib(frame):
                return list(_outwards(frame))
        return []

    def _record(self, sample: Sample, seconds: float, cpu: float) -> None:
        blocks = self.blocks
        blocks.count += 1
        blocks.longest = max(blocks.longest, seconds)
        blocks.seconds += seconds
        blocks.last_place = sample.place
        blocks.last.append((time.monotonic(), seconds))
        if not self._is_logged:
            self._log(sample, f"was held for {seconds:.2f} s", cpu)

    def _log(self, sample: Sample, what: str, cpu: float) -> None:
        self._is_logged = True
        now = time.monotonic()
        self._logged = {place: at for place, at in self._logged.items() if now - at < LOG_SECONDS}
        if sample.place in self._logged or now - self._last_log < LOG_GAP:
            self._unlogged += 1
            return
        self._logged[sample.place] = self._last_log = now
        more = f" Blocks that were not logged since the last line: {self._unlogged}."
        if logger.isEnabledFor(logging.WARNING):
            message = (
                "The event loop %s at %s. In that time the process used %.2f s of CPU time and"
                " waited otherwise.%s"
            )
            args = (what, sample.place, cpu, more if self._unlogged else "")
            # A record of our own, because `stack_info=True` would log the stack of this thread, and
            # the formatter would escape the line breaks of a stack in the message.
            stack = "".join(sample.stack.format()).rstrip()
            logger.handle(
                logger.makeRecord(
                    logger.name, logging.WARNING, __file__, 0, message, args, None, sinfo=stack
                )
            )
        self._unlogged = 0


def _outwards(frame: FrameType | None) -> Iterator[FrameType]:
    while frame is not None:
        yield frame
        frame = frame.f_back


def _inside_loop(innermost: FrameType | None) -> Iterator[FrameType]:
    """Yield the frames of code that the loop runs, innermost first; none while the loop is idle."""
    for frame in _outwards(innermost):
        name, file = frame.f_code.co_name, frame.f_code.co_filename
        if name == "_run_once" and file == asyncio.base_events.__file__:
            return
        if file != selectors.__file__:
            yield frame


def _is_stdlib(frame: FrameType) -> bool:
    file = frame.f_code.co_filename
    is_below = file.startswith((STDLIB, "<frozen"))
    return is_below and not any(packages in file for packages in PACKAGES)


class WatchEventLoop:
    """ASGI middleware that starts a watchdog for the loop at the first request."""

    def __init__(self, application: Callable[..., Awaitable[None]]) -> None:
        self._application = application

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        loop = asyncio.get_running_loop()
        if loop not in _watchdogs:
            _watchdogs[loop] = Watchdog()
            _watchdogs[loop].start()
        await self._application(scope, receive, send)


_watchdogs: dict[asyncio.AbstractEventLoop, Watchdog] = {}


def watchdogs() -> list[Watchdog]:
    """Return the watchdogs of this process, one for each event loop. Thread-safe."""
    return list(_watchdogs.values())
