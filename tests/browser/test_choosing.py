"""Choosing what to export, as a person does: by mouse, by keyboard, and without scripts."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import openpyxl
import pytest
from django.contrib.auth.models import User
from django.core.files.storage import default_storage
from playwright.sync_api import expect

from exports.models import Export, Preset
from exports.status import Status
from tests.support import flights
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Browser, Page

    from tests.services.waybill import Server, Worker

# Which database it is makes no difference to what is seen.
pytestmark = pytest.mark.only_on("sqlite")

FLIGHTS = 1_000


@pytest.fixture
def user(transactional_db: None, sign_in: Callable[[User], None]) -> User:
    flights.load(FLIGHTS)
    user = User.objects.create_superuser("demo")
    sign_in(user)
    return user


def columns(page: Page) -> list[str]:
    return page.locator("[data-column]").evaluate_all(
        "items => items.filter(each => each.querySelector(':checked')).map(e => e.dataset.column)"
    )


def test_file_has_the_chosen_columns_headers_and_rows(
    page: Page, start_worker: Callable[..., Worker], user: User
) -> None:
    start_worker()
    page.goto("/exports/")
    page.get_by_label("Data", exact=True).select_option(label="Flights")
    page.get_by_label("Format").select_option(label="Excel")
    page.get_by_role("button", name="Choose columns and filters…").click()
    summary = page.locator("[data-preview-part=summary]")
    expect(summary).to_contain_text("flights")

    # Without a click the count and the rows follow what is chosen.
    page.get_by_label("Carrier", exact=True).select_option(label="United Air Lines Inc.")
    page.get_by_label("Departure delay from").fill("60")
    expect(summary).to_contain_text("Carrier is United Air Lines Inc.; Departure delay from 60")
    page.get_by_role("button", name="None").click()
    expect(summary).to_contain_text("Choose at least one column.")
    for name in ("id", "tailnum", "dep_delay"):
        page.get_by_role("checkbox", name=name, exact=True).check()
    expect(page.get_by_text("3 of 21", exact=True)).to_be_visible()
    # By keyboard one up, by mouse to the top.
    page.get_by_role("button", name="Move tailnum up").focus()
    for _ in range(6):
        page.keyboard.press("Enter")
    expect(page.get_by_text("tailnum moved to position 1 of 21.")).to_be_attached()
    # At the top there is only the way down.
    expect(page.get_by_role("button", name="Move tailnum down")).to_be_focused()
    item = page.locator("[data-column=dep_delay] label")
    item.drag_to(page.locator("[data-column=tailnum]"), target_position={"x": 5, "y": 2})
    assert columns(page) == ["dep_delay", "tailnum", "id"]
    # A key leads to the end, another to the top, and the focus goes along.
    page.get_by_role("button", name="Move tailnum down").press("End")
    expect(page.get_by_role("button", name="Move tailnum up")).to_be_focused()
    expect(page.locator("[data-column] label").last).to_have_text("tailnum")
    page.keyboard.press("Home")
    expect(page.get_by_role("button", name="Move tailnum down")).to_be_focused()
    page.keyboard.press("ArrowDown")
    # Of those that are looked for, one is moved past the next that is shown.
    page.get_by_label("Find a column").fill("dep")
    expect(page.locator("[data-column]:visible")).to_have_count(3)
    page.keyboard.press("Enter")  # It would start the export.
    page.get_by_role("button", name="Move dep_time up").click()
    shown = page.locator("[data-column]:visible label")
    expect(shown).to_have_text(["dep_delay", "dep_time", "sched_dep_time"])
    page.get_by_label("Find a column").fill("")
    assert columns(page) == ["dep_delay", "tailnum", "id"]
    page.get_by_label("Header of dep_delay").fill("Minutes late")
    # Who goes away and comes back finds all of it, and is asked for nothing again.
    page.get_by_label("Export name").fill("Of United")
    page.get_by_role("link", name="Exports", exact=True).click()
    page.go_back()
    expect(summary).to_contain_text("Carrier is United Air Lines Inc.; Departure delay from 60")
    assert columns(page) == ["dep_delay", "tailnum", "id"]
    expect(page.get_by_role("radio", name="Excel")).to_be_checked()
    expect(page.get_by_label("Export name")).to_have_value("Of United")
    # What is refused comes back as it was sent, with the focus where it is wrong.
    page.get_by_label("Departure delay from").fill("late")
    page.get_by_role("button", name="Start export").click()
    expect(page.get_by_label("Departure delay from")).to_be_focused()
    expect(page.get_by_label("Departure delay from")).to_have_value("late")
    expect(page.get_by_role("group", name="Departure delay")).to_contain_text("Enter a number.")
    page.get_by_label("Departure delay from").fill("60")
    heads = page.locator(".cells th")
    expect(heads).to_have_text(["Minutes late", "tailnum", "id"])
    shown = page.locator(".cells tbody tr").first.locator("td").all_inner_texts()
    page.get_by_role("button", name="Start export").click()

    export = wait_until(
        lambda: Export.objects.filter(status=Status.SUCCEEDED).first(), what="the file is ready"
    )
    with default_storage.open(export.file) as file:
        rows = list(openpyxl.load_workbook(io.BytesIO(file.read())).active.values)
    assert rows[0] == ("Minutes late", "tailnum", "id")
    assert [str(value) for value in rows[1]] == shown
    assert len(rows) == 1 + export.rows_done > 1

    # The next time it is as it was, and is saved under a name.
    page.goto("/exports/new/flights/")
    assert columns(page) == ["dep_delay", "tailnum", "id"]
    expect(summary).to_contain_text("ready in about")
    page.get_by_label("Export name").fill("Late")
    page.get_by_text("Save as preset").click()
    expect(page.get_by_label("Preset name")).to_have_attribute("placeholder", "Late")
    page.get_by_role("button", name="Save preset").click()
    expect(page.get_by_text("Saved as “Late”.")).to_be_visible()
    page.goto("/exports/")
    page.get_by_role("button", name="Run Late").click()
    wait_until(lambda: Export.objects.filter(label="Late").exists(), what="it runs again")


def test_form_hides_options_that_the_format_does_not_have(page: Page, user: User) -> None:
    page.goto("/exports/new/airports/")
    page.get_by_text("Options", exact=True).click()
    page.get_by_label("Delimiter").select_option(label="Semicolon")

    page.get_by_role("radio", name="Parquet").check()

    expect(page.get_by_label("Delimiter")).to_be_hidden()
    expect(page.get_by_text("This format has no options.")).to_be_visible()
    page.get_by_role("button", name="Start export").click()
    export = wait_until(Export.objects.first, what="the export is saved")
    assert (export.format, export.options) == ("parquet", {})


def test_preview_never_belongs_to_an_earlier_choice(
    page: Page, user: User, sign_in: Callable[[User], None]
) -> None:
    page.goto("/exports/new/airports/")
    expect(page.locator(".cells")).to_be_visible()
    unanswered = page.get_by_text("No response.")
    first, second = columns(page)[:2]

    page.route("**/preview", lambda route: route.abort())
    page.get_by_role("checkbox", name=first, exact=True).uncheck()
    expect(unanswered).to_be_visible()
    page.unroute("**/preview")
    page.get_by_role("button", name=f"Move {first} down").click()
    expect(page.locator(".cells th").first).to_have_text(second)
    expect(unanswered).to_be_hidden()

    # A browser would put ticks back by their place, where another column is.
    page.get_by_role("link", name="Exports", exact=True).click()
    page.go_back()
    assert second in columns(page)
    assert first not in columns(page)
    # Also what was chosen in the moment before.
    page.get_by_role("button", name="None").click()
    page.get_by_role("link", name="Exports", exact=True).click()
    page.go_back()
    assert columns(page) == []
    # Who loads the page anew asks for what the server has.
    page.reload()
    assert first in columns(page)
    # A tab outlives who is signed in.
    page.get_by_label("Export name").fill("Mine")
    page.get_by_role("button", name="None").click()
    page.get_by_role("link", name="Exports", exact=True).click()
    sign_in(User.objects.create_superuser("eve"))
    page.go_back()
    expect(page.locator("header bdi")).to_have_text("eve")
    expect(page.get_by_label("Export name")).to_have_value("")
    assert first in columns(page)

    # A server that has too much to do is asked again, by itself.
    busy = '<div data-part="summary"></div><div data-part="sample"><p data-busy>Busy.</p></div>'
    page.route("**/preview", lambda route: route.fulfill(body=busy), times=1)
    page.get_by_role("button", name="None").click()
    expect(page.get_by_text("Busy.")).to_be_visible()
    expect(page.get_by_text("Choose at least one column.")).to_be_visible()


def test_throttled_preview_says_so_and_retries_by_itself(page: Page, user: User) -> None:
    page.goto("/exports/new/airports/")
    expect(page.locator(".cells")).to_be_visible()
    limited = '<div data-part="summary"><p data-busy>Try again in 2 s.</p></div>'
    answer = {"status": 429, "body": f'{limited}<div data-part="sample"></div>'}
    page.route("**/preview", lambda route: route.fulfill(**answer), times=1)

    page.get_by_role("button", name="None").click()

    expect(page.get_by_text("Try again in 2 s.")).to_be_visible()
    expect(page.get_by_text("Choose at least one column.")).to_be_visible()


def test_choose_page_shows_the_selected_rows_of_an_admin_list(page: Page, user: User) -> None:
    page.goto("/admin/demo/flight/?carrier__carrier__exact=UA&q=N14228")
    page.get_by_role("link", name="Export…").click()

    expect(page.locator("[data-preview-part=summary]")).to_contain_text("flight: carrier is United")
    expect(page.locator(".cells tbody tr").first).to_contain_text("N14228")
    page.get_by_role("button", name="None").click()
    page.get_by_role("checkbox", name="tailnum", exact=True).check()
    expect(page.locator(".cells th")).to_have_text(["tailnum"])
    page.get_by_label("Preset name").fill("That plane")
    page.get_by_role("button", name="Save preset").click()
    expect(page.get_by_text("Saved as “That plane”.")).to_be_visible()

    assert Preset.objects.get(name="That plane").params == {
        "columns": ["tailnum"],
        "changelist": {"model": "demo.flight", "query": "carrier__carrier__exact=UA&q=N14228"},
    }


def test_choose_page_works_without_javascript(
    browser: Browser, server: Server, page: Page, user: User
) -> None:
    context = browser.new_context(base_url=server.url, java_script_enabled=False)
    context.add_cookies(page.context.cookies())
    plain = context.new_page()
    plain.goto("/exports/new/planes/")

    plain.get_by_label("Manufacturer contains").fill("boeing")
    plain.get_by_role("checkbox", name="type", exact=True).uncheck()
    plain.get_by_role("button", name="Move year up").click()
    expect(plain.locator("[data-column] label").first).to_have_text("year")
    expect(plain.get_by_role("button", name="Move year down")).to_be_focused()
    plain.get_by_role("button", name="Update preview").click()
    expect(plain.locator(".row-count")).to_contain_text("planes: Manufacturer contains boeing")
    expect(plain.locator(".cells th").first).to_have_text("year")
    plain.get_by_role("button", name="Start export").click()

    export = wait_until(Export.objects.first, what="the export is saved")
    assert export.params["columns"][:2] == ["year", "tailnum"]
    assert "type" not in export.params["columns"]
    assert list(export.params["filters"]) == ["manufacturer"]
    context.close()
