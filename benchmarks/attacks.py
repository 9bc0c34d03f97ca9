"""Run one attack in a separate process: python -m benchmarks.attacks NAME SECONDS

Each attack has a limited rate and count, and attacks only this host. It prints a line of JSON for
each new kind of response, with the seconds until the first one.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from benchmarks.crowd import SUBPROTOCOL, allow_files

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

# The attacker's address for the proxy. Each ordinary user has another one.
ADDRESS = "198.51.100.7"
PATIENCE = 60  # Seconds.
CUT_OFF_SECONDS = 5  # An attacker should be cut off by then.
SERVED = {"200", "202", "206", "404", "accepted"}


@dataclass
class Attacker:
    """An attacker with a session, and the responses that it gets."""

    host: str
    port: int
    cookie: str
    csrf: str
    stream: str
    answers: Counter[str] = field(default_factory=Counter)
    late: Counter[str] = field(default_factory=Counter)
    began: float = field(default_factory=time.monotonic)

    def note(self, answer: str) -> None:
        if time.monotonic() - self.began > CUT_OFF_SECONDS:
            self.late[answer] += 1
        if answer not in self.answers:
            first = {"answer": answer, "after": round(time.monotonic() - self.began, 2)}
            print(json.dumps(first), flush=True)
        self.answers[answer] += 1

    async def request(
        self, method: str, path: str, body: bytes = b"", *, guest: bool = False, **headers: str
    ) -> None:
        """Send a request over a new connection. Record the status, or that it was cut off."""
        cookie = "sessionid=made-up" if guest else f"sessionid={self.cookie}"
        lines = {
            "Host": f"{self.host}:{self.port}",
            "X-Forwarded-For": ADDRESS,
            "Cookie": f"{cookie}; csrftoken={self.csrf}",
            "X-CSRFToken": self.csrf,
            "Content-Length": str(len(body)),
            "Content-Type": "application/json",
            "Connection": "close",
            **headers,
        }
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        try:
            async with asyncio.timeout(PATIENCE):
                reader, writer = await asyncio.open_connection(self.host, self.port)
                writer.write(f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + body)
                await writer.drain()
                status = (await reader.readline()).decode("latin1").split(" ")[1:2]
                while await reader.read(65536):
                    pass
                writer.close()
            self.note(status[0] if status else "cut off")
        except (OSError, TimeoutError) as error:
            self.note(type(error).__name__)

    def socket(self) -> connect:
        return connect(
            f"ws://{self.host}:{self.port}/ws/streams/",
            origin=f"http://{self.host}:{self.port}",  # type: ignore[arg-type]
            subprotocols=[SUBPROTOCOL],  # type: ignore[list-item]
            additional_headers={
                "Cookie": f"sessionid={self.cookie}",
                "X-Forwarded-For": ADDRESS,
            },
            proxy=None,
            open_timeout=PATIENCE,
            ping_interval=None,
            compression=None,
        )


def is_refusal(answer: str) -> bool:
    """Return whether the attacker got less than a harmless client."""
    return answer not in SERVED


async def at_rate(
    each_second: float, work: Callable[[], Awaitable[None]], at_once: int = 50
) -> None:
    """Start `work` `each_second` times per second, at most `at_once` together, until cancelled."""
    room = asyncio.Semaphore(at_once)
    running = set()

    async def once() -> None:
        async with room:
            await work()

    begin = time.monotonic()
    number = 0
    while True:
        number += 1
        await asyncio.sleep(max(begin + number / each_second - time.monotonic(), 0))
        if len(running) < 2 * at_once:
            task = asyncio.create_task(once())
            running.add(task)
            task.add_done_callback(running.discard)


# -- The attacks ------------------------------------------------------------------------


async def error_pages(attacker: Attacker) -> None:
    """Request 30 missing pages a second, with a made-up session."""
    await at_rate(30, lambda: attacker.request("GET", "/nope", guest=True))


async def large_pings(attacker: Attacker) -> None:
    """Send 25 pings of 65 kB a second over one socket, and reconnect as soon as it is closed."""
    frame = json.dumps({"type": "ping", "id": "x"})
    await _flood(attacker, frame + " " * 64_900, 25)


async def many_frames(attacker: Attacker) -> None:
    """Send 1 000 small frames a second over one socket, and reconnect as soon as it is closed."""
    await _flood(attacker, json.dumps({"type": "ping", "id": "x"}), 1_000)


async def _flood(attacker: Attacker, frame: str, each_second: float) -> None:
    while True:
        try:
            async with attacker.socket() as socket:
                reading = asyncio.create_task(_drain(socket))
                try:
                    while True:
                        await socket.send(frame)
                        await asyncio.sleep(1 / each_second)
                finally:
                    reading.cancel()
        except ConnectionClosed as closed:
            attacker.note(f"closed with {closed.rcvd.code if closed.rcvd else 1006}")
        except (OSError, InvalidHandshake) as error:
            attacker.note(_refusal(error))
        await asyncio.sleep(0.1)


async def _drain(socket: object) -> None:
    with suppress(ConnectionClosed):
        async for _ in socket:  # type: ignore[attr-defined]
            pass


def _refusal(error: Exception) -> str:
    response = getattr(error, "response", None)
    return f"handshake: {response.status_code}" if response else type(error).__name__


async def many_sockets(attacker: Attacker) -> None:
    """Open 500 sockets of one user, 50 a second, and keep them open."""
    await at_rate(50, lambda: _keep_socket(attacker), at_once=500)


async def _keep_socket(attacker: Attacker) -> None:
    try:
        async with attacker.socket() as socket:
            async for _ in socket:
                pass
    except ConnectionClosed as closed:
        attacker.note(f"closed with {closed.rcvd.code if closed.rcvd else 1006}")
    except (OSError, InvalidHandshake, TimeoutError) as error:
        attacker.note(_refusal(error))


async def many_event_streams(attacker: Attacker) -> None:
    """Open 300 event streams of one user, 30 a second."""
    path = f"/api/v1/streams/{attacker.stream}/sse"
    await at_rate(30, lambda: attacker.request("GET", path), at_once=300)


async def many_polls(attacker: Attacker) -> None:
    """Send long polls of one user, 30 a second and 300 at a time."""
    path = f"/api/v1/streams/{attacker.stream}?wait=25"
    await at_rate(30, lambda: attacker.request("GET", path), at_once=300)


async def large_filters(attacker: Attacker) -> None:
    """Start two exports a second with 2.4 MB of filters each."""
    body = {"exporter": "flights", "filters": {"carrier": ["x" * 100] * 24_000}}
    await _start(attacker, body, 2)


async def many_filters(attacker: Attacker) -> None:
    """Start two exports a second with 150 000 unknown filters each."""
    body = {"exporter": "flights", "filters": {f"f{number}": 1 for number in range(150_000)}}
    await _start(attacker, body, 2)


async def many_exports(attacker: Attacker) -> None:
    """Start 20 exports a second, all different."""
    numbers = iter(range(10**9))

    async def start() -> None:
        body = {"exporter": "flights", "label": f"number {next(numbers)}"}
        await attacker.request("POST", "/api/v1/exports", json.dumps(body).encode())

    await at_rate(20, start)


async def _start(attacker: Attacker, body: object, each_second: float) -> None:
    text = json.dumps(body).encode()
    await at_rate(each_second, lambda: attacker.request("POST", "/api/v1/exports", text))


async def passwords(attacker: Attacker) -> None:
    """Try to sign in with a wrong password, 50 times a second."""
    body = f"username=victim&password=wrong&csrfmiddlewaretoken={attacker.csrf}".encode()
    headers = {"Content-Type": "application/x-www-form-urlencoded"}

    await at_rate(50, lambda: attacker.request("POST", "/login/", body, guest=True, **headers))


async def slow_headers(attacker: Attacker) -> None:
    """Send 300 requests whose headers never end, a byte a second."""

    async def drip() -> None:
        try:
            _, writer = await asyncio.open_connection(attacker.host, attacker.port)
            writer.write(b"GET / HTTP/1.1\r\nX: ")
            while True:
                writer.write(b"x")
                await writer.drain()
                await asyncio.sleep(1)
        except OSError as error:
            attacker.note(type(error).__name__)

    await at_rate(50, drip, at_once=300)


async def idle_connections(attacker: Attacker) -> None:
    """Open 2 000 silent connections, 200 a second."""

    async def connect_only() -> None:
        try:
            reader, _ = await asyncio.open_connection(attacker.host, attacker.port)
            await reader.read()
            attacker.note("closed")
        except OSError as error:
            attacker.note(type(error).__name__)

    await at_rate(200, connect_only, at_once=2_000)


async def handshakes(attacker: Attacker) -> None:
    """Open 50 sockets a second and close each at once."""

    async def once() -> None:
        try:
            async with attacker.socket():
                attacker.note("accepted")
        except (OSError, InvalidHandshake, ConnectionClosed, TimeoutError) as error:
            attacker.note(_refusal(error))

    await at_rate(50, once)


async def ranges(attacker: Attacker) -> None:
    """Request 50 ranges a second of a finished file of the attacker."""
    path = f"/exports/{os.environ['ATTACKED_FILE']}/file"
    await at_rate(50, lambda: attacker.request("GET", path, Range="bytes=0-9"))


ATTACKS = {
    attack.__name__: attack
    for attack in (
        error_pages,
        large_pings,
        many_frames,
        many_sockets,
        many_event_streams,
        many_polls,
        large_filters,
        many_filters,
        many_exports,
        passwords,
        slow_headers,
        idle_connections,
        handshakes,
        ranges,
    )
}


async def main(name: str, seconds: float) -> None:
    attacker = Attacker(**json.loads(os.environ["ATTACKER"]))
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await ATTACKS[name](attacker)
    print(json.dumps({"answers": attacker.answers, "late": attacker.late}), flush=True)
    os._exit(0)  # This closes all open connections.


if __name__ == "__main__":
    allow_files()
    asyncio.run(main(sys.argv[1], float(sys.argv[2])))
