"""The admin as a person uses it: filter, export, and watch the bars of everybody's exports."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import expect

from demo.models import Flight
from exports.models import Export
from exports.spec import queryset
from tests.browser.in_the_middle import watch_it_move
from tests.support import flights
from tests.support.starting import start_export
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Locator, Page

    from tests.services.waybill import Server, Worker

pytestmark = pytest.mark.only_on("sqlite")

FLIGHTS = 2_000


@pytest.fixture
def user(transactional_db: None) -> User:
    flights.load(FLIGHTS)
    return User.objects.create_superuser("operator")


@pytest.fixture
def admin_page(page: Page, sign_in: Callable[[User], None], user: User) -> Page:
    """Signed in. What its pages load and run is what their security policy allows."""
    sign_in(user)
    page.add_init_script(
        "addEventListener('securitypolicyviolation', (event) => {"
        " throw new Error(`refused: ${event.violatedDirective} ${event.blockedURI}`); });"
    )
    return page


def right_of(part: Locator) -> float:
    box = part.bounding_box()
    assert box is not None
    return box["x"] + box["width"]


def test_filtered_list_becomes_a_file_of_its_rows(
    admin_page: Page, start_worker: Callable[..., Worker]
) -> None:
    start_worker()
    admin_page.goto("/admin/demo/flight/")
    admin_page.get_by_role("link", name="United Air Lines Inc.").click()
    admin_page.locator("#searchbar").fill("IAH")
    admin_page.get_by_role("button", name="Search").click()

    admin_page.get_by_role("link", name="Export…").click()
    expect(
        admin_page.get_by_text("Flights: carrier is United Air Lines Inc.; search “IAH”")
    ).to_be_visible()
    expect(admin_page.get_by_role("button", name="Export")).to_be_in_viewport(ratio=1)
    # As they will be in the file, and not in capitals as the admin's own.
    expect(admin_page.locator(".cells th").first).to_have_text("id", use_inner_text=True)
    admin_page.get_by_label("CSV").check()
    admin_page.get_by_role("button", name="Export").click()

    expect(admin_page).to_have_url(re.compile(r"/exports/[0-9a-f-]{36}/$"))
    with admin_page.expect_download() as download:
        admin_page.get_by_role("link", name="Download", exact=True).click()
    wanted = Flight.objects.filter(carrier="UA", dest_code="IAH").order_by("pk")
    lines = download.value.path().read_text().splitlines()
    assert len(wanted) > 20
    assert [line.split(",")[0] for line in lines[1:]] == [str(each.pk) for each in wanted]


def test_selection_across_pages_is_exported_by_its_filter(admin_page: Page) -> None:
    admin_page.goto("/admin/demo/flight/?carrier__carrier__exact=UA")
    admin_page.locator("#action-toggle").check()
    admin_page.locator(".actions .question a").click()
    admin_page.locator("select[name=action]").select_option("export_selected")
    admin_page.get_by_role("button", name="Go").click()
    admin_page.get_by_role("button", name="Export").click()

    export = wait_until(Export.objects.first, what="the export is saved")
    assert "keys" not in export.params["changelist"]
    assert (
        queryset.rows_and_columns(export)[0].count()
        == Flight.objects.filter(carrier="UA").count()
        > 100
    )


def test_ticked_rows_are_exported(admin_page: Page) -> None:
    admin_page.goto("/admin/demo/flight/")
    boxes = admin_page.locator("input.action-select")
    keys = [boxes.nth(number).get_attribute("value") for number in (0, 2)]
    for number in (0, 2):
        boxes.nth(number).check()
    admin_page.locator("select[name=action]").select_option("export_selected")
    admin_page.get_by_role("button", name="Go").click()
    expect(admin_page.get_by_text("2 selected flights")).to_be_visible()
    admin_page.get_by_role("button", name="Export").click()

    export = wait_until(Export.objects.first, what="the export is saved")
    assert sorted(
        map(str, queryset.rows_and_columns(export)[0].values_list("pk", flat=True))
    ) == sorted(keys)


def test_list_of_exports_updates_live(
    admin_page: Page, user: User, start_worker: Callable[..., Worker]
) -> None:
    flights.load(10_000)
    export = start_export(user=user, exporter="flights")
    admin_page.goto("/admin/exports/export/")
    row = admin_page.locator("#result_list tbody tr")
    bar = row.get_by_label("Progress of Flights")
    expect(row).to_contain_text("Queued")
    admin_page.evaluate("window.isTheSamePage = true")

    # Frozen, it keeps its lease for long.
    worker = start_worker(**flights.SLOWLY, EXPORTS_LEASE_SECONDS="120")
    watch_it_move(worker, export, bar)
    expect(row).to_contain_text("Running")

    worker.thaw()
    expect(row).to_contain_text("Succeeded", timeout=60_000)
    expect(bar).to_be_hidden()
    expect(row.locator("[data-cell=rows]")).to_have_text("10,000")
    expect(row.locator("[data-cell=took]")).to_have_text(re.compile(r"^\d+\u00a0sec$"))
    expect(row.get_by_role("link", name="Download Flights")).to_be_visible()
    expect(admin_page.locator("[data-news]")).to_be_hidden()
    # Nobody takes the second export up, so its bar stays.
    worker.stop()
    start_export(user=user, exporter="flights", label=f"Somebody's {'long ' * 30}name")
    expect(admin_page.get_by_text("New exports: 1.")).to_be_visible()
    assert admin_page.evaluate("window.isTheSamePage")
    admin_page.get_by_role("link", name="Show", exact=True).click()
    expect(admin_page.locator("#result_list")).to_contain_text("Somebody's")

    # A long label takes nothing that matters out of sight.
    admin_page.set_viewport_size({"width": 1100, "height": 800})
    newest, edge = row.first, right_of(admin_page.locator(".results"))
    expect(newest.get_by_title(re.compile("^Somebody's .* name$"))).to_be_visible()
    for part in ("[data-cell=status]", "progress", "[data-cell=rows]", "time", "bdi"):
        assert right_of(newest.locator(part)) <= edge, part


def test_list_shows_a_notice_while_it_is_disconnected(
    admin_page: Page, user: User, server: Server
) -> None:
    start_export(user=user, exporter="flights")
    admin_page.goto("/admin/exports/export/")
    notice = admin_page.get_by_text("Reconnecting…")
    expect(notice).to_be_hidden()

    server.stop()
    expect(notice).to_be_visible()
    server.restart()
    expect(notice).to_be_hidden(timeout=40_000)


def test_export_page_is_live_with_its_parts_and_buttons(
    admin_page: Page, user: User, start_worker: Callable[..., Worker]
) -> None:
    flights.load(10_000)
    export = start_export(user=user, exporter="flights")
    admin_page.goto(f"/admin/exports/export/{export.pk}/change/")
    panel = admin_page.locator(".waybill-panel")
    bar, parts = panel.get_by_label("Progress"), admin_page.locator("#parts-group")
    expect(panel).to_contain_text("Waiting for a worker. This export is next.")
    admin_page.evaluate("window.isTheSamePage = true")

    # Frozen, it keeps its lease for long.
    worker = start_worker(**flights.SLOWLY, EXPORTS_LEASE_SECONDS="120")
    watch_it_move(worker, export, bar)
    expect(panel).to_contain_text("Running")
    expect(panel).to_contain_text("rows/s")
    expect(admin_page.locator("[data-announcements]")).to_have_text(re.compile("^“Flights”"))
    # What is below the panel comes with the page itself, some seconds later.
    done = export.parts.filter(status="done").count()
    expect(parts.get_by_text("Done", exact=True)).to_have_count(done)
    expect(parts).to_contain_text(worker.name)
    assert admin_page.evaluate("window.isTheSamePage")

    # Thawed first: SQLite has one writer, and it may have been frozen while it wrote.
    worker.thaw()
    panel.get_by_role("button", name="Pause").click()
    expect(admin_page.get_by_text("The export is being paused.")).to_be_visible()
    admin_page.evaluate("window.isTheSamePage = true")
    expect(panel).to_contain_text("Paused. Finished parts are kept.")
    expect(admin_page.locator(".field-status .readonly")).to_have_text("Paused")
    assert admin_page.evaluate("window.isTheSamePage")

    panel.get_by_role("button", name="Resume").click()
    expect(panel).to_contain_text("Succeeded", timeout=60_000)
    expect(panel.get_by_role("button")).to_have_text(["Run again"])
    with admin_page.expect_download() as download:
        panel.get_by_role("link", name="Download").click()
    assert len(download.value.path().read_text().splitlines()) == 10_001
