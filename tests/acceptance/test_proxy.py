"""The proxy's configuration, in a real nginx before a web process that answers everything."""

from __future__ import annotations

import http.client
import http.server
import threading
from contextlib import closing

import pytest

from tests.services import nginx

PUBLIC = "203.0.113.5"

pytestmark = pytest.mark.skipif(not nginx.IS_AVAILABLE, reason="nginx's wheel is for Linux")


class Web(http.server.BaseHTTPRequestHandler):
    """Answers with the headers that it was sent."""

    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(str(self.headers).encode())

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


@pytest.mark.parametrize("client", [None, "127.0.0.1", "10.1.2.3", "172.20.0.1", "192.168.1.5"])
def test_readiness_is_told_on_this_host_and_in_private_networks(proxy, client):
    assert get(proxy, "/health/ready", client)[0] == 200


@pytest.mark.parametrize("client", [PUBLIC, f"10.1.2.3, {PUBLIC}", f"{PUBLIC}, 10.1.2.3"])
@pytest.mark.parametrize("path", ["/health/ready", "//health/./ready?x", "/health/%72eady"])
def test_readiness_is_told_to_nobody_else(proxy, client, path):
    assert get(proxy, path, client)[0] == 403


@pytest.mark.parametrize("path", ["/", "/health/live", "/exports/"])
def test_everything_else_is_for_everybody(proxy, path):
    assert get(proxy, path, PUBLIC)[0] == 200


@pytest.mark.parametrize("path", ["/exports/", "/health/ready"])
def test_web_process_is_told_the_host_that_was_meant(proxy, path):
    _, headers = get(proxy, path)

    assert f"Host: 127.0.0.1:{proxy}\n" in headers
    assert "X-Forwarded-Proto: http\n" in headers
