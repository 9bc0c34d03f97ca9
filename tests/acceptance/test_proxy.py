"""The proxy's configuration, in a real nginx before a web process that answers everything."""

from __future__ import annotations

import asyncio
import http.client
import http.server
import json
import socket
import threading
import time
from collections import Counter
from contextlib import ExitStack, closing, contextmanager

import pytest

from tests.services import nginx
from tests.support.streaming import eventually

PUBLIC = "203.0.113.5"

pytestmark = pytest.mark.skipif(not nginx.IS_AVAILABLE, reason="nginx's wheel is for Linux")


class Web(http.server.BaseHTTPRequestHandler):
    """Answers with the headers that it was sent."""

    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(str(self.headers).encode())

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.do_GET()

    def log_message(self, *_):
        """Nothing."""


@pytest.fixture(scope="module")
def web():
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Web) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def proxy(run, web):
    """The port of an nginx with our configuration."""
    service = nginx.Nginx(run, [web])
    yield service.port
    service.stop()


def get(port, path, forwarded_for=None):
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
        headers = {"X-Forwarded-For": forwarded_for} if forwarded_for else {}
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()


@contextmanager
def running(service):
    yield service
    service.stop()


def post(port, path, client, body=b"x"):
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
        connection.request("POST", path, body, headers={"X-Forwarded-For": client})
        answer = connection.getresponse()
        return answer.status, answer.getheader("Retry-After")


@pytest.mark.proves("signin-crowd-slows-nobody")
def test_flood_of_sign_ins_is_kept_from_web_processes(proxy):
    forms = ["/login/", "/admin/login/", "/admin/password_change/"]
    answers = [post(proxy, forms[number % 3], "93.184.216.1") for number in range(40)]

    # One at once, twenty more, and one for each second that it took.
    assert 21 <= answers.count((200, None)) <= 24
    assert (429, "20") in answers
    assert post(proxy, "/login/", "93.184.216.2") == (200, None)
    assert get(proxy, "/login/", "93.184.216.1")[0] == 200


def test_large_sign_in_is_kept_from_web_processes(proxy):
    assert post(proxy, "/login/", "93.184.216.3", b"x" * 70_000) == (413, None)
    assert post(proxy, "/other/", "93.184.216.3", b"x" * 70_000) == (200, None)


@pytest.mark.parametrize("client", [None, "127.0.0.1", "10.1.2.3", "172.20.0.1", "192.168.1.5"])
@pytest.mark.parametrize("path", ["/health/ready", "/metrics"])
def test_health_and_metrics_are_open_to_private_networks(proxy, client, path):
    assert get(proxy, path, client)[0] == 200


@pytest.mark.parametrize("client", [PUBLIC, f"10.1.2.3, {PUBLIC}", f"{PUBLIC}, 10.1.2.3"])
@pytest.mark.parametrize(
    "path", ["/health/ready", "//health/./ready?x", "/health/%72eady", "/metrics", "//metrics?x"]
)
def test_health_and_metrics_are_closed_to_public_addresses(proxy, client, path):
    assert get(proxy, path, client)[0] == 403


@pytest.mark.parametrize("path", ["/", "/health/live", "/exports/"])
def test_other_pages_are_open_to_public_addresses(proxy, path):
    assert get(proxy, path, PUBLIC)[0] == 200


@pytest.mark.parametrize("path", ["/exports/", "/health/ready"])
def test_web_process_receives_the_original_host(proxy, path):
    _, headers = get(proxy, path)

    assert f"Host: 127.0.0.1:{proxy}\n" in headers
    assert "X-Forwarded-Proto: http\n" in headers


def statuses(port, path, count, client):
    """How often each status is answered to requests of one client, over one connection."""
    seen = Counter()
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
        for _ in range(count):
            connection.request("GET", path, headers={"X-Forwarded-For": client})
            answer = connection.getresponse()
            body = answer.read()
            seen[answer.status] += 1
            if answer.status == 429:
                assert answer.headers["Retry-After"] == "10"
                assert answer.headers["Content-Type"] == "application/problem+json"
                assert json.loads(body)["status"] == 429
    return seen


