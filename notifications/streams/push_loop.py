"""The event loop in which this process pushes: one thread, and one connection to each Redis host.

The channel layer keeps its connections per event loop. `async_to_sync` would make a new loop, and
with it a new thread and a new connection, for every push.
"""

from __future__ import annotations

import asyncio
import os
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Coroutine

_lock = threading.Lock()
_loop: asyncio.AbstractEventLoop | None = None


def run(coroutine: Coroutine[Any, Any, None]) -> None:
    """Run `coroutine` in the loop and wait for its end. Its exception is raised here.

    The coroutine must limit its own time.
    """
    asyncio.run_coroutine_threadsafe(coroutine, _running_loop()).result()


def _running_loop() -> asyncio.AbstractEventLoop:
    global _loop  # noqa: PLW0603 - one loop for the process
    with _lock:
        if _loop is None:
            _loop = asyncio.new_event_loop()
            threading.Thread(target=_loop.run_forever, name="waybill-push", daemon=True).start()
        return _loop


def _forget_parent() -> None:
    """Start afresh in a forked process. Threads do not survive a fork, and a lock may be held."""
    global _loop, _lock
    _loop, _lock = None, threading.Lock()


os.register_at_fork(after_in_child=_forget_parent)
