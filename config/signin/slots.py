"""A bounded queue for the forms that check a password, so that they hold up nothing else.

`hashing` alone would bound the processor's work, too. But each request that waits there holds a
thread and a connection to the database, and fifty of them would use up a pool. Here they wait
before they have taken a connection, one after another, and few of each client.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.conf import settings
from django.urls import NoReverseMatch, reverse
from django.utils.translation import gettext as _

from config import errors
from config.signin.throttle import client_network

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from django.http import HttpRequest, HttpResponse

FORMS = ("login", "admin:login", "admin:password_change")
MAX_BYTES = 64 * 1024  # A name, a password of 4096 characters and a token are far below.
MAX_WAITING = 20  # in one process: the last waits for about ten seconds
MAX_OF_CLIENT = 5  # of one address. They are in turn, so nobody guesses past a limit.
RETRY_SECONDS = 5


class Busy(Exception):
    """There is no room to wait in."""

    def __init__(self, code: int) -> None:
        self.code = code  # The status of the answer.


class Slots:
    """Of one event loop: at most `at_once` inside, and the others wait in turn."""

    def __init__(self, at_once: int) -> None:
        self._semaphore = asyncio.Semaphore(at_once)
        self._clients: Counter[str | None] = Counter()

    @asynccontextmanager
    async def enter(self, client: str | None) -> AsyncIterator[None]:
        """Wait for a turn. Raises Busy at once when too many wait already."""
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
            self._clients += Counter()  # Forgets those at zero.


class SignInSlots:
    """Middleware. After LocaleMiddleware, for the language; before all that asks the database."""

    async_capable = sync_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self._get_response = get_response
        self._slots: WeakKeyDictionary[asyncio.AbstractEventLoop, Slots] = WeakKeyDictionary()
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> Any:
        if iscoroutinefunction(self):
            return self._answer(request)
        # Under WSGI every request has a thread anyway: `hashing` bounds the work.
        return _too_large(request) or self._get_response(request)

    async def _answer(self, request: HttpRequest) -> Any:
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
    return request.method not in {"GET", "HEAD", "OPTIONS"} and request.path in _paths()


def _paths() -> set[str]:
    found = set()
    for name in FORMS:
        try:
            found.add(reverse(name))
        except NoReverseMatch:
            continue  # A project without that form.
    return found


def _too_large(request: HttpRequest) -> HttpResponse | None:
    size = request.META.get("CONTENT_LENGTH") or "0"
    if not _checks_password(request) or not size.isdecimal() or int(size) <= MAX_BYTES:
        return None
    reason = _("This form may have at most %(size)s KiB. Nothing was done.")
    return errors.answer(request, 413, _("Too large"), reason % {"size": MAX_BYTES // 1024})


def _busy(request: HttpRequest, code: int) -> HttpResponse:
    reason = _("Too many people are signing in at this moment. Try again in a few seconds.")
    answer = errors.answer(request, code, _("Too many attempts"), reason)
    answer.headers["Retry-After"] = str(RETRY_SECONDS)
    return answer
