"""How many requests a client may send, and what they cost: a real middleware, a clock to turn."""

from __future__ import annotations

import asyncio
import json
from functools import partial

import pytest

from config import request_limits
from config.request_limits import (
    ADDRESS_FACTOR,
    BURST_SECONDS,
    CLIENT_ERROR,
    DEBT_SECONDS,
    MAX_CLIENTS,
    PENALTY_DEBT_SECONDS,
    PENALTY_SECONDS,
    REFUSED,
    SOCKET,
    LimitRequests,
)
from notifications.api import known_users
from notifications.api.credentials import credentials
from tests.unit.notifications.protocol.test_rate_limits import Clock

RATE = 10
BURST = BURST_SECONDS * RATE
ADA, GRACE, MADE_UP = b"sessionid=ada", b"sessionid=grace", b"sessionid=made-up"


@pytest.fixture(autouse=True)
def _limit(settings, monkeypatch):
    settings.REQUESTS_PER_SECOND = RATE
    monkeypatch.setitem(request_limits.counters, "refused", 0)
    known_users.clear()
    yield
    known_users.clear()


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def site(clock):
    return Site(clock)


class Site:
    """An application behind the limiter, which answers what it is told to."""

    def __init__(self, clock):
        self.limiter = LimitRequests(self._answer, clock)
        self.status = 200
        self.closes_with = None
        self.disconnects_with = None
        self.learns = None
        self.served = 0

    async def _answer(self, scope, receive, send):
        self.served += 1
        if self.learns:
            known_users.remember(credentials(scope), self.learns)
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": self.status, "headers": []})
            await send({"type": "http.response.body", "body": b""})
            return
        await receive()
        if self.status == 403:
            await send({"type": "websocket.close"})
            return
        await send({"type": "websocket.accept"})
        if self.closes_with:
            await send({"type": "websocket.close", "code": self.closes_with})
        await receive()

    async def request(self, cookie=ADA, path="/", client="203.0.113.1", **more):
        """Return what the client is sent."""
        sent = []
        coming = iter(
            [
                {"type": "websocket.connect"},
                {"type": "websocket.disconnect", "code": self.disconnects_with},
            ]
        )
        scope = {
            "type": "http",
            "method": "GET",
            "path": path,
            "query_string": b"",
            "client": [client, 1],
            "headers": [(b"cookie", cookie)] if cookie else [],
            **more,
        }

        async def receive():
            return next(coming)

        async def send(message):
            sent.append(message)

        await self.limiter(scope, receive, send)
        return sent

    async def is_served(self, *arguments, **options):
        before = self.served
        await self.request(*arguments, **options)
        return self.served > before

    async def until_refused(self, *arguments, most=10_000, **options):
        """Return how many requests are served at once."""
        for count in range(most):
            if not await self.is_served(*arguments, **options):
                return count
        raise AssertionError(f"{most} requests were served.")


def meet(cookie, user):
    known_users.remember(credentials({"headers": [(b"cookie", cookie)]}), user)


async def test_user_is_refused_after_a_burst_and_served_again_later(site, clock):
    meet(ADA, 1)

    assert await site.until_refused() == BURST

    # The refused request is paid for, too.
    clock.now += (REFUSED + 0.5) / RATE
    assert not await site.is_served()
    clock.now += (REFUSED + 0.5) / RATE
    assert await site.is_served()


async def test_simultaneous_requests_count_before_their_responses(site):
    meet(ADA, 1)
    ends = asyncio.Event()

    async def wait(scope, receive, send):
        site.served += 1
        await ends.wait()

    site.limiter._application = wait
    requests = [asyncio.create_task(site.request()) for _ in range(2 * BURST)]
    await asyncio.sleep(0)

    assert site.served == BURST
    ends.set()
    await asyncio.gather(*requests)


async def test_client_that_keeps_sending_stays_refused(site, clock):
    meet(ADA, 1)
    await site.until_refused()

    for _ in range(20 * RATE):
        clock.now += 1 / (2 * RATE)
        assert not await site.is_served()


