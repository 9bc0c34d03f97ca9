"""Limit how many requests one client may send to a web process (a rate limiter).

A client is a signed-in user with all their sessions and tokens, or else a network address. Each
client has a bucket of tokens, and every request takes some. A client whose bucket is empty gets
429, or 403 for a socket, before Django or the database does any work.

- Refused requests take tokens, too, even below zero. So a client that continues at full speed
  stays refused. A client that waits for the time in Retry-After is served again.
- The cost of a request depends on its outcome. Errors of the client cost more than pages. A socket
  that was closed because of its frames costs most, so reconnecting at once does not help.
- A request of a user whom this process does not know yet is charged after its response, to the
  user. So all clients of an office may return at once after a restart.
"""

from __future__ import annotations

import logging
import time
from collections import OrderedDict
from http import HTTPStatus
from io import BytesIO
from math import ceil
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpResponse
from django.utils.translation import get_language_from_request, ngettext, override

from config.middleware import after_response
from config.shedding import is_liveness_check, refuse
from notifications.api import known_users
from notifications.api.credentials import credentials, credentials_of
from notifications.api.problems import problem
from notifications.client_address import network_of, scope_address
from notifications.delivery.connections import LOG_SECONDS
from notifications.protocol.frames import CloseCode
from notifications.protocol.rate_limits import Bucket

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from django.http import HttpRequest
    from django.http.response import HttpResponseBase

logger = logging.getLogger(__name__)

counters = {"refused": 0}  # Requests that this process has refused.

BURST_SECONDS = 8  # An idle client may send the requests of this many seconds at once.
DEBT_SECONDS = 5  # A refused client that waits this long is served again.
PENALTY_DEBT_SECONDS = 30  # After a penalty, a client must wait at most this long.
# A penalty takes the tokens of this many seconds. The frames of the closed socket may have kept the
# process busy for as long.
PENALTY_SECONDS = 20
ADDRESS_FACTOR = 4  # Several people may share an address.

# What a request costs, in tokens.
PAGE = 1.0
STATIC_FILE = 0.1
SOCKET = 2.0
REFUSED = 2.0  # A request over the limit costs more than a page, so a flood stays refused.
CLIENT_ERROR = 5.0  # A status from 400 to 499, or a refused socket.

MAX_CLIENTS = 20_000  # The buckets that this process keeps: those of the latest clients.


