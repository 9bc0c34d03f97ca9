"""Send bytes that are no frames and no handshakes to a real Daphne.

Whatever one socket sends, the server's log has no traceback, and the socket beside it goes on.
"""

from __future__ import annotations

import random
import socket as sockets
import struct
import time
from contextlib import suppress

import pytest

from tests.support.raw_sockets import (
    BINARY,
    CLOSE,
    CONTINUED,
    PING,
    PING_TEXT,
    PONG,
    TEXT,
    connected_to,
    frame,
    handshake,
    neighbour_of,
)
from tests.support.waiting import wait_until

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("quiet_streams"),
]

FRAMES = {
    "a text in pieces": frame(TEXT, PING_TEXT[:9], fin=False) + frame(CONTINUED, PING_TEXT[9:]),
    "a ping between the pieces": frame(TEXT, PING_TEXT[:9], fin=False)
    + frame(PING)
    + frame(0, PING_TEXT[9:]),
    "very many pieces": frame(TEXT, b"", fin=False) + frame(CONTINUED, b"x", fin=False) * 20_000,
    "without a mask": frame(TEXT, PING_TEXT, masked=False),
    "a reserved kind": frame(0x3, PING_TEXT),
    "a reserved control": frame(0xB),
    "reserved bits": frame(TEXT, PING_TEXT, reserved=7),
    "a ping in pieces": frame(PING, fin=False),
    "a ping that is too long": frame(PING, b"x" * 126),
    "a piece of nothing": frame(CONTINUED, PING_TEXT),
    "a text within a text": frame(TEXT, b"{", fin=False) + frame(TEXT, PING_TEXT),
    "no UTF-8": frame(TEXT, b'{"type":"ping","id":"\xff\xfe"}'),
    "half a character": frame(TEXT, "é".encode()[:1]),
    "a surrogate": frame(TEXT, b"\xed\xa0\x80"),
    "binary": frame(BINARY, PING_TEXT),
    "empty": frame(TEXT),
    "too large": frame(TEXT, b"x" * (64 * 1024 + 1)),
    "brackets": frame(TEXT, b"[" * (64 * 1024)),
    "a length beyond all": frame(TEXT, PING_TEXT, claimed=2**63),
    "a length that never comes": frame(TEXT, PING_TEXT, claimed=2**40),
    "a goodbye of one byte": frame(CLOSE, b"\x03"),
    "a goodbye with a bad code": frame(CLOSE, struct.pack("!H", 999)),
    "a goodbye with our code": frame(CLOSE, struct.pack("!H", 4401)),
    "a goodbye that is no text": frame(CLOSE, struct.pack("!H", 1000) + b"\xff"),
    "words after the goodbye": frame(CLOSE) + frame(TEXT, PING_TEXT) * 3,
    "a cut frame": frame(TEXT, PING_TEXT)[:7],
    "pings in a row": frame(PING, b"x" * 100) * 2_000,
    "pongs that nobody asked for": frame(PONG, b"x" * 100) * 2_000,
    "questions in a row": frame(TEXT, PING_TEXT) * 3_000,
    "HTTP": b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
}


