"""A page whose connection breaks, or that gets none: it ends with every line, once, in order."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import expect

from notifications.models import Event
from tests.browser.line import Line
from tests.services import nginx
from tests.support.other_thread import in_other_thread
from tests.support.starting import start_export
from tests.support.streaming import append
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Locator, Page

    from exports.models import Export
    from tests.services.processes import Run
    from tests.services.waybill import Server

# On a busy machine, and with the waits between attempts, which go up to half a minute.
IN_TIME = 90_000  # ms

on_linux = pytest.mark.skipif(not nginx.IS_AVAILABLE, reason="nginx's wheel is for Linux")


@pytest.fixture
def export(transactional_db: None, sign_in: Callable[[User], None]) -> Export:
    """One that waits: its log is the test's to write."""
    user = User.objects.create_superuser("demo")
    sign_in(user)
    return in_other_thread(start_export, user=user, exporter="flights")


@pytest.fixture
def line(server: Server) -> Iterator[Line]:
    line = Line(server.port)
    yield line
    line.close()


def log(export: Export, *messages: object) -> None:
    for message in messages:
        in_other_thread(
            append, export.stream, "log", level="INFO", message=str(message), logger="tests"
        )


@contextmanager
def logging_all_the_time(export: Export) -> Iterator[Callable[[], int]]:
    """Write numbered lines until the block ends. It is given how many there are."""
    ends = threading.Event()
    count = 0

    def write() -> None:
        nonlocal count
        while not ends.wait(0.05):
            log(export, f"while it ran {count}")
            count += 1

    writer = threading.Thread(target=write)
    writer.start()
    try:
        yield lambda: count
    finally:
        ends.set()
        writer.join()


def lines(page: Page) -> Locator:
    return page.get_by_role("log").locator("li span:last-child")


def notice(page: Page) -> Locator:
    return page.get_by_text("Reconnecting…")


def expect_all(page: Page, export: Export) -> None:
    """What the page shows is what the table has: each line once, in its order."""
    events = Event.objects.filter(stream__name=export.stream, type="log").order_by("offset")
    messages = [event.data["message"] for event in events]
    assert len(messages) > 1
    expect(lines(page)).to_have_text(messages, timeout=IN_TIME)


def open_live(page: Page, export: Export, url: str = "") -> None:
    """Open the page of `export`, and wait until a line comes by itself."""
    page.goto(url + export.get_absolute_url())
    log(export, "by itself")
    expect(lines(page)).to_have_text(["by itself"], timeout=IN_TIME)
    # A page that reloads itself would show all, too.
    page.evaluate("window.isTheSamePage = true")


def assert_same(page: Page) -> None:
    assert page.evaluate("window.isTheSamePage"), "the page was loaded again"


@pytest.mark.proves("pages-reconnect")
def test_reload_while_lines_arrive_loses_no_line(page: Page, export: Export) -> None:
    open_live(page, export)

    with logging_all_the_time(export) as written:
        for reload in range(3):
            wait_until(lambda: written() >= 5 * (reload + 1), what="lines are written")  # noqa: B023
            page.reload()

    expect_all(page, export)


@pytest.mark.proves("pages-reconnect")
def test_page_that_was_offline_catches_up(page: Page, export: Export, line: Line) -> None:
    open_live(page, export, line.url)
    expect(notice(page)).to_be_hidden()

    with logging_all_the_time(export) as written:
        page.context.set_offline(True)
        line.cut()
        expect(notice(page)).to_be_visible(timeout=IN_TIME)
        before = written()
        wait_until(lambda: written() > before + 5, what="lines are written meanwhile")
        line.mend()
        page.context.set_offline(False)
        expect(notice(page)).to_be_hidden(timeout=IN_TIME)

    expect_all(page, export)
    assert_same(page)


@pytest.mark.proves("pages-reconnect")
def test_connection_that_breaks_repeatedly_loses_no_line(
    page: Page, export: Export, line: Line
) -> None:
    open_live(page, export, line.url)

    with logging_all_the_time(export):
        for _ in range(5):
            shown = lines(page).count()
            line.cut()
            line.mend()
            wait_until(lambda: lines(page).count() > shown, 90, "a line comes after the break")  # noqa: B023

    expect_all(page, export)
    assert_same(page)


