"""Floods of requests against a real web process: who is refused, and who is not."""

from __future__ import annotations

import http.client
import time
from collections import Counter
from contextlib import closing
from itertools import count

import pytest
from django.contrib.auth.models import User
from websockets.exceptions import InvalidStatus

from tests.integration.notifications.delivery.test_daphne import open_socket
from tests.services.waybill import Server
from tests.support.raw_sockets import REFUSED, close_code
from tests.support.streaming import session_of

pytestmark = [
    pytest.mark.django_db(transaction=True),
    # What is refused before Django sees it, no database can change.
    pytest.mark.only_on("sqlite"),
]

RATE = 2
FLOOD = 60  # More than an address may send at once, when each is an error.
# The server remembers clients from test to test, so each has keys and addresses of its own.
NUMBERS = count(1000)


@pytest.fixture(scope="module")
def shared_server(run, django_db_setup):
    server = Server(run, {"REQUESTS_PER_SECOND": str(RATE)})
    yield server
    server.kill()


@pytest.fixture
def server(shared_server, transactional_db, valkey):
    shared_server.skip_log()
    return shared_server


def user():
    number = next(NUMBERS)
    return User.objects.create_user(f"user-{number}", pk=number)


@pytest.fixture
def ada():
    return user()


@pytest.fixture
def grace():
    return user()


def address():
    number = next(NUMBERS)
    return f"203.0.{number // 256}.{number % 256}"


def get(server, path, *, client, cookie="", **headers):
    with closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=20)) as connection:
        headers |= {"X-Forwarded-For": client, "Cookie": f"sessionid={cookie}"}
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        answer.read()
        return answer


def statuses(server, path, **options):
    return Counter(get(server, path, **options).status for _ in range(FLOOD))


@pytest.mark.proves("request-floods-are-refused")
def test_invalid_sessions_are_limited_by_address(server, ada):
    cookie = session_of(ada)
    client = address()
    get(server, "/exports/", client=client, cookie=cookie)
    seen = Counter(
        get(server, "/nope", client=client, cookie=f"made-up-{number}").status
        for number in range(FLOOD)
    )

    assert seen.keys() == {404, 429}
    assert seen[429] > FLOOD / 2
    assert get(server, "/login/", client=client).status == 429
    # Neither another address nor a user behind the same one is refused.
    assert get(server, "/login/", client=address()).status == 200
    assert get(server, "/exports/", client=client, cookie=cookie).status == 200
    assert get(server, "/health/live", client=client).status == 200


@pytest.mark.proves("request-floods-are-refused")
@pytest.mark.parametrize("path", ["/exports/", "/nope", "/api/v1/exports", "/api/v1/streams/x"])
def test_flood_of_one_user_is_refused_from_every_address(server, ada, grace, path):
    cookies = [session_of(user) for user in (ada, grace)]
    client = address()
    for cookie in cookies:
        get(server, "/exports/", client=client, cookie=cookie)

    seen = statuses(server, path, client=client, cookie=cookies[0])

    assert seen[429] > FLOOD / 4
    assert get(server, "/exports/", client=address(), cookie=cookies[0]).status == 429
    assert get(server, "/exports/", client=client, cookie=cookies[1]).status == 200


@pytest.mark.proves("request-floods-are-refused")
def test_refused_user_is_served_after_the_wait(server, ada):
    cookie = session_of(ada)
    client = address()
    get(server, "/exports/", client=client, cookie=cookie)
    statuses(server, "/exports/", client=client, cookie=cookie)
    refused = get(server, "/exports/", client=client, cookie=cookie)
    seconds = int(refused.headers["Retry-After"])
    assert 1 <= seconds <= 6

    time.sleep(seconds)  # Asking meanwhile would prolong it: that is what is promised.

    assert get(server, "/exports/", client=client, cookie=cookie).status == 200


def opened_one_after_the_other(server, cookie):
    """Return how many sockets of one user are accepted until one is refused."""
    for number in range(FLOOD):
        try:
            with open_socket(server, cookie=cookie, origin=server.url):
                pass
        except InvalidStatus as refusal:
            if refusal.response.status_code != 403:
                raise
            return number
    return FLOOD


@pytest.mark.proves("request-floods-are-refused")
@pytest.mark.parametrize("flood", ["pings", "a message that is too large"])
def test_flooding_socket_cannot_reconnect_at_once(server, ada, grace, flood):
    cookie = session_of(ada)
    assert close_code(server.port, cookie, REFUSED[flood]) == 4400

    # Daphne may say that the last one is gone after this one has come.
    assert opened_one_after_the_other(server, cookie) <= 1

    with open_socket(server, cookie=session_of(grace), origin=server.url) as other:
        assert "welcome" in other.recv(15)


def test_rapid_successive_handshakes_are_refused(server, ada):
    assert opened_one_after_the_other(server, session_of(ada)) < FLOOD / 2
