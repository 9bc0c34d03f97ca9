"""Several tabs of one browser: one connection for all, and every line once in each."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import expect

from exports import lifecycle
from notifications.models import Event
from notifications.streams import backlog
from notifications.streams.access import user_stream
from tests.support.other_thread import in_other_thread
from tests.support.starting import start_export
from tests.support.streaming import append
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import BrowserContext, Locator, Page

    from exports.models import Export
    from tests.services.waybill import Server

# On a busy machine, and with the waits between attempts, which go up to half a minute.
IN_TIME = 90_000  # ms
# A part of a page, beside those that are there already. It shares their connection.
FOLLOW = """
async ([user, stream, cursor]) => {
  const { follow } = await import("/static/notifications/tabs/follow.js");
  window.seen ??= [];
  window.part = follow({
    url: "/ws/streams/",
    user: String(user),
    streams: { [stream]: cursor },
    onEvent: ({ stream, offset }) => window.seen.push(`${stream} ${offset}`),
  });
}
"""


pytestmark = pytest.mark.only_on("sqlite")


@pytest.fixture
def server(development: Server) -> Server:
    """Where a test finds the scripts under their own names."""
    return development


@pytest.fixture
def user(transactional_db: None, sign_in: Callable[[User], None]) -> User:
    user = User.objects.create_superuser("demo")
    sign_in(user)
    return user


@pytest.fixture
def export(user: User) -> Export:
    """One that waits: its log is the test's to write."""
    return in_other_thread(start_export, user=user, exporter="flights")


def log(export: Export, *messages: object) -> None:
    for message in messages:
        in_other_thread(
            append, export.stream, "log", level="INFO", message=str(message), logger="tests"
        )


def flood(export: Export, count: int) -> None:
    """That many lines in one transaction."""
    types = ["log"] * count
    in_other_thread(
        append, export.stream, *types, level="INFO", message="one of many", logger="tests"
    )


def lines(page: Page) -> Locator:
    return page.get_by_role("log").locator("li span:last-child")


def notice(page: Page) -> Locator:
    return page.get_by_text("Reconnecting…")


def tab(context: BrowserContext, export: Export) -> Page:
    """Another tab with the page of `export`."""
    page = context.new_page()
    page.goto(export.get_absolute_url())
    return page


def expect_all(export: Export, *pages: Page) -> None:
    """What each page shows is what the table has: each line once, in its order."""
    events = Event.objects.filter(stream__name=export.stream, type="log").order_by("offset")
    messages = [event.data["message"] for event in events]
    assert messages
    for page in pages:
        expect(lines(page)).to_have_text(messages, timeout=IN_TIME)


def sockets(server: Server) -> int:
    """How many the server has accepted in this test, or since it was restarted in it."""
    return len(_ports(server, "WSCONNECT"))


def left(server: Server) -> int:
    """How many of those have gone."""
    return len(_ports(server, "WSCONNECT") & _ports(server, "WSDISCONNECT"))


def _ports(server: Server, what: str) -> set[str]:
    """The clients' ports of sockets to which that has happened."""
    return set(re.findall(rf':(\d+) - - \S+ "{what} /ws/streams/"', server.log_text()))


@pytest.mark.proves("tabs-share-a-connection")
def test_tabs_share_one_connection_and_each_has_every_line(
    page: Page, export: Export, server: Server
) -> None:
    page.goto(export.get_absolute_url())
    second = tab(page.context, export)
    log(export, "for both", "of them")
    expect_all(export, page, second)

    page.close()
    log(export, "for who is left")

    expect_all(export, second)
    assert (sockets(server), left(server)) == (1, 0)


def test_change_of_an_export_updates_all_tabs(page: Page, export: Export) -> None:
    page.goto("/exports/")
    second = tab(page.context, export)
    for each in (page, second):
        expect(each.get_by_text("Waiting for a worker").first).to_be_visible()

    in_other_thread(lifecycle.cancel, export)

    for each in (page, second):
        expect(each.get_by_text("Cancelled").first).to_be_visible(timeout=IN_TIME)


@pytest.mark.proves("tabs-share-a-connection")
def test_late_subscriber_of_a_tab_catches_up_without_duplicates(
    page: Page, export: Export, user: User, server: Server
) -> None:
    old = in_other_thread(backlog.current_cursor, export.stream)
    page.goto(export.get_absolute_url())
    second = tab(page.context, export)
    log(export, *range(5))
    expect_all(export, page, second)

    second.evaluate(FOLLOW, [user.pk, export.stream, old])
    log(export, "and one more")

    events = Event.objects.filter(stream__name=export.stream, type="log").order_by("offset")
    wait_until(lambda: second.evaluate("seen.length") >= 6, 90, "the part has all")
    expect_all(export, page, second)
    assert second.evaluate("seen") == [f"{export.stream} {each.offset}" for each in events]
    assert sockets(server) == 1