@pytest.mark.proves("proxy-limits-each-address")
@pytest.mark.parametrize(
    ("path", "burst", "rate"),
    [
        ("/ws/streams/", 400, 20),
        ("/sub//ws/streams/", 400, 20),
        ("/api/v1/streams/user-1", 1000, 100),
        ("/nope", 1000, 100),
    ],
)
def test_requests_are_limited_for_each_address(run, web, path, burst, rate):
    service = nginx.Nginx(run, [web])
    count = burst + 300

    # On a machine that is too busy to flood, another client tries again.
    for client in (PUBLIC, "203.0.113.50", "203.0.113.51"):
        begin = time.monotonic()
        seen = statuses(service.port, path, count, client)
        allowed = burst + rate * (time.monotonic() - begin) + 2
        if seen[429]:
            break

    assert seen.keys() == {200, 429}
    assert burst <= seen[200] <= allowed
    # Other addresses have limits of their own, and other requests go on after handshakes.
    assert get(service.port, path, "203.0.113.6")[0] == 200
    if rate < 100:
        assert statuses(service.port, "/exports/", 20, client) == {200: 20}
    assert "limiting" not in service.process.log_text()
    service.stop()


@pytest.mark.proves("proxy-limits-each-address")
async def test_held_streams_are_limited_for_each_address(run):
    """More than a thousand requests that a web process answers only when it stops."""

    holding = []

    async def hold(reader, writer):
        holding.append(writer)
        await reader.read()

    async def ask(client):
        reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
        request = [
            "GET /api/v1/streams/user-1/sse HTTP/1.1",
            f"Host: 127.0.0.1:{service.port}",
            f"X-Forwarded-For: {client}",
        ]
        writer.write("".join(f"{line}\r\n" for line in [*request, ""]).encode())
        await writer.drain()
        return reader, writer

    upstream = await asyncio.start_server(hold, "127.0.0.1", 0, backlog=2000)
    service = nginx.Nginx(run, [upstream.sockets[0].getsockname()[1]])
    held = [await ask(PUBLIC) for _ in range(1000)]
    await eventually(lambda: len(holding) == len(held), "all are held")

    refused, _ = one_too_many = await ask(PUBLIC)
    async with asyncio.timeout(10):
        assert b" 429 " in await refused.readline()

    other, _ = another = await ask("203.0.113.6")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await other.readline()
    service.stop()
    upstream.close()
    writers = [*holding, *(writer for _, writer in [*held, one_too_many, another])]
    for writer in writers:
        writer.close()
    await asyncio.gather(*(each.wait_closed() for each in writers), return_exceptions=True)


def begin_body(port, client, size=512 * 1024):
    """A request whose last byte never comes; None if it is refused before its body is read."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=10)
    lines = ["POST / HTTP/1.1", "Host: x", f"X-Forwarded-For: {client}", f"Content-Length: {size}"]
    connection.sendall("".join(f"{line}\r\n" for line in [*lines, ""]).encode())
    return connection


def test_bodies_that_never_end_are_limited_for_each_address(run, web):
    with ExitStack() as stack:
        service = stack.enter_context(running(nginx.Nginx(run, [web])))

        def begun(client):
            return stack.enter_context(begin_body(service.port, client))

        held = [begun(PUBLIC) for _ in range(100)]
        assert begun(PUBLIC).recv(12) == b"HTTP/1.1 429"
        # Pages have no body, and others have their own.
        assert get(service.port, "/exports/", PUBLIC)[0] == 200
        assert post(service.port, "/", "203.0.113.6")[0] == 200
        for each in held:
            each.settimeout(0.01)
            with pytest.raises(TimeoutError):
                each.recv(1)


def test_body_larger_than_any_form_is_kept_from_web_processes(proxy):
    assert post(proxy, "/other/", PUBLIC, b"x" * 512 * 1024)[0] == 200
    assert post(proxy, "/other/", PUBLIC, b"x" * (512 * 1024 + 1))[0] == 413


@pytest.mark.parametrize(
    ("addresses", "other"),
    [
        (["2001:db8:1:2::{}", "2001:db8:1:2:{}:3:4:5", "2001:db8:1:2:3::{}"], "2001:db8:1:3::1"),
        (["2001:db8::{}", "2001:db8::{}:3:4:5", "2001:db8:0:0::{}:1"], "2001:db8:0:1:2:3:4:5"),
        (["2001:db8:1::{}", "2001:db8:1::2:{}", "2001:db8:1::{}:3:4"], "2001:db8:2::1"),
    ],
)
def test_addresses_of_one_ipv6_network_share_their_limits(run, web, addresses, other):
    with running(nginx.Nginx(run, [web])) as service:
        answers = [
            post(service.port, "/login/", addresses[number % 3].format(f"{number:x}a"))[0]
            for number in range(40)
        ]
        assert 21 <= answers.count(200) <= 24
        assert post(service.port, "/login/", other)[0] == 200


def test_ipv4_addresses_in_ipv6_form_have_separate_limits(run, web):
    with running(nginx.Nginx(run, [web])) as service:
        answers = [post(service.port, "/login/", f"::ffff:93.184.216.{n}")[0] for n in range(40)]
        assert answers == [200] * 40
