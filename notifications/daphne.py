"""Daphne as it serves our sockets: it sends every close code, with its reason.

Daphne passes on no reason. Its WebSocket library lets an application send only 1000 and 3000 to
4999, and raises for 1013 ("try again later"), which RFC 6455's registry has for servers.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

REASON_BYTES = 123  # What a close frame has room for.


def install() -> None:
    """Let Daphne make sockets like that. Without effect under another server."""
    if "daphne.ws_protocol" not in sys.modules:
        return  # Importing it would load Twisted.
    from daphne.ws_protocol import WebSocketProtocol  # type: ignore[import-untyped]  # noqa: PLC0415

    if WebSocketProtocol.handle_reply is not _handle_reply:
        _daphnes[:] = [WebSocketProtocol.handle_reply]
        WebSocketProtocol.handle_reply = _handle_reply


_daphnes: list[Callable[[Any, dict[str, Any]], None]] = []  # The method that is replaced.


def _handle_reply(self: Any, message: dict[str, Any]) -> None:
    if message["type"] == "websocket.close" and self.state == self.STATE_OPEN:
        reason = (message.get("reason") or "").encode()[:REASON_BYTES]
        self.sendCloseFrame(message.get("code") or 1000, reason)
    else:
        _daphnes[0](self, message)
