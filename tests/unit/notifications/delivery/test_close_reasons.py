"""A close frame with a long reason is still one that clients accept."""

from __future__ import annotations

import pytest
from daphne.ws_protocol import WebSocketProtocol

from notifications.delivery import daphne

pytestmark = pytest.mark.only_on("sqlite")


class Socket:
    """As much of Daphne's socket as a close needs."""

    STATE_OPEN = state = 3

    def __init__(self):
        self.closed = []

    def sendCloseFrame(self, code, reason):  # noqa: N802 - autobahn's name
        self.closed.append((code, reason))


def test_long_reason_is_cut_between_characters():
    daphne.install()
    socket = Socket()

    WebSocketProtocol.handle_reply(
        socket, {"type": "websocket.close", "code": 1013, "reason": "é" * 100}
    )

    assert socket.closed == [(1013, ("é" * 61).encode())]


def test_close_is_replaced_once():
    daphne.install()
    installed = WebSocketProtocol.handle_reply

    daphne.install()

    assert WebSocketProtocol.handle_reply is installed
