"""What `make run` shows: the logs of its processes, the logins, and whether everything answers."""

from __future__ import annotations

import http.server
import io
import json
import re
import socket
import sys
import threading
from contextlib import ExitStack, closing, contextmanager
from typing import TYPE_CHECKING

import pytest

from config.run import readiness
from config.run.terminal import Log, say
from demo.accounts import ACCOUNTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


# -- What is seen ------------------------------------------------------------------------


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "web.log"


@pytest.fixture
def open_log(path: Path) -> Iterator[Callable[..., Log]]:
    with ExitStack() as opened:
        yield lambda **options: opened.enter_context(closing(Log(path, **options)))


def test_log_shows_only_complete_new_lines(path: Path, open_log: Callable[..., Log]) -> None:
    path.write_text("of an earlier run\n")
    log = open_log()

    with path.open("a") as file:
        file.write("one\ntw")
    first = list(log.new_lines())
    with path.open("a") as file:
        file.write("o\n")
    second = list(log.new_lines())

    assert (first, second) == (["one"], ["two"])


def test_log_created_later_is_shown_from_its_beginning(
    path: Path, open_log: Callable[..., Log]
) -> None:
    log = open_log()
    before = list(log.new_lines())

    path.write_text("one\n")

    assert (before, list(log.new_lines())) == ([], ["one"])


def test_log_continues_in_the_next_file_after_rotation(
    path: Path, open_log: Callable[..., Log]
) -> None:
    path.touch()
    log = open_log()

    path.write_text("last of the old\n")
    path.rename(path.with_suffix(".log.1"))
    path.write_text("first of the new\n")

    assert list(log.new_lines()) == ["last of the old", "first of the new"]


def test_log_leaves_out_ignored_lines(path: Path, open_log: Callable[..., Log]) -> None:
    log = open_log(hidden=["/health/ready"])

    path.write_text("GET /health/ready\nGET /exports/\n")

    assert list(log.new_lines()) == ["GET /exports/"]


def test_process_output_cannot_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    say("web | \x1b[2J\x9b2J \u202egpj\ttab")

    assert capsys.readouterr().out == "web | \\x1b[2J\\x9b2J \\u202egpj\ttab\n"


def test_line_with_unencodable_characters_is_written(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(seen, encoding="ascii"))

    say("flüge.csv")

    assert seen.getvalue() == b"fl?ge.csv\n"


def test_logins_are_shown_with_their_rights() -> None:
    shown = readiness.welcome("http://127.0.0.1:8000/", debug=True)

    assert [account.name for account in ACCOUNTS] == ["demo", "staff", "guest"]
    for account in ACCOUNTS:
        assert re.search(rf"^  {account.name}/{account.name} +{account.rights}$", shown, re.M)


def test_logins_are_shown_only_with_debug() -> None:
    assert "demo/demo" in readiness.welcome("http://127.0.0.1:8000/", debug=True)
    assert "demo" not in readiness.welcome("http://127.0.0.1:8000/", debug=False)


# -- Whether everything answers ----------------------------------------------------------


@contextmanager
def web(*answers: tuple[int, object]) -> Iterator[tuple[int, list[str]]]:
    """A web server that gives `answers` in turn; its port, and the hosts it was asked for."""
    left = list(answers)
    hosts: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            hosts.append(self.headers["Host"])
            status, body = left.pop(0)
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(body).encode())

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with http.server.HTTPServer((readiness.HOST, 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server.server_port, hosts
        finally:
            server.shutdown()
            thread.join()


ALL_WELL = (200, {"status": "ok", "checks": {"database": "ok", "redis": "ok", "worker": "ok"}})
NO_WORKER = (503, {"checks": {"database": "ok", "redis": "ok", "worker": "no worker answered"}})


def test_complete_readiness_names_nothing() -> None:
    with web(ALL_WELL) as (port, _):
        assert readiness.unready(port, ["127.0.0.1"]) is None


@pytest.mark.parametrize(
    ("answer", "missing"),
    [
        (NO_WORKER, "  worker: no worker answered"),
        ((500, "an error page"), "  web: /health/ready answers 500"),
        ((404, {"detail": "Not Found"}), "  web: /health/ready answers 404"),
    ],
)
def test_unready_part_is_named(answer: tuple[int, object], missing: str) -> None:
    with web(answer) as (port, _):
        assert readiness.unready(port, ["127.0.0.1"]) == missing


def test_web_that_does_not_listen_is_named() -> None:
    with closing(socket.socket()) as probe:
        probe.bind((readiness.HOST, 0))  # And nobody listens.
        missing = readiness.unready(probe.getsockname()[1], ["127.0.0.1"])

    assert missing is not None
    assert missing.startswith("  web: does not answer")


@pytest.mark.parametrize(
    ("allowed", "host"),
    [
        (["waybill.example"], "waybill.example"),
        ([".waybill.example"], "waybill.example"),
        (["localhost", "127.0.0.1"], "127.0.0.1:{port}"),
        (["*"], "127.0.0.1:{port}"),
    ],
)
def test_readiness_check_uses_an_allowed_host(allowed: list[str], host: str) -> None:
    with web(ALL_WELL) as (port, hosts):
        readiness.unready(port, allowed)

    assert hosts == [host.format(port=port)]


def test_long_wait_names_the_missing_part_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(readiness, "REPORT_AFTER", 0.0)
    monkeypatch.setattr(readiness, "PAUSE_SECONDS", 0.01)

    with web(NO_WORKER, NO_WORKER, NO_WORKER, ALL_WELL) as (port, _):
        came = readiness.wait_until_ready(port, ["127.0.0.1"], lambda: False)

    assert came
    assert capsys.readouterr().out.count("worker: no worker answered") == 1


def test_wait_ends_with_the_run() -> None:
    with web(NO_WORKER) as (port, _):
        assert not readiness.wait_until_ready(port, ["127.0.0.1"], lambda: True)
