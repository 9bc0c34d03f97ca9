"""Without a mouse, and without seeing: the keyboard alone, and what is announced."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import F
from playwright.sync_api import expect

from exports import lifecycle
from exports.lifecycle import attempts
from exports.lifecycle.announce import announce
from exports.models import Export
from exports.serialize import reload
from exports.status import Stage, Status
from tests.support.other_thread import in_other_thread
from tests.support.starting import start_export
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Locator, Page

pytestmark = pytest.mark.only_on("sqlite")

# What has the focus, if that cannot be seen or something lies over it.
HIDDEN = """() => {
    const each = document.activeElement;
    if (each === document.body) return null; // It is the browser's turn, behind the last one.
    const { left, top, width, height } = each.getBoundingClientRect();
    const over = document.elementFromPoint(left + width / 2, top + height / 2);
    const isUncovered = each.contains(over) || over?.contains(each);
    const isOutlined = getComputedStyle(each).outlineStyle !== "none";
    return isOutlined && isUncovered ? null : each.outerHTML;
}"""


@pytest.fixture
def user(transactional_db: None, sign_in: Callable[[User], None]) -> User:
    user = User.objects.create_superuser("ada")
    sign_in(user)
    return user


def tab_to(page: Page, wanted: Locator) -> None:
    """Press Tab until `wanted` has the focus, which can be seen all the way."""
    for _ in range(60):
        page.keyboard.press("Tab")
        assert page.evaluate(HIDDEN) is None
        if wanted.evaluate("each => each === document.activeElement"):
            return
    raise AssertionError(f"The keyboard does not reach {wanted}.")


def test_keyboard_starts_and_cancels_an_export(page: Page, user: User):
    page.goto("/exports/")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")

    tab_to(page, page.get_by_label("Data", exact=True))
    page.keyboard.type("Fl")
    tab_to(page, page.get_by_role("button", name="Start export"))
    page.keyboard.press("Enter")
    export = wait_until(Export.objects.first, what="the export is saved")
    card = page.locator(f"#{export.key}")
    expect(card).to_contain_text("Waiting for a worker.")
    tab_to(page, card.get_by_role("button", name="Cancel"))
    page.keyboard.press("Enter")

    expect(page.locator("[data-list=history]").locator(f"#{export.key}")).to_be_visible()
    export.refresh_from_db()
    assert (export.exporter, export.status) == ("flights", Status.CANCELLED)


def test_keyboard_opens_and_closes_a_menu_of_the_header(page: Page, user: User):
    page.goto("/exports/")
    bell = page.get_by_role("button", name="Notifications")

    tab_to(page, bell)
    page.keyboard.press("Enter")
    expect(page.locator("#bell")).to_be_visible()
    page.keyboard.press("Escape")

    expect(page.locator("#bell")).to_be_hidden()
    expect(bell).to_be_focused()


def go_on(export: Export, rows_done: int) -> None:
    """What a worker tells of its progress."""
    with transaction.atomic():
        Export.objects.filter(pk=export.pk).update(
            stage=Stage.EXTRACTING, rows_total=100, rows_done=rows_done, version=F("version") + 1
        )
        reload(export)
        announce(export)


def test_announcements_leave_the_focus_where_it_was(page: Page, user: User):
    export = in_other_thread(start_export, user=user, exporter="flights")
    page.goto("/exports/")
    card = page.locator(f"#{export.key}")
    announcer = page.locator("[data-announcements]")
    expect(announcer).to_have_attribute("role", "status")
    card.get_by_role("button", name="Cancel").focus()

    export = in_other_thread(attempts.claim, export.pk, worker="a test")
    expect(announcer).to_have_text("“Flights” has started.")
    expect(card.get_by_role("button", name="Cancel")).to_be_focused()

    in_other_thread(go_on, export, 10)
    expect(card).to_contain_text("10 of 100 rows (10%)")
    expect(announcer).to_have_text("“Flights” has started.")
    in_other_thread(go_on, export, 30)
    expect(announcer).to_have_text("“Flights”: 30% of the rows.")

    # Its button goes; what comes in its place does something else.
    card.get_by_role("button", name="Pause").focus()
    in_other_thread(lifecycle.pause, export)
    expect(card).to_contain_text("Pausing.")
    expect(card.get_by_role("link", name="Flights")).to_be_focused()
