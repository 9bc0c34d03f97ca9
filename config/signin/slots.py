"""A bounded queue for requests that check a password, so that they delay no other request.

`hashing` also limits the load of the processor. But a request that waits there holds a thread and a
connection to the database, and fifty such requests would use up a pool. Here requests wait, in the
order of their arrival and only a few from each client, before they take a connection.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.conf import settings
from django.urls import reverse
from django.utils.translation import gettext as _

from config import errors
from config.signin.throttle import client_network

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from django.http import HttpRequest, HttpResponse

FORMS = ("login", "admin:login", "admin:password_change")
MAX_BYTES = 64 * 1024  # A name, a password of 4096 characters and a CSRF token take far less.
MAX_WAITING = 20  # Requests in one process. The last one waits for about ten seconds.
MAX_OF_CLIENT = 5  # Requests from one network address.
RETRY_SECONDS = 5


class Busy(Exception):
    """The queue is full, for this client (429) or for everybody (503)."""

    def __init__(self, code: int) -> None:
        self.code = code  # The HTTP status.


class Slots:
    """The queue of one event loop: at most `at_once` requests run, and the others wait."""

    def __init__(self, at_once: int) -> None:
        self._semaphore = asyncio.Semaphore(at_once)
        self._clients: Counter[str | None] = Counter()

    @asynccontextmanager
    async def enter(self, client: str | None) -> AsyncIterator[None]:
        """Wait for a slot. Raise Busy at once if too many requests wait already."""
        if self._clients[client] >= MAX_OF_CLIENT:
            raise Busy(429)
        if self._clients.total() >= MAX_WAITING:
            raise Busy(503)
        self._clients[client] += 1
        try:
            async with self._semaphore:
                yield
        finally:
            self._clients[client] -= 1
            self._clients += Counter()  # Removes clients whose count is zero.


class SignInSlots:
    """Middleware that lets requests with a password wait for a slot.

    It must follow LocaleMiddleware, which sets the language of its error pages, and precede all
    middleware that needs the database.
    """

    async_capable = sync_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self._get_response = get_response
        self._slots: WeakKeyDictionary[asyncio.AbstractEventLoop, Slots] = WeakKeyDictionary()
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> Any:
        if iscoroutinefunction(self):
            return self._respond(request)
        # Under WSGI every request has a thread anyway, and `hashing` limits the work.
        return _too_large(request) or self._get_response(request)

    async def _respond(self, request: HttpRequest) -> Any:
        if not _checks_password(request):
            return await self._get_response(request)
        if (refused := _too_large(request)) is not None:
            return refused
        loop = asyncio.get_running_loop()
        slots = self._slots.setdefault(loop, Slots(settings.SIGNIN_HASHES))
        try:
            async with slots.enter(client_network(request)):
                return await self._get_response(request)
        except Busy as busy:
            return _busy(request, busy.code)


def _checks_password(request: HttpRequest) -> bool:
    is_form = request.path in {reverse(name) for name in FORMS}
    return is_form and request.method not in {"GET", "HEAD", "OPTIONS"}


def _too_large(request: HttpRequest) -> HttpResponse | None:
    size = request.META.get("CONTENT_LENGTH") or "0"
    if not _checks_password(request) or not size.isdecimal() or int(size) <= MAX_BYTES:
        return None
    reason = _("This form can have at most %(size)s KiB. Nothing was changed.")
    return errors.error_response(request, 413, _("Too large"), reason % {"size": MAX_BYTES // 1024})


def _busy(request: HttpRequest, status: int) -> HttpResponse:
    reason = _("Too many people are signing in right now. Try again in a few seconds.")
    response = errors.error_response(request, status, _("Too many attempts"), reason)
    response.headers["Retry-After"] = str(RETRY_SECONDS)
    return response
