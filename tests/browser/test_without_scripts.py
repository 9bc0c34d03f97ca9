"""The pages with JavaScript off: forms, and a reload that shows the truth."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import expect

from exports.models import Export
from exports.status import Stage, Status
from tests.support import flights
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser, Page

    from tests.services.waybill import Server, Worker

pytestmark = pytest.mark.only_on("sqlite")

PASSWORD = "a password of the tests"


@pytest.fixture
def plain(browser: Browser, server: Server) -> Iterator[Page]:
    context = browser.new_context(
        base_url=server.url, java_script_enabled=False, accept_downloads=True, locale="en-US"
    )
    yield context.new_page()
    context.close()


@pytest.fixture
def user(transactional_db: None) -> User:
    flights.load(200)
    return User.objects.create_superuser("ada", password=PASSWORD)


def test_site_works_by_forms_and_reloads_without_javascript(
    plain: Page, user: User, start_worker: Callable[..., Worker]
) -> None:
    plain.goto("/")
    plain.get_by_label("Username").fill("ada")
    plain.get_by_label("Password").fill(PASSWORD)
    plain.get_by_role("button", name="Sign in").click()

    # Start, look, cancel, retry.
    plain.get_by_label("Data", exact=True).select_option(label="Flights")
    plain.get_by_role("button", name="Start export").click()
    export = Export.objects.get()
    card = plain.locator(f"#{export.key}")
    expect(card).to_contain_text("Waiting for a worker. This export is next.")
    here = Export.objects.filter(pk=export.pk)
    here.update(status=Status.RUNNING, stage=Stage.EXTRACTING, rows_total=200, rows_done=150)
    plain.reload()
    expect(card).to_contain_text("150 of 200 rows (75%)")
    expect(card.get_by_role("progressbar")).to_have_attribute("value", "150")
    here.update(status=Status.QUEUED)
    card.get_by_role("button", name="Cancel").click()
    expect(card).to_contain_text("Cancelled. No file was created.")
    card.get_by_role("button", name="Retry").click()
    again = Export.objects.get(origin=export)

    # The file.
    start_worker()
    download = plain.locator(f"#{again.key}").get_by_role("link", name="Download")

    def is_ready() -> bool:
        plain.reload()
        return download.count() == 1

    wait_until(is_ready, what="a reload shows the file")
    with plain.expect_download() as coming:
        download.click()
    flights.assert_complete(Path(coming.value.path()).read_bytes())

    # What was told of it, and another language.
    plain.get_by_role("button", name="Notifications").click()
    plain.get_by_role("link", name="All notifications").click()
    plain.get_by_role("main").get_by_role("button", name="Mark all as read").click()
    expect(plain.get_by_role("button", name="Notifications")).to_have_accessible_name(
        "Notifications"
    )
    plain.get_by_role("button", name="Deutsch").click()
    expect(plain).to_have_url("/inbox/")
    expect(plain.get_by_role("heading", name="Benachrichtigungen", level=1)).to_be_visible()
    expect(plain.get_by_text("„Flüge“ ist fertig.").last).to_be_visible()
