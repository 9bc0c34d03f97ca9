"""A word of what comes: a toast in one tab, or a notification of the browser's if nobody looks."""

from __future__ import annotations

import re
from datetime import timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone
from playwright.sync_api import expect

from exports.lifecycle import attempts
from notifications.inbox import inbox
from notifications.streams import publish, push
from tests.support.other_thread import in_other_thread
from tests.support.starting import start_export
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Locator, Page, Route

    from exports.models import Export

pytestmark = pytest.mark.only_on("sqlite")

# Without a window no page is ever hidden, and each has the focus.
SEEN = """
Object.defineProperty(document, "hidden", { get: () => window.isAway ?? false });
"""
# The browser's own, and a list of those that this page has shown.
SHOWN = """
window.shown = [];
window.Notification = class extends Notification {
  constructor(...values) { super(...values); shown.push(this); }
};
"""
# For longer than a toast lives.
LIFE = 9_000  # ms


@pytest.fixture
def ada(transactional_db: None, page: Page, sign_in: Callable[[User], None]) -> User:
    user = User.objects.create_superuser("ada")
    sign_in(user)
    page.context.grant_permissions(["notifications"])
    page.context.add_init_script(SEEN)
    page.context.add_init_script(SHOWN)
    return user


def tell(user: User, *titles: str, **more: Any) -> None:
    @transaction.atomic
    def notify() -> None:
        for title in titles:
            inbox.notify(user, title, **more)

    in_other_thread(notify)


def look(page: Page, *, away: bool = False) -> None:
    """At this page, or away from it."""
    page.evaluate(
        "away => { isAway = away; document.dispatchEvent(new Event('visibilitychange')); }", away
    )


def toasts(page: Page) -> Locator:
    return page.locator("[data-toasts] li")


def shown(page: Page) -> list[str]:
    titles: list[str] = page.evaluate("shown.map(({ title }) => title)")
    return titles


def said(page: Page) -> Locator:
    return page.locator("[data-bell] [role=status]")


def bell(page: Page) -> Locator:
    return page.get_by_role("button", name="Notifications")


def unread(page: Page, count: int) -> None:
    expect(bell(page)).to_have_accessible_name(f"Notifications {count} unread")


def test_toasts_lie_over_the_page_until_they_are_dismissed(page: Page, ada: User) -> None:
    page.clock.install()
    page.goto("/exports/")
    heading = page.get_by_role("heading", name="New export")
    where = heading.bounding_box()

    tell(ada, "The report is done", level="success", url="/inbox/")
    expect(toasts(page)).to_have_text("Success The report is done")
    tell(ada, "The import broke", level="error")

    expect(toasts(page).nth(1)).to_have_text("Error The import broke")
    expect(said(page)).to_have_text("New: The import broke")
    expect(page.get_by_role("region", name="Latest notifications")).to_be_visible()
    assert heading.bounding_box() == where
    toasts(page).first.hover()
    page.clock.run_for(LIFE)
    expect(toasts(page)).to_have_count(2)
    page.mouse.move(0, 0)
    toasts(page).first.get_by_role("button", name="Close").focus()
    page.clock.run_for(LIFE)
    expect(toasts(page)).to_have_count(2)
    page.keyboard.press("Escape")
    # The focus is in the next one, which stays for that.
    expect(toasts(page)).to_have_text("Error The import broke")
    expect(toasts(page).get_by_role("button", name="Close")).to_be_focused()
    page.clock.run_for(LIFE)
    page.keyboard.press("Enter")
    expect(toasts(page)).to_have_count(0)
    expect(bell(page)).to_be_focused()

    tell(ada, "a", "b", "c", "d", "e")
    more = page.get_by_role("link", name="and 2 more")
    expect(more).to_have_attribute("href", "/inbox/")
    expect(toasts(page)).to_have_count(3)
    page.clock.run_for(LIFE)
    expect(toasts(page)).to_have_count(0)
    expect(more).to_be_hidden()
    unread(page, 7)

    tell(ada, "Come here", url="/inbox/")
    toasts(page).get_by_role("link", name="Come here").click()
    page.wait_for_url("**/inbox/")
    expect(bell(page)).to_have_accessible_name("Notifications")