class LimitRequests:
    """ASGI middleware with a bucket for each client. The rate is REQUESTS_PER_SECOND."""

    def __init__(
        self,
        application: Callable[..., Awaitable[None]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._application = application
        self._clock = clock
        self._buckets: OrderedDict[tuple[str, str], Bucket] = OrderedDict()
        self._log_lines = Bucket(1, 1 / LOG_SECONDS, clock)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        is_limited = scope["type"] in {"http", "websocket"} and settings.REQUESTS_PER_SECOND
        if not is_limited or is_liveness_check(scope):
            await self._application(scope, receive, send)
            return
        client = _client(scope)
        bucket = self._bucket(client)
        if wait := bucket.seconds_until(PAGE):
            self.charge(scope, REFUSED)
            self._count_refusal(client)
            seconds = ceil(wait)
            await refuse(scope, receive, send, _refusal(scope, seconds), seconds)
            return
        # Users pay in advance, so that requests sent all at once do not all pass.
        paid = _least_cost(scope) if client[0] == "user" else 0.0
        self.charge(scope, paid)
        await self._serve(_Bill(scope, self, paid), receive, send)

    async def _serve(self, bill: _Bill, receive: Any, send: Any) -> None:
        async def counted_receive() -> Any:
            message = await receive()
            bill.received(message)
            return message

        async def counted_send(message: Any) -> None:
            bill.sent(message)
            await send(message)

        try:
            await self._application(bill.scope, counted_receive, counted_send)
        finally:
            bill.close()

    def charge(self, scope: Any, tokens: float) -> None:
        """Take `tokens` from the client of a request."""
        client = _client(scope)
        self._bucket(client).charge(tokens, DEBT_SECONDS * _rate(client))

    def penalize(self, scope: Any) -> None:
        """Refuse the client of a request for some seconds, and longer each time."""
        client = _client(scope)
        rate = _rate(client)
        self._bucket(client).charge(PENALTY_SECONDS * rate, PENALTY_DEBT_SECONDS * rate)

    def _bucket(self, client: tuple[str, str]) -> Bucket:
        if client not in self._buckets:
            rate = _rate(client)
            self._buckets[client] = Bucket(BURST_SECONDS * rate, rate, self._clock)
            if len(self._buckets) > MAX_CLIENTS:
                self._buckets.popitem(last=False)
        self._buckets.move_to_end(client)
        return self._buckets[client]

    def _count_refusal(self, client: tuple[str, str]) -> None:
        counters["refused"] += 1
        if self._log_lines.take(1):
            logger.warning(
                "Requests over REQUESTS_PER_SECOND are refused (%d so far). This one is of %s %s.",
                counters["refused"],
                *client,
            )


class _Bill:
    """Charges a client for one request: once for its response, and more for a closed socket."""

    def __init__(self, scope: Any, limiter: LimitRequests, paid: float) -> None:
        self.scope = scope
        self._limiter = limiter
        self._paid = paid
        self._is_charged = False
        self._is_accepted = self._is_closed = False

    def sent(self, message: Any) -> None:
        """Charge for a message from the application."""
        match message["type"]:
            case "http.response.start":
                is_client_error = 400 <= message["status"] < 500  # noqa: PLR2004 - see RFC 9110
                self._take(CLIENT_ERROR if is_client_error else _least_cost(self.scope))
            case "websocket.accept":
                self._is_accepted = True
                self._take(SOCKET)
            case "websocket.close" if not self._is_accepted:
                self._take(CLIENT_ERROR)
            case "websocket.close":
                self._closed(message.get("code"))

    def received(self, message: Any) -> None:
        """Charge for a message from the server, which may close a socket because of its frames."""
        if message["type"] == "websocket.disconnect":
            self._closed(message.get("code"))

    def close(self) -> None:
        """Charge for a request that has ended without a response."""
        self._take(_least_cost(self.scope))

    def _closed(self, code: int | None) -> None:
        if self._is_closed:
            return  # The server repeats the code of the application.
        self._is_closed = True
        if code == CloseCode.BAD_CLIENT:
            self._limiter.penalize(self.scope)
        elif code == CloseCode.TRY_LATER:
            self._limiter.charge(self.scope, CLIENT_ERROR)

    def _take(self, tokens: float) -> None:
        if not self._is_charged:
            self._is_charged = True
            self._limiter.charge(self.scope, tokens - self._paid)


def _least_cost(scope: Any) -> float:
    """Return the cost of a request that causes no error."""
    return STATIC_FILE if scope["path"].startswith(settings.STATIC_URL) else PAGE


def _rate(client: tuple[str, str]) -> int:
    factor = ADDRESS_FACTOR if client[0] == "address" else 1
    return factor * int(settings.REQUESTS_PER_SECOND)


def _client(scope: Any) -> tuple[str, str]:
    """Return the key of the bucket for a request: its user if known, or else its address."""
    if (user := known_users.find(credentials(scope))) is not None:
        return "user", user
    return "address", network_of(scope_address(scope)) or ""


def _refusal(scope: Any, seconds: int) -> HttpResponse:
    # The scope of a handshake has no method. Its response will be a plain 403.
    request = ASGIRequest({"method": "GET", **scope}, BytesIO())
    with override(get_language_from_request(request)):
        detail = ngettext(
            "You have sent too many requests. Try again in %(seconds)d second.",
            "You have sent too many requests. Try again in %(seconds)d seconds.",
            seconds,
        ) % {"seconds": seconds}
    status = HTTPStatus.TOO_MANY_REQUESTS
    if "text/html" in request.headers.get("Accept", ""):
        # Rendering a page would cost more than the refusal saves.
        return HttpResponse(f"{detail}\n", status=status, content_type="text/plain; charset=utf-8")
    return problem(status, detail)


@after_response
def remember_user(request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    """Remember the user of the request's session, for `LimitRequests`.

    This middleware follows SessionMiddleware. It reads no session that the view has not read.
    """
    key = request.COOKIES.get(settings.SESSION_COOKIE_NAME)
    session = request.session
    # Signing in creates a new session, whose key is not in the cookie of this request.
    is_same = key is not None and key == session.session_key
    if session.accessed and is_same and SESSION_KEY in session:
        known_users.remember(credentials_of(request), session[SESSION_KEY])
    return response
