"""Streams over a real Daphne: what only the server's own handshake, frames and closes can show."""

from __future__ import annotations

import json
import socket as sockets
import time
from contextlib import contextmanager

import pytest
from django.contrib.auth.models import User
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from notifications.api import tokens
from tests.services.waybill import Server
from tests.support.streaming import append, session_of

pytestmark = pytest.mark.django_db(transaction=True)

PUSHED = {"NOTIFICATIONS_SWEEP_SECONDS": "3600"}  # What arrives, arrives by push.


@pytest.fixture(scope="module")
def shared_server(run, django_db_setup):
    server = Server(run)
    yield server
    server.kill()


@pytest.fixture
def server(shared_server, transactional_db, valkey):
    """A Daphne that goes from test to test. A test may kill it."""
    if not shared_server.process.is_running:
        shared_server.restart()
    shared_server.skip_log()
    return shared_server


@pytest.fixture
def user():
    return User.objects.create_user("ada")


@pytest.fixture
def name(user):
    return f"user-{user.pk}"


def open_socket(server, *, cookie="", token="", origin=None, subprotocols=("waybill.v1",)):
    headers = {}
    if cookie:
        headers["Cookie"] = f"sessionid={cookie}"
    if token:
        headers["Authorization"] = f"Bearer {token}"
    return connect(
        server.websocket_url,
        origin=origin,
        subprotocols=subprotocols,
        additional_headers=headers,
        proxy=None,
        max_queue=None,  # It reads all the time, also while a test does something else.
    )


@contextmanager
def subscribed(server, user, cursors):
    with open_socket(server, cookie=session_of(user), origin=server.url) as connection:
        assert json.loads(connection.recv(15))["type"] == "welcome"
        connection.send(json.dumps({"type": "subscribe", "streams": cursors}))
        answers = [json.loads(connection.recv(15)) for _ in cursors]
        assert {each["type"] for each in answers} == {"subscribed"}
        yield connection


def events_until(connection, last):
    """The events up to the one of type `last`, acknowledged as they come."""
    events = []
    while not events or events[-1]["event"] != last:
        received = json.loads(connection.recv(15))
        if received["type"] == "event":
            events.append(received)
            ack = {"type": "ack", "stream": received["stream"], "cursor": received["cursor"]}
            connection.send(json.dumps(ack))
    return events


def close_code(connection):
    try:
        while True:
            connection.recv(15)
    except ConnectionClosed as closed:
        return closed.rcvd.code


def test_handshake_admits_allowed_clients_and_refuses_others(server, user):
    cookie, token = session_of(user), tokens.create(user)
    ours, evil = server.url, "http://evil.example"

    for welcome in (
        {"cookie": cookie, "origin": ours},
        {"token": token},
        {"token": token, "origin": ours},
        {"cookie": cookie, "origin": ours, "subprotocols": ("waybill.v9", "waybill.v1")},
    ):
        with open_socket(server, **welcome) as connection:
            assert connection.subprotocol == "waybill.v1"
            assert json.loads(connection.recv(15))["user"] == user.pk

    for refused in (
        {"origin": ours},
        {"cookie": "nobodys", "origin": ours},
        {"cookie": cookie},
        {"cookie": cookie, "origin": evil},
        {"cookie": cookie, "origin": "null"},
        {"cookie": cookie, "origin": ours.replace("127.0.0.1", "localhost")},
        {"token": "waybill_wrong"},
        {"token": token, "origin": evil},
        {"cookie": cookie, "origin": ours, "subprotocols": None},
        {"cookie": cookie, "origin": ours, "subprotocols": ("waybill.v9",)},
    ):
        with pytest.raises(InvalidStatus) as refusal, open_socket(server, **refused):
            pass
        assert refusal.value.response.status_code == 403, refused
    assert "Traceback" not in server.log_text()


def test_event_of_another_process_arrives_by_push(start_server, user, name):
    server = start_server(**PUSHED)
    append(name, "before")

    with subscribed(server, user, {name: None}) as connection:
        events_until(connection, "before")
        append(name, "a", "b")
        append(name, "c")

        assert [each["event"] for each in events_until(connection, "c")] == ["a", "b", "c"]


