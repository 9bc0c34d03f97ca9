"""WebSocket clients that send raw frames and handshakes, and an ordinary client."""

from __future__ import annotations

import json
import socket as sockets
import struct
from contextlib import closing, contextmanager, suppress

from websockets.sync.client import connect

from notifications.protocol import frames
from tests.support.streaming import append, session_of

TIMEOUT = 20  # seconds, far more than any answer takes
CONTINUED, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
PING_TEXT = b'{"type":"ping","id":"raw"}'


def frame(opcode, payload=b"", *, fin=True, reserved=0, masked=True, claimed=None):
    """Return a frame of a client, valid or not. `claimed` is the length in its head."""
    length = len(payload) if claimed is None else claimed
    head = bytes([(0x80 if fin else 0) | reserved << 4 | opcode])
    flag = 0x80 if masked else 0
    if length < 126:
        head += bytes([flag | length])
    elif length < 2**16:
        head += bytes([flag | 126]) + struct.pack("!H", length)
    else:
        head += bytes([flag | 127]) + struct.pack("!Q", length)
    if not masked:
        return head + payload
    mask = b"\x01\x02\x03\x04"
    return head + mask + bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))


def handshake(port, cookie="", *, path="/ws/streams/", without=(), **changed):
    """Return the bytes of a handshake, without some headers and with others changed."""
    fields = {
        "Host": f"127.0.0.1:{port}",
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Protocol": "waybill.v1",
        "Origin": f"http://127.0.0.1:{port}",
        "Cookie": f"sessionid={cookie}",
    }
    fields |= {name.replace("_", "-"): value for name, value in changed.items()}
    lines = [f"{name}: {value}" for name, value in fields.items() if name not in without]
    return "\r\n".join([f"GET {path} HTTP/1.1", *lines, "", ""]).encode("latin1")


# Floods of frames. The server refuses each as a whole, but not its first half.
REFUSED = {
    "pings": frame(PING) * 400,
    "pongs": frame(PONG) * 400,
    "fragments of nothing": frame(TEXT, fin=False) + frame(CONTINUED, fin=False) * 400,
    "fragments of a byte": frame(TEXT, fin=False) + frame(CONTINUED, b" ", fin=False) * 400,
    # The server refuses these when it reads their length. Their payload is never sent.
    "a message that is too large": frame(TEXT, claimed=frames.MAX_FRAME_BYTES + 1),
    "a large second fragment": frame(TEXT, b" " * 20_000, fin=False)
    + frame(CONTINUED, claimed=frames.MAX_FRAME_BYTES),
    "empty messages": frame(TEXT) * 2000,
    # The last frame exceeds two limits: it is one fragment too many, and too large.
    "fragments with a large end": frame(TEXT, fin=False)
    + frame(CONTINUED, fin=False) * 200
    + frame(CONTINUED, claimed=frames.MAX_FRAME_BYTES + 1),
}


@contextmanager
def connected_to(port):
    with closing(sockets.create_connection(("127.0.0.1", port), TIMEOUT)) as connection:
        yield connection


@contextmanager
def opened(port, cookie="", **more):
    """Open a connection and shake hands. The first frame may be read with the answer."""
    with connected_to(port) as connection:
        connection.sendall(handshake(port, cookie, **more))
        received = connection.recv(4096)
        assert received.startswith(b"HTTP/1.1 101"), received
        yield connection


def close_code(port, cookie, sent):
    """Return the code of the close frame after `sent`, or None without such a frame."""
    received = b""
    with opened(port, cookie) as connection:
        with suppress(ConnectionError):
            connection.sendall(sent)
        with suppress(ConnectionError):
            while more := connection.recv(65_536):
                received += more
    # A close frame begins with 0x88. All other frames are JSON or empty pongs.
    _, _, close = received.partition(b"\x88")
    return struct.unpack("!H", close[1:3])[0] if close else None


@contextmanager
def neighbour_of(server, user):
    """Open a socket of `user`, and yield a function that returns whether it still gets events."""
    stream = f"user-{user.pk}"
    with connect(
        server.websocket_url,
        origin=server.url,
        subprotocols=["waybill.v1"],
        additional_headers={"Cookie": f"sessionid={session_of(user)}"},
        proxy=None,
    ) as connection:
        connection.send(json.dumps({"type": "subscribe", "streams": {stream: "latest"}}))
        expected = iter(["welcome", "subscribed"])
        assert [json.loads(connection.recv(TIMEOUT))["type"] for _ in range(2)] == list(expected)

        def is_served():
            append(stream, "undisturbed")
            received = json.loads(connection.recv(TIMEOUT))
            ack = {"type": "ack", "stream": stream, "cursor": received["cursor"]}
            connection.send(json.dumps(ack))
            return received["event"] == "undisturbed"

        yield is_served
