"""A web process with few file descriptors stays reachable, whoever wants to connect."""

from __future__ import annotations

import http.client
import json
import os
import resource
import socket
import sys
import time
import urllib.error
import urllib.request
from contextlib import ExitStack, closing, suppress
from pathlib import Path

import pytest

from notifications.api import tokens
from notifications.delivery.descriptors import RESERVED
from tests.services.waybill import HOST
from tests.support.streaming import session_of
from tests.support.waiting import wait_until

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits another process"),
]

LIMIT = 120
CLOSE = b"\x88"  # what a close frame begins with
CROWD = 240  # connections, each on a descriptor of its own


@pytest.fixture
def web(start_web):
    web = start_web(NOTIFICATIONS_MAX_CONNECTIONS="0")
    resource.prlimit(web.process.pid, resource.RLIMIT_NOFILE, (LIMIT, LIMIT))
    return web


@pytest.fixture
def get(web, ada):
    """The status of a page, asked for as a proxy does: over a connection of its own."""
    cookie = session_of(ada)

    def get(path):
        request = urllib.request.Request(
            f"{web.url}{path}", headers={"Cookie": f"sessionid={cookie}"}
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status
        except urllib.error.HTTPError as refusal:
            with refusal:
                return refusal.code

    return get


@pytest.fixture
def opened():
    """What is put into it is closed at the end of the test."""
    with ExitStack() as stack:
        yield stack


def shake_hands(web, token, opened):
    """Begin a socket. Nobody waits for the answer."""
    client = opened.enter_context(socket.create_connection((HOST, web.port), timeout=10))
    lines = [
        "GET /ws/streams/ HTTP/1.1",
        f"Host: {HOST}:{web.port}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Protocol: waybill.v1",
        f"Authorization: Bearer {token}",
    ]
    client.sendall("".join(f"{line}\r\n" for line in [*lines, ""]).encode())
    return client


def end_of(client):
    """What a socket has got: "open", or the code that it was closed with, or the HTTP status."""
    said = b""
    client.settimeout(0.1)
    with suppress(TimeoutError, ConnectionError):
        while chunk := client.recv(4096):
            said += chunk
    status, _, frames = said.partition(b"\r\n\r\n")
    if not said:
        return "dropped"
    if not status.startswith(b"HTTP/1.1 101"):
        return int(status.split()[1])
    return int.from_bytes(frames[2:4]) if frames[:1] == CLOSE else "open"


def cpu_seconds(web):
    fields = Path(f"/proc/{web.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def assert_idle(web):
    """It does not try to accept, again and again, what it cannot."""
    begin, used = time.monotonic(), cpu_seconds(web)
    wait_until(lambda: time.monotonic() - begin > 1, what="a second")
    assert cpu_seconds(web) - used < 0.5


def descriptors_of(web):
    return len(list(Path(f"/proc/{web.process.pid}/fd").iterdir()))


@pytest.mark.proves("descriptors-left-for-pages")
def test_sockets_beyond_the_descriptors_are_closed(web, ada, get, opened):
    token = tokens.create(ada)
    begin = descriptors_of(web)
    crowd = []
    for _ in range(CROWD):
        crowd.append(shake_hands(web, token, opened))
        crowd[-1].recv(1, socket.MSG_PEEK)
    ends = [end_of(client) for client in crowd]
    assert 0 < ends.count("open") < LIMIT
    # A refused client has a second to answer. While too many have not, the next ones get 403.
    assert {*ends} == {"open", 1013, 403}
    # Others come all at once, as the first refused ones are gone: there may be room for some.
    crowd = [shake_hands(web, token, opened) for _ in range(CROWD)]
    assert {end_of(client) for client in crowd} <= {"open", 1013, 403, "dropped"}
    # A refused client that does not answer is dropped after a second. The threads of the database
    # use a part of the reserve.
    wait_until(lambda: descriptors_of(web) < LIMIT - RESERVED // 2, what="refused ones are gone")

    assert get("/health/live") == 200
    assert get("/exports/") == 200
    assert_idle(web)
    assert web.unexpected() == []
    assert "Too many open files" not in web.log_text()
    assert web.log_text().count("Connections are refused") == 1

    opened.close()
    wait_until(lambda: descriptors_of(web) < begin + 15, what="descriptors are free again")
    assert get("/exports/") == 200
    again = shake_hands(web, token, opened)
    assert end_of(again) == "open"


@pytest.mark.proves("descriptors-left-for-pages")
def test_streams_beyond_the_descriptors_are_refused(web, ada, get, opened):
    headers = {"Authorization": f"Bearer {tokens.create(ada)}", "Connection": "close"}
    answers = []
    for _ in range(CROWD):
        client = opened.enter_context(
            closing(http.client.HTTPConnection(HOST, web.port, timeout=30))
        )
        client.request("GET", f"/api/v1/streams/user-{ada.pk}/sse", headers=headers)
        answer = opened.enter_context(client.getresponse())
        answers.append(answer)
        if answer.status == 503:
            assert answer.headers["Retry-After"] == "10"
            assert json.load(answer)["detail"].startswith("This server cannot accept")

    assert {answer.status for answer in answers} == {200, 503}
    assert get("/health/live") == 200
    assert get("/exports/") == 200
    assert web.unexpected() == []
    assert web.log_text().count("Connections are refused") == 1
    assert "Service Unavailable" not in web.log_text()


@pytest.mark.proves("descriptors-left-for-pages")
def test_process_without_descriptors_survives_and_recovers(web, get, opened):
    """Connections that ask for nothing: no limit of ours is asked before they are accepted."""
    while (used := descriptors_of(web)) < LIMIT - 4:
        opened.enter_context(socket.create_connection((HOST, web.port), timeout=10))
        wait_until(lambda used=used: descriptors_of(web) > used, what="it is accepted")

    assert get("/exports/") == 503
    assert get("/health/live") == 200
    crowd = [
        opened.enter_context(socket.create_connection((HOST, web.port), timeout=10))
        for _ in range(20)
    ]
    assert crowd[-1].recv(1) == b""  # There is none for it.
    assert_idle(web)
    assert web.log_text().count("file descriptors are in use") == 1
    assert web.unexpected() == []

    opened.close()
    wait_until(lambda: get("/exports/") == 200, what="pages are back")
