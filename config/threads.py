"""Return database connections from all threads that Django uses under ASGI.

When a request has finished, Django closes the connections of the request's own thread. This misses
three cases, in which a pool would get a connection back too late or never:

- The default executor of asyncio, where Django renders error pages and logs refusals.
- A request whose stream fails, or that the server cancels. Django sends no `request_finished`.
- A streamed response. Its request would keep a connection until the last byte.

A request has a thread only while it needs one (`RequestThread`), so a waiting long poll or stream
has none. tests/unit/test_threads.py lists all other threads of this project.
"""

from __future__ import annotations

import asyncio
from collections import deque
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from functools import partial
from threading import Condition, Thread
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from asgiref.sync import ThreadSensitiveContext, sync_to_async
from django.db import close_old_connections, connections
from django.utils.deprecation import MiddlewareMixin

from notifications.delivery.db_threads import closes_connections

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from django.http import HttpRequest
    from django.http.response import HttpResponseBase

P = ParamSpec("P")
T = TypeVar("T")

# A thread ends after this many seconds without a call. Most requests are shorter.
IDLE_SECONDS = 0.5


class CleanExecutor(ThreadPoolExecutor):
    """A pool of threads that keep no database connection between two calls."""

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        return super().submit(closes_connections(fn), *args, **kwargs)


class RequestThread(Executor):
    """Runs the synchronous code of one request, one call at a time, in one thread.

    The thread starts with the first call and ends when no call has come for IDLE_SECONDS; the
    next call starts another. Each thread closes its connections at its end.
    """

    def __init__(self) -> None:
        self._calls: deque[tuple[Future[Any], Callable[[], Any]]] = deque()
        self._changed = Condition()
        self._is_over = False
        self.is_running = False

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        future: Future[T] = Future()
        with self._changed:
            self._calls.append((future, partial(fn, *args, **kwargs)))
            if self.is_running:
                self._changed.notify()
            else:
                # If no thread can be started, the call is dropped and the caller gets the error.
                try:
                    Thread(target=closes_connections(self._run), name="request").start()
                except RuntimeError:
                    self._calls.pop()
                    raise
                self.is_running = True
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002 - Executor's signature
        """Let the thread end after its last call. This method does not wait for that."""
        with self._changed:
            self._is_over = True
            self._changed.notify()

    def _run(self) -> None:
        while self._run_next():
            pass

    def _run_next(self) -> bool:
        """Run the next call. Return False if there is none, so that the thread ends."""
        if (taken := self._take()) is None:
            return False
        future, call = taken
        if future.set_running_or_notify_cancel():
            try:
                future.set_result(call())
            except BaseException as error:  # noqa: BLE001 - the caller gets it
                future.set_exception(error)
        return True

    def _take(self) -> tuple[Future[Any], Callable[[], Any]] | None:
        with self._changed:
            if not self._calls and not self._is_over:
                self._changed.wait(IDLE_SECONDS)
            if self._calls:
                return self._calls.popleft()
            self.is_running = False
            return None


class CleanThreads:
    """ASGI middleware that lets no thread of `application` keep a database connection."""

    def __init__(self, application: Callable[..., Awaitable[None]]) -> None:
        self._application = application
        self._loop: asyncio.AbstractEventLoop | None = None
        self._requests: set[asyncio.Task[None]] = set()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self._clean_default_executor()
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return
        # Daphne cancels a request ten seconds after its client has left, and again each second. A
        # thread cannot be cancelled, and its connection can only be closed when it returns. So the
        # request is shielded: Django itself notices that the client has left, and finishes the
        # request when its thread returns.
        request = asyncio.create_task(self._finish(scope, receive, send))
        self._requests.add(request)
        request.add_done_callback(self._requests.discard)
        await asyncio.shield(request)

    def _clean_default_executor(self) -> None:
        """Replace the default executor of the event loop, which is known only during a request."""
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            self._loop = loop
            loop.set_default_executor(CleanExecutor(thread_name_prefix="asyncio"))

    async def _finish(self, scope: Any, receive: Any, send: Any) -> None:
        thread = RequestThread()
        # Django opens such a context, too. Inside this one, it has no effect.
        async with ThreadSensitiveContext(executor=thread):
            try:
                await self._application(scope, receive, send)
            finally:
                if thread.is_running:
                    await sync_to_async(connections.close_all)()
                thread.shutdown()


class ReleaseBeforeStreaming(MiddlewareMixin):
    """Return the request's connection before a stream begins.

    It must be the first in MIDDLEWARE, so that no other middleware takes a new connection.
    """

    def process_response(
        self,
        request: HttpRequest,  # noqa: ARG002 - Django's signature
        response: HttpResponseBase,
    ) -> HttpResponseBase:
        if response.streaming:
            close_old_connections()
        return response
