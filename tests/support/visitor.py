"""A client outside of this process: over HTTP with cookies, and on a real socket."""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from contextlib import contextmanager
from http.cookiejar import CookieJar
from typing import TYPE_CHECKING, Any

from websockets.sync.client import connect

if TYPE_CHECKING:
    import http.client
    from collections.abc import Callable, Iterator, Mapping

    from websockets.sync.client import ClientConnection

    from tests.services.waybill import Server

SUBPROTOCOL = "waybill.v1"


class Visitor:
    """A client of one server, with cookies. It returns a response, whatever its status."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._cookies = CookieJar()
        self._opener = urllib.request.build_opener(
            # The environment may have a proxy, which must not be used for loopback.
            urllib.request.ProxyHandler({}),
            urllib.request.HTTPCookieProcessor(self._cookies),
        )

    def get(self, path: str) -> Answer:
        return self._send("GET", path)

    def post_json(self, path: str, body: Mapping[str, Any]) -> Answer:
        headers = {"Content-Type": "application/json", "X-CSRFToken": self.cookie("csrftoken")}
        return self._send("POST", path, json.dumps(body).encode(), headers)

    def post_form(self, path: str, **fields: str) -> Answer:
        fields = {**fields, "csrfmiddlewaretoken": self.cookie("csrftoken")}
        return self._send("POST", path, urllib.parse.urlencode(fields).encode(), {})

    def sign_in(self, username: str, password: str) -> None:
        """Sign in with the form."""
        self.get("/login/")
        self.post_form("/login/", username=username, password=password)
        assert self.cookie("sessionid"), "The form did not sign us in."

    def cookie(self, name: str) -> str:
        return next((each.value or "" for each in self._cookies if each.name == name), "")

    @contextmanager
    def follow(self, streams: Mapping[str, str | None]) -> Iterator[Follower]:
        """Open a socket and subscribe to `streams`, each from a cursor or from its start."""
        cookies = "; ".join(f"{each.name}={each.value}" for each in self._cookies)
        with connect(
            self._server.websocket_url,
            subprotocols=[SUBPROTOCOL],  # type: ignore[list-item]
            origin=self._server.url,  # type: ignore[arg-type]
            additional_headers={"Cookie": cookies},
            proxy=None,
        ) as connection:
            yield Follower(connection, streams)

    def _send(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        request = urllib.request.Request(
            self._server.url + path, body, dict(headers or {}), method=method
        )
        try:
            with self._opener.open(request, timeout=30) as response:
                return Answer(response.status, response.headers, response.read())
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, error.headers, error.read())


class Answer:
    def __init__(self, status: int, headers: http.client.HTTPMessage, body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    def __repr__(self) -> str:
        return f"<{self.status}: {self.body[:500]!r}>"

    def json(self) -> Any:
        return json.loads(self.body)


class Follower:
    """A subscribed socket. It acknowledges its frames and stores them in `frames`."""

    def __init__(self, connection: ClientConnection, streams: Mapping[str, str | None]) -> None:
        self._connection = connection
        self.frames: list[dict[str, Any]] = []
        connection.send(json.dumps({"type": "subscribe", "streams": streams}))

    def until(
        self, is_last: Callable[[dict[str, Any]], bool], timeout: float = 30.0
    ) -> dict[str, Any]:
        """Receive until `is_last(frame)`. Raise TimeoutError if no frame arrives for so long."""
        for frame in self._receive(timeout):
            if is_last(frame):
                return frame
        raise AssertionError("The server closed the socket.")

    def _receive(self, timeout: float) -> Iterator[dict[str, Any]]:
        while True:
            frame = json.loads(self._connection.recv(timeout))
            self.frames.append(frame)
            if frame["type"] in {"event", "state"}:
                ack = {"type": "ack", "stream": frame["stream"], "cursor": frame["cursor"]}
                self._connection.send(json.dumps(ack))
            yield frame
