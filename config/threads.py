"""Threads that Django leaves uncleaned under ASGI: here they give back their connections.

Django closes the connections of a request in that request's own thread, when it has finished.
That misses three things, and a pool never gets back what a thread takes with it:

- asyncio's default executor, where Django renders pages for errors and logs refusals;
- a request whose stream has failed, or that the server has given up: Django sends no
  `request_finished` then;
- a response that is streamed: its request would keep a connection until the last byte.

Every other thread of ours is listed in tests/unit/test_threads.py.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from asgiref.sync import ThreadSensitiveContext, sync_to_async
from django.db import close_old_connections, connections
from django.utils.deprecation import MiddlewareMixin

from notifications.database import closes_connections

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from django.http import HttpRequest
    from django.http.response import HttpResponseBase

P = ParamSpec("P")
T = TypeVar("T")


class CleanExecutor(ThreadPoolExecutor):
    """A pool of threads that hold no connection between two calls."""

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        return super().submit(closes_connections(fn), *args, **kwargs)


class CleanThreads:
    """ASGI middleware: no thread that `application` has used keeps a connection."""

    def __init__(self, application: Callable[..., Awaitable[None]]) -> None:
        self._application = application
        self._loop: asyncio.AbstractEventLoop | None = None
        self._requests: set[asyncio.Task[None]] = set()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self._clean_default_executor()
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return
        # Daphne cancels a request ten seconds after its client has left, and again each second.
        # A thread cannot be cancelled. Django has heard of the client itself, and finishes the
        # request as soon as its thread returns: only then can the connection be given back.
        request = asyncio.create_task(self._finish(scope, receive, send))
        self._requests.add(request)
        request.add_done_callback(self._requests.discard)
        await asyncio.shield(request)

    def _clean_default_executor(self) -> None:
        """Done by the first call, since only here the server's event loop is known."""
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            self._loop = loop
            loop.set_default_executor(CleanExecutor(thread_name_prefix="asyncio"))

    async def _finish(self, scope: Any, receive: Any, send: Any) -> None:
        # Django's own context inside of this one does nothing, so the thread is still there.
        async with ThreadSensitiveContext():
            try:
                await self._application(scope, receive, send)
            finally:
                await sync_to_async(connections.close_all)()


class ReleaseBeforeStreaming(MiddlewareMixin):
    """Give back the request's connection before a stream begins. The first in MIDDLEWARE, so
    that no other middleware takes a new one after it.
    """

    def process_response(
        self,
        request: HttpRequest,  # noqa: ARG002 - Django's signature
        response: HttpResponseBase,
    ) -> HttpResponseBase:
        if response.streaming:
            close_old_connections()
        return response
