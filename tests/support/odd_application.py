"""The site, with addresses at which the process misbehaves.

/masker/      returns the classes that unmask frames and check UTF-8
/sleep/       sleeps for half a second in the event loop, in `hold`
/compute/     computes for half a second in the event loop, in `busy`
/regex/       matches for half a second or more, and lets no other thread run
/read/        lets the newest socket of /ws/unread/ read, and returns what it read
/endless/     streams 100 MB in blocks of 256 KiB
/sent/        returns how many of those blocks the server has accepted
/ws/unread/   a socket that is accepted, and whose application reads nothing
/ws/silent/   a handshake that is never answered
/silent/      returns how many of those have begun
/timers/      returns how many timers the event loop has
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from typing import Any

from autobahn.websocket import utf8validator, xormasker

from config.asgi import application as site

SECONDS = 0.5
BLOCK, BLOCKS = b"x" * 256 * 1024, 400
_silent: list[None] = []
_sent: list[None] = []


class Unread:
    """A socket of /ws/unread/, with the sizes of its messages once it may read them."""

    def __init__(self) -> None:
        self.may_read = asyncio.Event()
        self.received: list[int] = []


_unread: list[Unread] = []


async def application(scope: Any, receive: Any, send: Any) -> None:
    answer = ANSWERS.get(scope["path"])
    if answer is None:
        await site(scope, receive, send)
    elif answer is endless:
        await endless(send)
    elif scope["type"] == "websocket":
        await answer(receive, send)
    else:
        body = json.dumps(await answer()).encode()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body})


async def masker() -> list[str]:
    return [xormasker.create_xor_masker.__module__, utf8validator.Utf8Validator.__module__]


async def hold() -> str:
    time.sleep(SECONDS)  # noqa: ASYNC251 - the test needs a blocked event loop
    return "held"


async def busy() -> str:
    end = time.process_time() + SECONDS
    while time.process_time() < end:
        sum(range(1000))
    return "computed"


async def regex() -> str:
    """Make one call into C, which keeps the interpreter lock until it returns."""
    length, began = 20, time.process_time()
    while time.process_time() - began < SECONDS:
        length, began = length + 1, time.process_time()
        re.match(r"(a+)+$", "a" * length + "b")
    return "matched"


async def read() -> list[int]:
    received = _unread[-1].received
    _unread[-1].may_read.set()
    while not received or received[-1] != 0:  # noqa: ASYNC110 - each message would set it
        await asyncio.sleep(0.01)
    return [sum(received), len(received)]


async def endless(send: Any) -> None:
    _sent.clear()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for number in range(BLOCKS):
        is_last = number == BLOCKS - 1
        await send({"type": "http.response.body", "body": BLOCK, "more_body": not is_last})
        _sent.append(None)


async def sent_blocks() -> int:
    return len(_sent)


async def unread(receive: Any, send: Any) -> None:
    socket = Unread()
    _unread.append(socket)
    await receive()
    await send({"type": "websocket.accept"})
    await socket.may_read.wait()
    while (message := await receive())["type"] == "websocket.receive":
        socket.received.append(len(message["text"]))


async def silent(receive: Any, send: Any) -> None:
    _silent.append(None)
    while (await receive())["type"] != "websocket.disconnect":
        continue


async def silent_handshakes() -> int:
    return len(_silent)


async def timers() -> int:
    return len(asyncio.get_running_loop()._scheduled)  # type: ignore[attr-defined]


ANSWERS: dict[str, Any] = {
    "/masker/": masker,
    "/sleep/": hold,
    "/compute/": busy,
    "/regex/": regex,
    "/read/": read,
    "/endless/": endless,
    "/sent/": sent_blocks,
    "/silent/": silent_handshakes,
    "/timers/": timers,
    "/ws/unread/": unread,
    "/ws/silent/": silent,
}
