"""Make Daphne send every close code, with its reason.

Daphne ignores the reason. Its WebSocket library lets an application send only the codes 1000 and
3000 to 4999. It raises an exception for 1013 ("try again later"), although the registry of RFC 6455
has that code for servers.

`config.server_limits` changes Daphne, too, but only for this site. The change here is part of the
app, because the protocol of streams depends on close codes, and the app may not import `config`.
"""

from __future__ import annotations

import sys
from functools import wraps
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_REASON_BYTES = 123  # A control frame has room for 125 bytes, and the code takes two.


def install() -> None:
    """Replace Daphne's method that closes sockets, once. Do nothing under another server."""
    if "daphne.ws_protocol" not in sys.modules:
        return  # Importing it would load Twisted.
    from daphne.ws_protocol import WebSocketProtocol  # type: ignore[import-untyped]  # noqa: PLC0415

    if not hasattr(WebSocketProtocol.handle_reply, "__wrapped__"):
        WebSocketProtocol.handle_reply = _with_every_code(WebSocketProtocol.handle_reply)


def _with_every_code(
    handle_reply: Callable[[Any, dict[str, Any]], None],
) -> Callable[[Any, dict[str, Any]], None]:
    @wraps(handle_reply)
    def handle(self: Any, message: dict[str, Any]) -> None:
        if message["type"] == "websocket.close" and self.state == self.STATE_OPEN:
            reason = (message.get("reason") or "").encode()[:MAX_REASON_BYTES]
            self.sendCloseFrame(message.get("code") or 1000, _whole_characters(reason))
        else:
            handle_reply(self, message)

    return handle


def _whole_characters(utf8: bytes) -> bytes:
    """Drop an incomplete character at the end, because clients refuse text that is not UTF-8."""
    return utf8.decode(errors="ignore").encode()
