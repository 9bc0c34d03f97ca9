"""What holds the event loop of a real Daphne is logged with its place, and counted."""

from __future__ import annotations

import re
import time
import urllib.request

import pytest
from django.contrib.auth.models import User

from notifications.printable import INDENT
from tests.services.waybill import Server
from tests.support import odd_application
from tests.support.streaming import session_of
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.only_on("sqlite")]

LINE = re.compile(r"WARNING +notifications\.delivery\.watchdog: (The event loop .*)")


@pytest.fixture
def server(run, transactional_db, valkey):
    server = Server(run, arguments=["tests.support.odd_application:application"])
    wait_until(lambda: is_quick(server), what="it has loaded what the first requests need")
    server.skip_log()
    yield server
    server.kill()


def get(server, path, cookie=""):
    request = urllib.request.Request(server.url + path, headers={"Cookie": f"sessionid={cookie}"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return answer.read().decode()


def is_quick(server):
    began = time.monotonic()
    get(server, "/health/live")
    return time.monotonic() - began < 0.05


def lines(server):
    return LINE.findall(server.log_text())


def place_in(function, text):
    """The line of `function` in the stack: a line of its own below the entry, and indented."""
    return re.search(
        rf'^{INDENT} +File "{re.escape(odd_application.__file__)}", line \d+, in {function}$',
        text,
        re.MULTILINE,
    )


def test_block_is_logged_once_and_counted(server):
    operator = User.objects.create_superuser("operator")
    health = "/admin/exports/export/health/"

    for _ in range(3):
        get(server, "/sleep/")
    wait_until(lambda: lines(server), what="it is in the log")
    page = wait_until(
        lambda: re.search(
            r"blocked for more than 0.1 s: (\d+) times", get(server, health, session_of(operator))
        ),
        what="it is on the page of health",
    )

    of_sleep = [line for line in lines(server) if "odd_application.py" in line]
    assert len(of_sleep) == 1
    assert place_in("hold", server.log_text())
    assert int(page[1]) >= 3


@pytest.mark.parametrize(("path", "function"), [("/compute/", "busy"), ("/regex/", "regex")])
def test_computing_block_is_logged(server, path, function):
    """Also if it is a single call into C, during which no other thread gets to run."""

    def is_logged():
        # Within a second of another place it is only counted.
        get(server, path)
        return place_in(function, server.log_text())

    wait_until(is_logged, what="it is in the log")


def test_idle_or_frozen_process_logs_no_block(server):
    end = time.monotonic() + 1
    while time.monotonic() < end:
        get(server, "/health/live")
    server.process.freeze()
    time.sleep(0.5)  # What stands still gives no sign that could be waited for.
    server.process.thaw()
    for _ in range(10):
        get(server, "/health/live")

    assert lines(server) == []