def test_client_resumes_after_a_server_restart(server, user, name):
    seen = []
    cursor = None
    for turn in range(3):
        with subscribed(server, user, {name: cursor}) as connection:
            append(name, f"live {turn}")
            seen += events_until(connection, f"live {turn}")
            cursor = seen[-1]["cursor"]
            (server.process.kill if turn else server.process.stop)()
        append(name, f"missed {turn}")
        server.restart()

    assert [each["offset"] for each in seen] == list(range(1, 6))


def test_long_backlog_arrives_complete_and_in_order(server, user, name):
    for _ in range(10):
        append(name, *["log"] * 500)
    append(name, "last")

    begin = time.monotonic()
    with subscribed(server, user, {name: None}) as connection:
        events = events_until(connection, "last")

    assert [each["offset"] for each in events] == list(range(1, 5002))
    assert time.monotonic() - begin < 30


def test_close_codes_reach_the_client(server, user):
    cookie = session_of(user)
    for bad in ([b"\0"], ["x" * 65_537], ["dance"] * 10, ["dance"] * 30):
        with open_socket(server, cookie=cookie, origin=server.url) as connection:
            for each in bad:
                connection.send(each)

            assert close_code(connection) == 4400
    assert "Traceback" not in server.log_text()


@pytest.mark.proves("connections-per-user-limited")
def test_refusal_of_too_many_sockets_reaches_the_client(start_server, user):
    server = start_server(NOTIFICATIONS_MAX_CONNECTIONS="2")
    cookie = session_of(user)
    with (
        open_socket(server, cookie=cookie, origin=server.url),
        open_socket(server, token=tokens.create(user)) as second,
    ):
        second.recv(15)
        with (
            open_socket(server, cookie=cookie, origin=server.url) as third,
            pytest.raises(ConnectionClosed) as closed,
        ):
            third.recv(15)

    assert closed.value.rcvd.code == 1013
    assert closed.value.rcvd.reason == "You have reached the limit of 2 open connections."
    assert "Traceback" not in server.process.log_text()


def test_client_that_leaves_without_reading_causes_no_error(start_server, user, name):
    """Its goodbye is taken, but what it has not read keeps the socket: it is closing for long."""
    server = start_server(**PUSHED, NOTIFICATIONS_WINDOW="100000")
    with subscribed(server, user, {name: None}) as witness, raw_socket(server, user) as leaver:
        leaver.sendall(frame(0x1, json.dumps({"type": "subscribe", "streams": {name: None}})))
        # More than the buffers between us hold.
        for _ in range(20):
            append(name, *["large"] * 20, text="x" * 50_000)
        append(name, "all sent")
        events_until(witness, "all sent")

        leaver.sendall(frame(0x8, ""))
        for turn in range(20):
            append(name, f"{turn}")
            events_until(witness, f"{turn}")

    log = server.process.log_text()
    assert "Traceback" not in log
    assert "failed" not in log


def raw_socket(server, user):
    """A connection that has shaken hands, reads nothing more, and has little room for it."""
    connection = sockets.socket()
    connection.setsockopt(sockets.SOL_SOCKET, sockets.SO_RCVBUF, 4096)
    connection.connect(("127.0.0.1", server.port))
    lines = [
        "GET /ws/streams/ HTTP/1.1",
        f"Host: 127.0.0.1:{server.port}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Protocol: waybill.v1",
        f"Origin: {server.url}",
        f"Cookie: sessionid={session_of(user)}",
    ]
    connection.sendall("".join(f"{line}\r\n" for line in [*lines, ""]).encode())
    assert connection.recv(20).startswith(b"HTTP/1.1 101")
    return connection


def frame(opcode, text):
    """A client's frame of at most 125 bytes, with a mask of zeros."""
    return bytes([0x80 | opcode, 0x80 | len(text), 0, 0, 0, 0]) + text.encode()