def test_one_tab_announces_each_notification_once(page: Page, ada: User) -> None:
    page.goto("/inbox/")
    switch = page.get_by_role("switch", name="Notify me")
    expect(switch).not_to_be_checked()
    other = page.context.new_page()
    other.goto("/exports/")
    both = (page, other)

    tell(ada, "first", "second")
    wait_until(lambda: len(toasts_of(*both)) >= 2, what="both are told")
    for each in both:
        unread(each, 2)
    assert sorted(toasts_of(*both)) == ["Info first", "Info second"]

    switch.check()
    wait_until(lambda: shown(page), what="a sample")
    page.reload()
    expect(switch).to_be_checked()
    look(page, away=True)
    other.reload()
    tell(ada, "seen")
    expect(toasts(other)).to_have_text("Info seen")

    look(other, away=True)
    tell(ada, "unseen", body="Line by line.", url="/exports/")
    # Whoever is away waits before it tells, so "seen" had its turn before.
    wait_until(lambda: shown(page) + shown(other), what="it is told outside")
    for each in both:
        unread(each, 4)
    assert shown(page) + shown(other) == ["unseen"]
    assert toasts_of(*both) == ["Info seen"]

    teller = page if shown(page) else other
    assert teller.evaluate("shown[0].body") == "Line by line."
    teller.evaluate("shown[0].onclick()")
    teller.wait_for_url("**/exports/")
    for each in both:
        expect(bell(each)).to_have_accessible_name("Notifications")

    page.goto("/inbox/")
    switch.uncheck()
    look(page, away=True)
    look(other, away=True)
    tell(ada, "to nobody")
    for each in both:
        unread(each, 1)
    look(page)
    tell(ada, "to the page")
    expect(toasts(page)).to_have_text("Info to the page")
    assert shown(page) + shown(other) == []


def toasts_of(*pages: Page) -> list[str]:
    texts = [text for page in pages for text in toasts(page).all_inner_texts()]
    return [" ".join(text.split()) for text in texts]


def test_new_notifications_are_announced_and_old_only_counted(
    page: Page, ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    page.goto("/exports/")
    long_ago = timezone.now() - timedelta(minutes=2)
    with monkeypatch.context() as patch:
        patch.setattr(publish, "timezone", SimpleNamespace(now=lambda: long_ago))
        tell(ada, "missed while the line was down")
    unread(page, 1)

    def and_another(route: Route) -> None:
        """The list has it, and nothing is pushed: seconds pass until the tab hears of it."""
        with push.muted():
            tell(ada, "another")
        route.continue_()

    page.route("**/inbox/latest", and_another, times=1)
    tell(ada, "one")

    expect(toasts(page)).to_have_text(["Info one", "Info another"])
    expect(said(page)).to_have_text("New: another")
    unread(page, 3)


def test_tab_title_and_icon_show_progress_and_unseen_ends(page: Page, ada: User) -> None:
    asked: Export = in_other_thread(start_export, user=ada, exporter="flights", label="Mine")
    icon = page.locator("link[rel=icon]")
    page.goto("/inbox/")
    plain = icon.evaluate("icon => icon.href")
    page.goto(asked.get_absolute_url())
    expect(icon).not_to_have_js_property("href", plain)
    ring = icon.evaluate("icon => icon.href")
    assert ring.startswith("data:image/svg+xml,")
    # It may be shown: the page's policy lets it be an image.
    page.evaluate("url => Object.assign(new Image(), { src: url }).decode()", ring)

    look(page, away=True)
    export = in_other_thread(attempts.claim, asked.pk, worker="tests")
    in_other_thread(attempts.fail, export, "The disk is full.")

    expect(page).to_have_title("✗ “Mine” has failed")
    cross = icon.evaluate("icon => icon.href")
    assert cross not in {ring, plain}
    look(page)
    expect(page).to_have_title(re.compile("^Mine"))
    expect(icon).to_have_js_property("href", plain)

    # Its page says so by itself: not twice, and no toast of where the reader is already.
    unread(page, 1)
    again: Export = in_other_thread(start_export, user=ada, exporter="flights", label="Again")
    page.goto(again.get_absolute_url())
    export = in_other_thread(attempts.claim, again.pk, worker="tests")
    in_other_thread(attempts.succeed, export, file="x.csv", bytes=1, sha256="", rows_done=2)
    expect(page.locator("[data-announcements]")).to_have_text("“Again” is ready.")
    tell(ada, "Something else")
    expect(toasts(page)).to_have_text("Info Something else")
    expect(said(page)).to_have_text("New: Something else")