async def test_refused_client_is_served_after_the_longest_wait(site, clock):
    meet(ADA, 1)
    await site.until_refused()
    for _ in range(10 * BURST):
        await site.request()

    clock.now += DEBT_SECONDS
    assert not await site.is_served()  # This costs again.
    clock.now += (1.5 + REFUSED) / RATE
    assert await site.is_served()


async def test_refusal_has_the_retry_time(site, clock):
    meet(ADA, 1)
    await site.until_refused()
    for _ in range(RATE):
        await site.request()

    start, body = await site.request()

    headers = dict(start["headers"])
    problem = json.loads(body["body"])
    assert start["status"] == problem["status"] == 429
    assert headers[b"Content-Type"] == b"application/problem+json"
    assert headers[b"Cache-Control"] == b"no-store"
    assert problem["detail"] == "You have sent too many requests. Try again in 3 seconds."
    assert headers[b"Retry-After"] == b"3"
    clock.now += 3
    assert await site.is_served()


async def test_page_is_refused_in_the_language_of_its_reader(site):
    meet(ADA, 1)
    await site.until_refused()
    browser = [(b"cookie", ADA), (b"accept", b"text/html"), (b"accept-language", b"de")]

    start, body = await site.request(headers=browser)

    assert dict(start["headers"])[b"Content-Type"] == b"text/plain; charset=utf-8"
    assert "zu viele Anfragen" in body["body"].decode()


async def test_socket_is_refused_before_it_is_accepted(site):
    meet(ADA, 1)
    await site.until_refused()

    assert await site.request(type="websocket") == [{"type": "websocket.close"}]


async def test_users_behind_one_address_have_separate_buckets(site):
    meet(ADA, 1)
    meet(GRACE, 2)

    await site.until_refused(ADA)

    assert await site.until_refused(GRACE) == BURST
    assert await site.is_served(None)


async def test_sessions_of_one_user_share_a_bucket(site):
    meet(ADA, 1)
    meet(GRACE, 1)

    await site.until_refused(ADA)

    assert not await site.is_served(GRACE)


async def test_visitors_share_the_bucket_of_their_address(site):
    assert await site.until_refused(None) == ADDRESS_FACTOR * BURST

    assert not await site.is_served(MADE_UP)
    assert await site.is_served(None, client="203.0.113.2")


async def test_visitors_of_one_ipv6_network_share_a_bucket(site):
    await site.until_refused(None, client="2001:db8:1:2::1")

    assert not await site.is_served(None, client="2001:db8:1:2:3:4:5:6")
    assert await site.is_served(None, client="2001:db8:1:3::1")


async def test_address_comes_from_the_proxy(site):
    def behind_proxy(address):
        headers = [(b"x-forwarded-for", b"192.0.2.1"), (b"x-forwarded-for", address)]
        return partial(site.is_served, headers=headers, client="10.0.0.1")

    first, second = behind_proxy(b"203.0.113.1"), behind_proxy(b"203.0.113.2")
    while await first():
        pass

    assert await second()


async def test_made_up_cookies_are_charged_to_the_address(site):
    for number in range(ADDRESS_FACTOR * BURST):
        assert await site.is_served(b"sessionid=%d" % number)

    assert not await site.is_served(b"sessionid=another")


@pytest.mark.proves("request-floods-are-refused")
async def test_known_users_are_not_charged_to_their_address(site):
    for number in range(2 * ADDRESS_FACTOR * BURST):
        site.learns = number
        assert await site.is_served(b"sessionid=%d" % number)


async def test_first_request_of_a_user_is_charged_to_the_user(site):
    site.learns = 1
    assert await site.is_served(ADA)

    assert await site.until_refused(ADA) == BURST - 1


@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 499])
async def test_client_errors_cost_more(site, status):
    site.status = status

    assert await site.until_refused(None) == ADDRESS_FACTOR * BURST / CLIENT_ERROR