@pytest.mark.proves("tabs-share-a-connection")
def test_frozen_tab_catches_up_when_it_wakes(page: Page, export: Export) -> None:
    page.goto(export.get_absolute_url())
    second = tab(page.context, export)
    log(export, "before")
    expect_all(export, page, second)
    # Without a window no page is ever hidden, and only hidden ones can be frozen. A page in
    # its debugger stands as still: it runs nothing, and reads no message.
    debugger = page.context.new_cdp_session(second)
    debugger.send("Debugger.enable")

    debugger.send("Debugger.pause")
    flood(export, 1500)  # More than a tab may have unread.
    log(export, "meanwhile")
    expect_all(export, page)
    debugger.send("Debugger.resume")

    expect_all(export, second)
    log(export, "after")
    expect_all(export, page, second)


@pytest.mark.proves("tabs-share-a-connection")
@pytest.mark.parametrize(
    "script",
    [
        "delete window.SharedWorker",
        # As when it may not be loaded.
        """
        const Original = SharedWorker;
        window.SharedWorker = function (url, options) {
          return new Original(url.href.replace("worker.js", "none.js"), options);
        };
        """,
    ],
    ids=["there is none", "it does not start"],
)
def test_tab_without_shared_worker_has_its_own_connection(
    page: Page, export: Export, server: Server, script: str
) -> None:
    page.context.add_init_script(script)
    page.goto(export.get_absolute_url())
    second = tab(page.context, export)

    log(export, "for each")

    expect_all(export, page, second)
    assert sockets(server) == 2


@pytest.mark.proves("tabs-share-a-connection")
def test_lost_shared_worker_is_replaced(page: Page, export: Export, server: Server) -> None:
    page.context.clock.install()
    page.goto(export.get_absolute_url())
    second = tab(page.context, export)
    log(export, "before")
    expect_all(export, page, second)
    session = page.context.browser.new_browser_cdp_session()  # type: ignore[union-attr]
    # Not that of an earlier test, which may still be ending.
    own = page.context.new_cdp_session(page).send("Target.getTargetInfo")["targetInfo"]

    def workers() -> set[str]:
        targets: list[dict[str, Any]] = session.send("Target.getTargets")["targetInfos"]
        return {
            each["targetId"]
            for each in targets
            if each["type"] == "shared_worker"
            and each["browserContextId"] == own["browserContextId"]
        }

    def is_replaced() -> bool:
        """Until then time passes quickly: it is most of a minute before a tab gives it up."""
        if workers() - {worker}:
            return True
        page.context.clock.run_for(1000)
        return False

    [worker] = workers()
    session.send("Target.closeTarget", {"targetId": worker})
    log(export, "meanwhile")
    wait_until(is_replaced, 90, "there is another")

    expect_all(export, page, second)
    assert sockets(server) == 2


@pytest.mark.proves("tabs-share-a-connection")
def test_all_tabs_wait_for_a_restarting_server(page: Page, export: Export, server: Server) -> None:
    page.goto(export.get_absolute_url())
    second = tab(page.context, export)
    log(export, "before")
    expect_all(export, page, second)

    server.stop()
    for each in (page, second):
        expect(notice(each)).to_be_visible(timeout=IN_TIME)
    log(export, "meanwhile")
    server.restart()

    for each in (page, second):
        expect(notice(each)).to_be_hidden(timeout=IN_TIME)
    expect_all(export, page, second)
    assert sockets(server) == 1


def test_sign_out_in_one_tab_is_shown_in_all_tabs(page: Page, export: Export) -> None:
    page.goto("/exports/")
    second = tab(page.context, export)
    log(export, "before")
    expect_all(export, second)

    page.get_by_role("button", name="Sign out").click()

    expect(second.get_by_text("You have been signed out.")).to_be_visible(timeout=2 * IN_TIME)


def test_sign_in_as_another_user_opens_a_new_connection(
    page: Page, export: Export, server: Server, sign_in: Callable[[User], None]
) -> None:
    page.goto(export.get_absolute_url())
    log(export, "before")
    expect_all(export, page)
    other = User.objects.create_user("other")

    sign_in(other)
    second = page.context.new_page()
    second.goto("/exports/")
    for stream in (export.stream, user_stream(other)):
        second.evaluate(FOLLOW, [other.pk, stream, None])
    in_other_thread(append, user_stream(other), "for the other")
    log(export, "for the first")

    expect_all(export, page)
    wait_until(lambda: second.evaluate("seen.length"), 90, "the other's event comes")
    assert second.evaluate("seen") == [f"{user_stream(other)} 1"]
    assert sockets(server) == 2


def test_page_from_the_back_cache_continues(page: Page, export: Export) -> None:
    page.goto(export.get_absolute_url())
    log(export, "before")
    expect_all(export, page)

    page.goto("/exports/")
    log(export, "meanwhile")
    page.go_back()

    expect_all(export, page)
    log(export, "after")
    expect_all(export, page)
