"""A log of more lines than a browser can bear as elements: all of it, live, and at hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone
from playwright.sync_api import expect

from notifications.models import Event, Stream
from tests.support.other_thread import in_other_thread
from tests.support.starting import start_export
from tests.support.streaming import append
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Locator, Page

    from exports.models import Export

pytestmark = pytest.mark.only_on("sqlite")

LINES = 20_000
WARNINGS, ERRORS = range(0, LINES, 1000), range(500, LINES, 2000)
LONG = " and it goes on" * 12  # Wraps.


@pytest.fixture
def export(transactional_db: None, sign_in: Callable[[User], None]) -> Export:
    """One that waits, with a long log: some lines wrap, some have several."""
    user = User.objects.create_superuser("demo")
    sign_in(user)
    export = in_other_thread(start_export, user=user, exporter="flights")
    in_other_thread(write, export)
    return export


@transaction.atomic
def write(export: Export) -> None:
    """As if all had been published. Nobody listens yet, so nothing is pushed."""
    stream, _ = Stream.objects.get_or_create(name=export.stream)
    Event.objects.bulk_create(
        Event(
            stream=stream,
            offset=stream.head + n + 1,
            type="log",
            data={"level": level(n), "message": message(n), "logger": "tests"},
            at=timezone.now(),
        )
        for n in range(LINES)
    )
    Stream.objects.filter(pk=stream.pk).update(head=stream.head + LINES)


def level(n: int) -> str:
    return "ERROR" if n in ERRORS else "WARNING" if n in WARNINGS else "INFO"


def message(n: int) -> str:
    if n in ERRORS:
        return f"line {n}.\nTraceback:\n  and so on"
    return f"line {n}.{LONG if n % 50 == 0 else ''}"


def log(export: Export, *messages: str) -> None:
    for each in messages:
        in_other_thread(append, export.stream, "log", level="INFO", message=each, logger="tests")


def line(page: Page, n: int) -> Locator:
    return page.get_by_role("log").locator("li", has_text=f"line {n}.")


def resting_place(page: Page) -> tuple[str, int]:
    """The line at the upper edge of the box once that rests, and where: it must not move."""
    offset, top = page.get_by_role("log").evaluate(
        """async box => {
          for (let frames = 0, top = null; frames < 10; frames += 1) {
            if (box.scrollTop !== top) frames = 0;
            top = box.scrollTop;
            await new Promise(requestAnimationFrame);
          }
          const edge = box.getBoundingClientRect().top;
          for (const line of box.querySelectorAll("li")) {
            const { top, bottom } = line.getBoundingClientRect();
            if (bottom > edge + 20) return [line.dataset.offset, Math.round(top)];
          }
        }"""
    )
    return offset, top


def count(page: Page) -> int:
    return page.get_by_role("log").locator("li").count()


# From its beginning to its end, by less than is drawn at a time: the lines that are met.
READ_ALL = """
async box => {
  const seen = [];
  for (;;) {
    for (const line of box.querySelectorAll("li")) {
      const offset = Number(line.dataset.offset);
      if (offset > (seen.at(-1)?.offset ?? 0)) {
        seen.push({ offset, text: line.lastElementChild.textContent });
      }
    }
    const before = box.scrollTop;
    box.scrollTop += 2000;
    if (box.scrollTop === before) return seen.map(({ text }) => text);
    await new Promise(requestAnimationFrame);
  }
}
"""


@pytest.mark.proves("whole-log-on-late-pages")
def test_long_log_is_complete_and_continues_live(page: Page, export: Export) -> None:
    page.goto(export.get_absolute_url())
    box = page.get_by_role("log")
    follow = page.get_by_label("Auto-scroll")
    box.scroll_into_view_if_needed()

    # It opens at its end, from which it follows.
    expect(page.locator("[data-earlier]")).to_have_count(0)
    expect(line(page, LINES - 1)).to_be_in_viewport()
    log(export, "live one")
    expect(box.get_by_text("live one")).to_be_in_viewport()
    assert count(page) < 500

    # From its beginning to its end: each line once, in order.
    box.press("Home")
    expect(line(page, 0)).to_be_in_viewport()
    expect(follow).not_to_be_checked()
    assert box.evaluate(READ_ALL) == [*map(message, range(LINES)), "live one"]
    expect(follow).to_be_checked()

    # In the middle it holds its place, whichever way one got there and whatever comes.
    box.evaluate("box => { box.scrollTop /= 2; }")
    expect(follow).not_to_be_checked()
    for _ in range(3):
        box.press("PageUp")
    place = resting_place(page)
    height = box.evaluate("box => box.scrollHeight")
    log(export, "live two", f"live three{LONG}")
    wait_until(lambda: box.evaluate("box => box.scrollHeight") > height, what="they are there")
    assert resting_place(page) == place
    assert count(page) < 500

    # It keeps it in a narrower box, too, where all lines have another height.
    page.set_viewport_size({"width": 320, "height": 700})
    assert abs(int(resting_place(page)[0]) - int(place[0])) <= 1
    page.set_viewport_size({"width": 1280, "height": 720})

    box.press("End")
    expect(box.get_by_text("live three")).to_be_in_viewport()
    expect(follow).to_be_checked()
    log(export, "live four")
    expect(box.get_by_text("live four")).to_be_in_viewport()


def test_keyboard_searches_filters_and_copies_the_log(page: Page, export: Export) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(export.get_absolute_url())
    expect(page.locator("[data-earlier]")).to_have_count(0)
    box = page.get_by_role("log")
    search = page.get_by_label("Search the log")
    output = page.locator("[role=search] output")
    current = box.locator("[aria-current=true]")

    # Found as one types, from line to line, and around the end.
    box.press("/")
    expect(search).to_be_focused()
    search.press_sequentially("LINE 77.")
    expect(output).to_have_text("1 of 1 lines")
    expect(line(page, 77)).to_be_in_viewport()
    expect(box.locator("mark")).to_have_text(["line 77."])
    search.fill("traceback:")
    expect(output).to_have_text("1 of 10 lines")
    expect(current).to_contain_text("line 500.")
    search.press("Enter")
    expect(current).to_contain_text("line 2500.")
    expect(current).to_be_in_viewport()
    search.press("Shift+Enter")
    search.press("Shift+Enter")
    expect(current).to_contain_text(f"line {ERRORS[-1]}.")
    expect(output).to_have_text("10 of 10 lines")
    expect(page.locator(".log [data-announcer]")).to_have_text("10 of 10 lines")
    log(export, "a traceback: of now")
    expect(output).to_have_text("10 of 11 lines")

    # Only the bad ones; what is copied is what is shown, as the text has it.
    page.get_by_label("Lines to show").select_option(label="Errors only")
    expect(box.locator("li")).to_have_count(len(ERRORS))
    expect(output).to_have_text("10 of 10 lines")
    page.get_by_role("button", name="Copy", exact=True).press("Enter")
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    errors = page.evaluate("navigator.clipboard.readText()")
    assert errors.count("\n    Traceback:\n      and so on\n") == len(ERRORS)
    page.get_by_label("Lines to show").select_option(label="Warnings and errors")
    expect(box.locator("li")).to_have_count(len(ERRORS) + len(WARNINGS))

    # A selection over several lines is copied as whole lines.
    page.evaluate(
        """() => {
          const [first, second] = document.querySelectorAll("[role=log] li");
          getSelection().setBaseAndExtent(first.lastElementChild.firstChild, 2, second, 1);
        }"""
    )
    box.press("ControlOrMeta+c")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert [each.split(" ", 1)[1] for each in copied.splitlines()[:2]] == [
        f"WARNING {message(0)}",
        f"ERROR {message(500)}".split("\n")[0],
    ]

    page.get_by_label("Lines to show").select_option(label="All lines")
    search.press("Escape")
    expect(search).to_have_value("")
    expect(box).to_be_focused()
    expect(box.locator("mark")).to_have_count(0)
    with page.expect_download() as coming:
        page.get_by_role("link", name="Download as text").press("Enter")
    text = coming.value.path().read_text()
    assert coming.value.suggested_filename == "Flights.log.txt"
    assert text.count("\n2") + 1 == LINES + 1
    assert all(each in text for each in errors.splitlines())
