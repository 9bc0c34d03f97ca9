"""Fast to the eye, as a production install sends it: what is loaded, and what moves."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import expect

from exports import lifecycle
from exports.models import Export
from exports.status import Status
from tests.support import exporting
from tests.support.other_thread import in_other_thread
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

    from tests.services.waybill import Server

pytestmark = pytest.mark.only_on("sqlite")

PASSWORD = "a password of the tests"
LIVE, HISTORY = 50, 500
KB = 1000
# Where each piece of the page that has moved was, and is. What a reader did is not counted.
NOTE_SHIFTS = """
globalThis.shifts = [];
new PerformanceObserver((list) => {
  for (const { value, hadRecentInput, sources } of list.getEntries()) {
    if (hadRecentInput) continue;
    shifts.push([value, ...sources.map(({ node }) => node?.outerHTML?.slice(0, 100))]);
  }
}).observe({ type: "layout-shift", buffered: true });
"""
BYTES = """() => ["navigation", "resource"].flatMap((type) =>
  performance.getEntriesByType(type).map((each) => [
    new URL(each.name).pathname, each.transferSize, each.decodedBodySize,
  ]))"""


@pytest.fixture
def ada(transactional_db: None) -> User:
    return User.objects.create_superuser("ada", password=PASSWORD)


def sign_in(page: Page) -> None:
    page.goto("/login/")
    page.get_by_label("Username").fill("ada")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/exports/")


def asked(server: Server, since: int) -> list[str]:
    """What the server was asked for: "GET /exports/". Sockets are asked for as WSCONNECTING."""
    log = server.log_text()[since:]
    return [re.sub(r"\.[0-9a-f]{12}\.", ".", each) for each in re.findall(r'"([A-Z]+ \S+)"', log)]


def test_dashboard_loads_one_page_two_files_and_a_socket(
    page: Page, server: Server, ada: User, browser: Browser
) -> None:
    exporting.make_exports(ada, LIVE, HISTORY)
    sign_in(page)
    visitor = browser.new_context(  # Its cache is empty.
        base_url=server.url, storage_state=page.context.storage_state()
    )
    visited = visitor.new_page()
    before = len(server.log_text())

    visited.goto("/exports/")
    wait_until(lambda: "WSCONNECT /ws/streams/" in asked(server, before), what="the socket")

    # The tabs' worker is the page's script again, which the browser has by then.
    assert sorted(asked(server, before)) == [
        "GET /exports/",
        "GET /static/exports/page.js",
        "GET /static/exports/waybill.css",
        "WSCONNECT /ws/streams/",
        "WSCONNECTING /ws/streams/",
    ]
    loaded = visited.evaluate(BYTES)
    assert len(loaded) == 3
    assert all(size for _, size, _ in loaded), loaded
    assert sum(size for _, size, _ in loaded) < 100 * KB, loaded
    assert sum(size for *_, size in loaded) < 400 * KB, "as much is parsed"
    expect(visited.locator("[data-list=live] progress")).to_have_count(LIVE)

    # Another tab takes the same socket, the admin's too.
    before = len(server.log_text())
    export = Export.objects.filter(status=Status.RUNNING).latest("created_at")
    admin = visitor.new_page()
    admin.goto("/admin/exports/export/?status__exact=running")
    in_other_thread(lifecycle.cancel, export, by=ada)
    status = f"[data-export='{export.pk}'][data-cell=status]"
    expect(admin.locator(status)).to_have_text("Cancelling")
    expect(visited.locator(f"#{export.key}")).to_contain_text("Cancelling. The worker stops")
    assert not {"WSCONNECTING /ws/streams/", "GET /static/exports/page.js"} & set(
        asked(server, before)
    )
    visitor.close()


def test_layout_does_not_shift_when_a_bar_becomes_a_link(page: Page, ada: User) -> None:
    exporting.make_flights(range(1, 100))
    export, other = in_other_thread(exporting.start, ada), in_other_thread(exporting.start, ada)
    exporting.make_exports(ada, 1, 3)
    sign_in(page)
    page.add_init_script(NOTE_SHIFTS)
    page.set_viewport_size({"width": 1280, "height": 1100})
    page.goto("/exports/")
    card = page.locator(f"#{export.key}")
    expect(card.locator("progress")).to_be_visible()
    history = page.locator("[data-list=history] [data-export]")
    before = history.first.bounding_box()
    assert before is not None
    assert before["y"] < page.evaluate("innerHeight"), "what is not seen is not counted"

    # Before, times were put into the reader's zone and words, which may be longer.
    page.evaluate("shifts.length = 0")
    in_other_thread(exporting.run, export)

    expect(card.get_by_role("link", name="Download")).to_be_visible()
    assert history.first.bounding_box() == before
    # Reports of what has moved come with the frames that are drawn.
    page.evaluate("new Promise((done) => requestAnimationFrame(() => setTimeout(done, 100)))")
    assert page.evaluate("shifts") == []

    # Who wants it in the history asks for it.
    page.get_by_role("button", name="Move 1 to history").press("Enter")
    expect(page.locator(f"[data-list=history] #{export.key}")).to_be_visible()
    expect(page.get_by_role("heading", name="History")).to_be_focused()
    expect(page.locator("[data-tidy]")).to_be_hidden()

    # And what has ended goes there when nobody looks.
    in_other_thread(exporting.run, other)
    expect(page.locator("[data-tidy]")).to_have_text("Move 1 to history")
    page.evaluate(
        """() => {
            Object.defineProperty(document, "hidden", { value: true, configurable: true });
            document.dispatchEvent(new Event("visibilitychange"));
        }"""
    )
    expect(page.locator(f"[data-list=history] #{other.key}")).to_be_visible()
    expect(history).to_have_count(5)
    expect(page.locator("[data-list=live] [data-export]")).to_have_count(1)