@pytest.mark.proves("pages-reconnect")
def test_server_that_restarts_is_waited_for(page: Page, export: Export, server: Server) -> None:
    open_live(page, export)

    with logging_all_the_time(export):
        server.stop()
        expect(notice(page)).to_be_visible(timeout=IN_TIME)
        server.restart()
        expect(notice(page)).to_be_hidden(timeout=IN_TIME)

    expect_all(page, export)
    assert_same(page)


@pytest.mark.proves("pages-reconnect")
def test_server_that_falls_silent_is_noticed(
    page: Page, export: Export, start_server: Callable[..., Server]
) -> None:
    server = start_server(NOTIFICATIONS_HEARTBEAT_SECONDS="1")
    open_live(page, export, server.url)

    server.process.freeze()
    expect(notice(page)).to_be_visible(timeout=IN_TIME)
    log(export, "while it was frozen")
    server.process.thaw()

    expect(notice(page)).to_be_hidden(timeout=IN_TIME)
    expect_all(page, export)
    assert_same(page)


# -- What a proxy does not let through -----------------------------------------------------

NO_WEBSOCKETS = "location /ws/ { return 403; }"
NO_EVENTS = "location ~ /sse$ { return 403; }"
# It compresses, and so keeps what comes until there is enough of it to be worth sending.
HELD_EVENTS = """
location ~ /sse$ {
    proxy_pass http://web;
    proxy_ignore_headers X-Accel-Buffering;
    gzip on;
    gzip_types text/event-stream;
    gzip_min_length 0;
}
"""


@contextmanager
def proxy(run: Run, server: Server, *locations: str) -> Iterator[str]:
    service = nginx.Nginx(run, [server.port], "\n".join(locations))
    yield service.url
    service.stop()


def polls(server: Server, export: Export) -> int:
    """How often the stream was asked for. What is held open is not counted before its end."""
    return server.log_text().count(f'"GET /api/v1/streams/{export.stream}?')


@pytest.mark.proves("live-without-websockets")
@on_linux
def test_page_uses_server_sent_events_without_websockets(
    page: Page, export: Export, server: Server, run: Run
) -> None:
    with proxy(run, server, NO_WEBSOCKETS) as url:
        open_live(page, export, url)
        asked = polls(server, export)

        with logging_all_the_time(export):
            wait_until(lambda: lines(page).count() > 20, 90, "lines come by themselves")

        expect_all(page, export)
        expect(notice(page)).to_be_hidden()
        assert polls(server, export) == asked
        assert_same(page)


@pytest.mark.proves("live-without-websockets")
@on_linux
@pytest.mark.parametrize("events", [NO_EVENTS, HELD_EVENTS], ids=["forbidden", "held back"])
def test_page_polls_without_websockets_and_server_sent_events(
    page: Page, export: Export, server: Server, run: Run, events: str
) -> None:
    with proxy(run, server, NO_WEBSOCKETS, events) as url:
        open_live(page, export, url)
        expect(notice(page)).to_be_hidden(timeout=IN_TIME)
        asked = polls(server, export)

        with logging_all_the_time(export):
            wait_until(lambda: polls(server, export) > asked + 2, 90, "it asks again")

        expect_all(page, export)
        expect(notice(page)).to_be_hidden()
        assert_same(page)


@pytest.mark.proves("live-without-websockets")
@on_linux
def test_restart_behind_a_proxy_without_websockets_loses_nothing(
    page: Page, export: Export, server: Server, run: Run
) -> None:
    with proxy(run, server, NO_WEBSOCKETS) as url:
        open_live(page, export, url)

        with logging_all_the_time(export):
            server.stop()
            expect(notice(page)).to_be_visible(timeout=IN_TIME)
            server.restart()
            expect(notice(page)).to_be_hidden(timeout=IN_TIME)

        expect_all(page, export)
        assert_same(page)