@pytest.mark.parametrize("status", [302, 304, 399, 500, 503])
async def test_other_responses_cost_as_much_as_a_page(site, status):
    site.status = status

    assert await site.until_refused(None) == ADDRESS_FACTOR * BURST


async def test_static_files_cost_less(site, settings):
    meet(ADA, 1)
    for _ in range(5 * BURST):
        assert await site.is_served(path=f"{settings.STATIC_URL}exports/x.js")

    site.status = 404
    for _ in range(int(BURST / 2 / CLIENT_ERROR)):
        await site.request(path=f"{settings.STATIC_URL}nope.js")
    assert not await site.is_served()


async def test_sockets_cost_more_than_pages(site):
    meet(ADA, 1)

    assert await site.until_refused(type="websocket") == BURST / SOCKET


@pytest.mark.parametrize("by_server", [False, True])
async def test_client_with_bad_frames_is_refused_for_a_while(site, clock, by_server):
    meet(ADA, 1)
    site.closes_with = None if by_server else 4400
    site.disconnects_with = 4400

    assert await site.is_served(type="websocket")
    # Of the burst, one penalty and the socket; not two penalties.
    debt = PENALTY_SECONDS * RATE + SOCKET - BURST
    clock.now += debt / RATE
    assert not await site.is_served(path="/")
    clock.now += (1 + REFUSED) / RATE
    assert await site.is_served(path="/")


async def test_penalties_add_up_to_a_maximum(site, clock):
    meet(ADA, 1)
    site.closes_with = 4400
    for _ in range(10):
        while not await site.is_served(type="websocket"):
            clock.now += 1

    clock.now += PENALTY_SECONDS / 2
    assert not await site.is_served()
    clock.now += PENALTY_DEBT_SECONDS - PENALTY_SECONDS / 2 + (1 + REFUSED) / RATE
    assert await site.is_served()


async def test_socket_beyond_the_limit_costs_more(site):
    meet(ADA, 1)
    site.closes_with = 1013

    assert await site.until_refused(type="websocket") == -(-BURST // (SOCKET + CLIENT_ERROR))


async def test_normally_closed_socket_costs_no_more(site):
    meet(ADA, 1)
    site.disconnects_with = 1001

    assert await site.until_refused(type="websocket") == BURST / SOCKET


async def test_refused_handshakes_are_client_errors(site):
    site.status = 403

    served = await site.until_refused(MADE_UP, type="websocket")

    assert served == ADDRESS_FACTOR * BURST / CLIENT_ERROR


async def test_request_without_a_response_is_charged(site, monkeypatch):
    async def fail(*_):
        raise ConnectionError

    monkeypatch.setattr(site.limiter, "_application", fail)
    for _ in range(ADDRESS_FACTOR * BURST):
        with pytest.raises(ConnectionError):
            await site.request(None)

    start, _body = await site.request(None)
    assert start["status"] == 429


async def test_liveness_is_never_refused(site):
    await site.until_refused(None)

    assert await site.is_served(None, path="/health/live")
    assert not await site.is_served(None, path="/health/ready")


async def test_zero_disables_the_limit(site, settings):
    settings.REQUESTS_PER_SECOND = 0

    for _ in range(2 * ADDRESS_FACTOR * BURST):
        assert await site.is_served(None)


async def test_old_clients_are_forgotten(site):
    for number in range(MAX_CLIENTS + 1):
        site.learns = number
        await site.request(b"sessionid=%d" % number)

    assert len(site.limiter._buckets) == MAX_CLIENTS


async def test_refusals_are_logged_once_a_minute(site, clock, caplog):
    meet(ADA, 1)
    await site.until_refused()
    for _ in range(10):
        await site.request()
    clock.now += 60
    await site.until_refused()

    lines = [record.getMessage() for record in caplog.records]
    assert len(lines) == 2
    assert "1 so far" in lines[0]
    assert "user 1" in lines[0]
    assert "12 so far" in lines[1]
