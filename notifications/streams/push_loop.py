"""The event loop in which this process pushes: one thread, and one connection to each Redis host.

The channel layer has its own connections for each event loop. `async_to_sync` would create a new
loop, and with it a new thread and a new connection, for every push.
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
    """Run `coroutine` in the loop, wait for its end and raise its exception, if any.

    The coroutine must have a timeout of its own.
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
    """Reset a forked process: it has no threads, and the lock may have been held at the fork."""
    global _loop, _lock
    _loop, _lock = None, threading.Lock()


os.register_at_fork(after_in_child=_forget_parent)
