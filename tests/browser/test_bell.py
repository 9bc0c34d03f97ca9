"""The bell: its count moves by itself, and what is read in one place is read in all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.contrib.auth.models import User
from django.db import transaction
from playwright.sync_api import expect

from notifications.inbox import notify
from tests.support.other_thread import in_other_thread

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Locator, Page

pytestmark = pytest.mark.only_on("sqlite")


@pytest.fixture
def ada(transactional_db, sign_in: Callable[[User], None]) -> User:
    user = User.objects.create_user("ada")
    sign_in(user)
    return user


def tell(user: User, title: str, **more: str) -> None:
    in_other_thread(transaction.atomic(notify), user, title, **more)


def bell(page: Page) -> Locator:
    return page.get_by_role("button", name="Notifications")


def panel(page: Page) -> Locator:
    return page.locator("#bell")


def test_bell_counts_and_shows_new_notifications(page: Page, ada: User):
    tell(ada, "The first")
    page.goto("/exports/")
    expect(bell(page)).to_have_accessible_name("Notifications 1 unread")

    tell(ada, "The second", body="With more to say.", url="/inbox/")

    expect(bell(page)).to_have_accessible_name("Notifications 2 unread")
    expect(page.locator("[data-bell] [role=status]")).to_have_text("New: The second")
    bell(page).click()
    expect(panel(page).get_by_role("listitem")).to_have_count(2)
    expect(panel(page).get_by_role("listitem").first).to_contain_text("With more to say.")


def test_open_panel_shows_new_notifications(page: Page, ada: User):
    page.goto("/exports/")
    bell(page).click()
    expect(panel(page)).to_contain_text("Notifications will appear here.")

    tell(ada, "Something has happened")

    expect(panel(page).get_by_role("listitem")).to_contain_text("Something has happened")


def test_notification_read_in_one_tab_is_read_in_all(page: Page, ada: User):
    tell(ada, "The first")
    tell(ada, "The second")
    page.goto("/exports/")
    other = page.context.new_page()
    other.goto("/inbox/")
    expect(bell(other)).to_have_accessible_name("Notifications 2 unread")

    bell(page).click()
    panel(page).get_by_role("button", name="Mark all as read").click()

    for each in (page, other):
        expect(bell(each)).to_have_accessible_name("Notifications")
    expect(panel(page).get_by_role("button")).to_have_count(0)


def test_followed_link_marks_it_and_older_notifications_read(page: Page, ada: User):
    tell(ada, "The first")
    tell(ada, "The second", url="/inbox/")
    tell(ada, "The third")
    page.goto("/exports/")
    bell(page).click()

    panel(page).get_by_role("link", name="The second").click()

    page.wait_for_url("**/inbox/")
    expect(bell(page)).to_have_accessible_name("Notifications 1 unread")


def test_panel_works_without_javascript(page: Page, ada: User, server, browser):
    tell(ada, "The first")
    plain = browser.new_context(
        base_url=server.url, java_script_enabled=False, storage_state=page.context.storage_state()
    )
    visitor = plain.new_page()
    visitor.goto("/exports/")

    bell(visitor).click()
    panel(visitor).get_by_role("button", name="Mark all as read").click()

    visitor.wait_for_url("**/inbox/")
    expect(bell(visitor)).to_have_accessible_name("Notifications")
    plain.close()
