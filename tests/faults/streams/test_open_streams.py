"""Many open streams in one web process: what each of them holds."""

from __future__ import annotations

import http.client
from contextlib import ExitStack, closing

import pytest

from notifications.api import tokens
from tests.services.waybill import HOST
from tests.support.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)

OPEN = 60


@pytest.fixture
def opened():
    """What is put into it is closed at the end of the test."""
    with ExitStack() as stack:
        yield stack


@pytest.fixture
def ask(ada, opened):
    """Send a request for Ada's stream, and leave the connection open."""
    headers = {"Authorization": f"Bearer {tokens.create(ada)}"}

    def ask(web, rest):
        asked = opened.enter_context(
            closing(http.client.HTTPConnection(HOST, web.port, timeout=60))
        )
        asked.request("GET", f"/api/v1/streams/user-{ada.pk}{rest}", headers=headers)
        return asked

    return ask


@pytest.mark.proves("idle-streams-hold-no-thread")
@pytest.mark.parametrize("rest", ["/sse", "?wait=25&after=latest"], ids=["sse", "long poll"])
def test_streams_that_wait_hold_no_threads(start_web, ask, rest):
    web = start_web(NOTIFICATIONS_MAX_CONNECTIONS="0")
    for _ in range(OPEN):
        ask(web, rest)
    wait_until(lambda: web.inside().connections == OPEN, what="all streams are open")

    wait_until(lambda: web.inside().threads < OPEN // 4, timeout=5, what="threads have ended")

    assert web.inside().connections == OPEN