# What is sent instead of a handshake (the port and a session's cookie filled in), and how the
# answer begins: with nothing, if more might come.
HANDSHAKES = {
    "half": (lambda to: handshake(*to)[:90], b""),
    "no key": (lambda to: handshake(*to, without=["Sec-WebSocket-Key"]), b"400"),
    "a bad key": (lambda to: handshake(*to, Sec_WebSocket_Key="x"), b"400"),
    "another version": (lambda to: handshake(*to, Sec_WebSocket_Version="99"), b"400"),
    "no version": (lambda to: handshake(*to, Sec_WebSocket_Version="x"), b"400"),
    "no host": (lambda to: handshake(*to, without=["Host"]), b"400"),
    "a host that is none": (lambda to: handshake(*to, Host="[::1"), b"403"),
    "an origin that is none": (lambda to: handshake(*to, Origin="http://[\xff"), b"400"),
    "a protocol that is none": (
        lambda to: handshake(*to, Sec_WebSocket_Protocol=",,\xff,"),
        b"400",
    ),
    "another protocol": (lambda to: handshake(*to, Sec_WebSocket_Protocol="waybill.v9"), b"403"),
    "a cookie of bytes": (lambda to: handshake(to[0], "\xff\x80;=;sessionid=\xe9" * 40), b"403"),
    "a token of bytes": (lambda to: handshake(*to, Authorization="Bearer \xff\x01"), b"403"),
    "a long header": (lambda to: handshake(*to, X="x" * 100_000), b""),
    "a path that is not there": (lambda to: handshake(*to, path="/ws/else/"), b"403"),
    "a path without its end": (lambda to: handshake(*to, path="/ws/streams"), b"403"),
    "a path below ours": (lambda to: handshake(*to, path="/ws/streams/x"), b"403"),
    "no path": (lambda to: handshake(*to, path="/"), b"403"),
    "a path of bytes": (lambda to: handshake(*to, path="/ws/%ff%00"), b"403"),
    "a query of bytes": (lambda to: handshake(*to, path="/ws/streams/?%ff=%"), b"101"),
    "frames at once, let in": (lambda to: handshake(*to) + frame(TEXT, PING_TEXT) * 3, b"101"),
    "frames at once, kept out": (
        lambda to: handshake(to[0], "x") + frame(TEXT, PING_TEXT) * 3,
        b"403",
    ),
    "frames and no handshake": (lambda to: frame(TEXT, PING_TEXT) * 3, b""),
    "noise": (lambda to: random.Random(7).randbytes(4_000) + b"\r\n\r\n", b"400"),
}


def talk(port, *parts, wait_for=b""):
    """Send the first of `parts`, wait for an answer, send the others and hang up.

    What the server said, until it hung up too.
    """
    with connected_to(port) as connection:
        said = b""
        with suppress(ConnectionError):  # It has hung up first.
            for part in parts:
                connection.sendall(part)
                while wait_for not in said and (more := connection.recv(65_536)):
                    said += more
                wait_for = b""
            with suppress(OSError):  # It was the first to hang up, and has gone.
                connection.shutdown(sockets.SHUT_WR)
            while more := connection.recv(65_536):
                said += more
        return said


@pytest.mark.proves("bad-frames-disturb-nobody-else")
def test_random_bytes_in_a_socket_disturb_no_other_socket(server, cookie, grace):
    noise = {f"noise {n}": random.Random(n).randbytes(300) for n in range(20)}

    with neighbour_of(server, grace) as is_served:
        for name, sent in (FRAMES | noise).items():
            said = talk(server.port, handshake(server.port, cookie), sent, wait_for=b"welcome")
            assert said.startswith(b"HTTP/1.1 101"), name
            assert is_served(), name
        assert complaints(server, is_served) == []


@pytest.mark.proves("bad-frames-disturb-nobody-else")
def test_random_bytes_in_a_handshake_disturb_no_other_socket(server, cookie, grace):
    with neighbour_of(server, grace) as is_served:
        for name, (sent, answer) in HANDSHAKES.items():
            said = talk(server.port, sent((server.port, cookie)), wait_for=answer and b"\r\n")
            assert said.startswith(b"HTTP/1.1 " + answer if answer else b""), (name, said)
            # And who has hung up before there was an answer.
            talk(server.port, sent((server.port, cookie)))
            assert is_served(), name
        assert complaints(server, is_served) == []


def complaints(server, is_served):
    """What the log has that is no access line of Daphne's."""
    # Daphne looks once a second for what has failed. A round after that, it has.
    until = time.monotonic() + 1.5
    wait_until(lambda: is_served() and time.monotonic() > until)
    words = ("Traceback", "Error", "Exception", "Unhandled")
    return [
        line
        for line in server.process.log_text().splitlines()
        if any(word in line for word in words)
    ]
