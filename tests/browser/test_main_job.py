"""What a person sees: a bar that moves, a reload that loses nothing, a complete file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import expect

from exports.models import Export
from notifications.models import Event
from tests.browser.in_the_middle import freeze_after, shown, watch_it_move
from tests.support import flights
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Page

    from tests.services.waybill import Worker

FLIGHTS = 10_000
PASSWORD = "a password of the tests"


@pytest.fixture
def worker(start_worker: Callable[..., Worker]) -> Worker:
    """A worker that takes long. Frozen, it keeps its lease.

    It may have been frozen in the middle of a push, which then fails: seconds pass until
    the next, and the export must not be over by then.
    """
    return start_worker(**flights.SLOWLY, EXPORTS_LEASE_SECONDS="120")


@pytest.fixture
def user(transactional_db: None) -> User:
    flights.load(FLIGHTS)
    return User.objects.create_superuser("demo", password=PASSWORD)


def start_flights(page: Page) -> Export:
    page.get_by_label("Data", exact=True).select_option(label="Flights")
    page.get_by_role("button", name="Start export").click()
    return wait_until(Export.objects.first, what="the export is saved")


def logged(export: Export) -> list[str]:
    log = Event.objects.filter(stream__name=export.stream, type="log").order_by("offset")
    return [event.data["message"] for event in log]


@pytest.mark.proves("stream-once-in-order")
def test_reload_during_an_export_loses_nothing(page: Page, worker: Worker, user: User) -> None:
    page.goto("/")
    page.get_by_label("Username").fill(user.username)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    export = start_flights(page)
    bar = page.locator(f"#{export.key} progress")

    middle = watch_it_move(worker, export, bar)
    page.reload()
    assert shown(bar) == middle
    worker.thaw()
    later = freeze_after(worker, export, middle)
    wait_until(lambda: shown(bar) == later, what="the bar goes on after the reload")
    worker.thaw()

    download = page.locator(f"#{export.key}").get_by_role("link", name="Download")
    expect(download).to_be_visible(timeout=180_000)
    with page.expect_download() as coming:
        download.click()
    flights.assert_complete(Path(coming.value.path()).read_bytes())


@pytest.mark.proves("whole-log-on-late-pages")
def test_late_visitor_gets_the_whole_log_and_later_lines(
    page: Page, worker: Worker, user: User, sign_in: Callable[[User], None]
) -> None:
    sign_in(user)
    page.goto("/exports/")
    export = start_flights(page)
    freeze_after(worker, export)
    lines = page.get_by_role("log").locator("li span:last-child")

    page.goto(export.get_absolute_url())
    before = logged(export)
    expect(lines).to_have_text(before)
    worker.thaw()
    expect(page.get_by_role("link", name="Download", exact=True)).to_be_visible(timeout=180_000)
    after = logged(export)

    assert len(after) > len(before) > 0
    expect(lines).to_have_text(after)
    page.reload()
    expect(lines).to_have_text(after)
