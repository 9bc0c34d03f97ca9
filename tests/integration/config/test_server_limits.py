"""What Daphne refuses before an application sees it, seen by clients made of bytes."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from notifications.protocol import frames
from tests.integration.notifications.delivery.test_daphne import events_until, subscribed
from tests.services.waybill import Server
from tests.support import odd_application
from tests.support.raw_sockets import (
    CONTINUED,
    PING,
    PING_TEXT,
    REFUSED,
    TEXT,
    TIMEOUT,
    close_code,
    connected_to,
    frame,
    handshake,
    neighbour_of,
    opened,
)
from tests.support.streaming import append, session_of
from tests.support.waiting import wait_until

pytestmark = [
    pytest.mark.django_db(transaction=True),
    # What Daphne does before it asks the application, no database can change.
    pytest.mark.only_on("sqlite"),
]

# Daphne itself gives up a handshake after so many seconds. Its default of 5 is not much more
# than the limit takes on a busy machine.
PATIENCE = 10
LARGEST = frames.MAX_FRAME_BYTES


@pytest.fixture(scope="module")
def shared_server(run, django_db_setup):
    options = ["--websocket_connect_timeout", str(PATIENCE)]
    server = Server(run, arguments=[*options, "tests.support.odd_application:application"])
    yield server
    server.kill()


@pytest.fixture
def server(shared_server, transactional_db, valkey):
    """The site, with the addresses of `tests.support.odd_application`. It goes from test to test."""
    shared_server.skip_log()
    return shared_server


@pytest.mark.parametrize("sent", REFUSED.values(), ids=list(REFUSED))
def test_flood_closes_only_its_own_socket(server, ada, grace, sent):
    with neighbour_of(server, grace) as is_served:
        assert close_code(server.port, session_of(ada), sent) == 4400
        assert is_served()
    assert "Traceback" not in server.log_text()


def test_largest_message_is_accepted_whole_and_in_fragments(server, ada):
    text = PING_TEXT.ljust(LARGEST)
    pieces = [text[at : at + 1024] for at in range(0, LARGEST, 1024)]
    fragments = frame(TEXT, pieces[0], fin=False)
    fragments += b"".join(frame(CONTINUED, piece, fin=False) for piece in pieces[1:-1])
    fragments += frame(CONTINUED, pieces[-1])

    with opened(server.port, session_of(ada)) as connection:
        connection.sendall(frame(TEXT, text) + frame(PING) + fragments)
        said = b""
        while said.count(b'{"type":"pong","id":"raw"}') < 2:
            more = connection.recv(65_536)
            assert more, said
            said += more


def test_server_may_send_larger_frames_than_clients(server, ada):
    name = f"user-{ada.pk}"
    with subscribed(server, ada, {name: None}) as connection:
        connection.protocol.max_message_size = None
        append(name, "large", text="x" * 2_000_000)

        assert [each["event"] for each in events_until(connection, "large")] == ["large"]


def test_compression_is_not_negotiated(server, ada):
    offered = {"Sec_WebSocket_Extensions": "permessage-deflate"}
    with connected_to(server.port) as connection:
        connection.sendall(handshake(server.port, session_of(ada), **offered))
        said = connection.recv(4096)

    assert said.startswith(b"HTTP/1.1 101")
    assert b"extensions" not in said.lower()


def test_frames_are_unmasked_and_validated_in_c(server):
    assert get_json(f"{server.url}/masker/") == ["wsaccel.xormask", "wsaccel.utf8validator"]


def test_slow_application_slows_its_client_down(server):
    """And nothing is lost: it gets all of it when it reads."""
    message, most = frame(TEXT, b" " * 10_000), 50_000_000
    with opened(server.port, path="/ws/unread/") as connection, ThreadPoolExecutor() as pool:
        sent = 0
        connection.settimeout(2)
        with suppress(TimeoutError):
            while sent < most:
                sent += connection.send((message * 100)[sent % len(message) :])
        assert sent < most
        connection.settimeout(TIMEOUT)
        read = pool.submit(get_json, f"{server.url}/read/")
        # What is left of a message that was cut where the buffers were full; then the last.
        connection.sendall(message[sent % len(message) or len(message) :] + frame(TEXT))
        total, count = read.result(TIMEOUT)

    assert count == -(-sent // len(message)) + 1
    assert total == 10_000 * (count - 1)


def test_paused_socket_has_one_timer(server):
    before = get_json(f"{server.url}/timers/")
    with opened(server.port, path="/ws/unread/") as connection:
        connection.sendall(frame(TEXT) * 5000)
        wait_until(lambda: get_json(f"{server.url}/timers/") > before, what="it is paused")

        # The server's own answer to a request has some timers, too.
        assert get_json(f"{server.url}/timers/") < before + 20


def get_json(url):
    with urllib.request.urlopen(url, timeout=TIMEOUT) as answer:
        return json.load(answer)


def test_slow_client_slows_its_stream_down(server):
    """A stream of events or a download is not kept in memory until its client reads it."""
    with connected_to(server.port) as connection:
        connection.sendall(b"GET /endless/ HTTP/1.0\r\n\r\n")
        assert connection.recv(15) == b"HTTP/1.0 200 OK"
        sent, before = get_json(f"{server.url}/sent/"), -1
        while sent != before:
            sent, before = get_json(f"{server.url}/sent/"), sent
        assert sent < odd_application.BLOCKS // 2
        read = 0
        while more := connection.recv(1_000_000):
            read += len(more)

    assert read > len(odd_application.BLOCK) * odd_application.BLOCKS
    assert get_json(f"{server.url}/sent/") == odd_application.BLOCKS


def test_disconnect_frees_data_that_waits_for_the_client(server):
    with connected_to(server.port) as connection:
        connection.sendall(b"GET /endless/ HTTP/1.0\r\n\r\n")
        assert connection.recv(1)

    # What is sent to nobody is taken at once.
    wait_until(lambda: get_json(f"{server.url}/sent/") == odd_application.BLOCKS, what="it ends")


def test_bytes_during_a_pending_handshake_are_limited(server):
    with connected_to(server.port) as connection:
        connection.sendall(handshake(server.port, path="/ws/silent/"))
        began = time.monotonic()
        with suppress(ConnectionError):
            connection.sendall(b" " * 50_000_000)
            connection.recv(4096)

        assert time.monotonic() - began < PATIENCE - 1


def test_second_handshake_within_a_handshake_starts_nothing(server):
    before = get_json(f"{server.url}/silent/")
    with connected_to(server.port) as connection:
        connection.sendall(handshake(server.port, path="/ws/silent/"))
        wait_until(lambda: get_json(f"{server.url}/silent/") > before, what="it has begun")
        connection.sendall(handshake(server.port, path="/ws/silent/") * 10)
        with suppress(ConnectionError):
            assert connection.recv(4096)[:12] in {b"", b"HTTP/1.1 403"}

    assert get_json(f"{server.url}/silent/") == before + 1


@pytest.mark.parametrize(
    ("head", "body"),
    [
        ("Content-Length: 6000000", b""),
        ("Transfer-Encoding: chunked", b"186a0\r\n" + b"x" * 100_000 + b"\r\n"),
    ],
    ids=["announced", "in chunks"],
)
def test_oversized_body_is_refused(server, head, body):
    request = f"POST /login/ HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n{head}\r\n\r\n".encode()
    with connected_to(server.port) as connection:
        connection.sendall(request)
        with suppress(ConnectionError):
            for _ in range(60):
                connection.sendall(body)
        assert connection.recv(4096).startswith(b"HTTP/1.1 413")
    assert "Traceback" not in server.log_text()


def test_form_is_parsed_by_django_and_not_in_the_event_loop(server):
    """Twisted, too, would parse it, and refuse itself what it cannot parse."""
    headers = {"Content-Type": "multipart/form-data"}
    request = urllib.request.Request(f"{server.url}/nope", b"x", headers)
    with pytest.raises(urllib.error.HTTPError) as refusal:
        urllib.request.urlopen(request, timeout=TIMEOUT)

    assert (refusal.value.code, b"<h1>" in refusal.value.read()) == (404, True)
    refusal.value.close()


def test_body_of_5_mib_reaches_django(server):
    request = urllib.request.Request(f"{server.url}/nope", b"x" * 5 * 1024 * 1024)
    with pytest.raises(urllib.error.HTTPError) as refusal:
        urllib.request.urlopen(request, timeout=TIMEOUT)

    assert refusal.value.code == 404
    refusal.value.close()
