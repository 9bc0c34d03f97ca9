"""Measure a dashboard with fifty moving bars in a browser, and an empty one.

    make bench ARGS=page
    make bench ARGS="page --bars 200 --rounds 1"

The web process is as in production, with static files of collectstatic, and Chromium has no window.
Compare the ratios: all pages are measured in the same run, so a busy machine affects all of them.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import TYPE_CHECKING

from playwright.sync_api import sync_playwright

from benchmarks.environment import isolated, use
from benchmarks.output import say
from benchmarks.streams import HOST, sign_in, web
from benchmarks.ticks import ROUND, ROWS
from tests.services import chromium
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from playwright.sync_api import Browser, CDPSession, Page

    from benchmarks.crowd import Address

PRODUCTION = {
    "DEBUG": "0",
    "HTTPS": "0",
    "SECRET_KEY": "of a benchmark, and of nothing else: " + "x" * 50,
    "ALLOWED_HOSTS": HOST,
}
# The size of a page on a laptop.
SIZE = {"width": 1280, "height": 720}
# Records the frames of the browser and its long tasks for some milliseconds.
WATCH = """
(ms) => new Promise((resolve) => {
  const seen = { frames: 0, slowest: 0, tasks: 0, longest: 0, shifts: 0 };
  const watch = (type, take) => {
    const observer = new PerformanceObserver((list) => list.getEntries().forEach(take));
    observer.observe({ type });
    return observer;
  };
  const observers = [
    watch("longtask", ({ duration }) => {
      seen.tasks += 1;
      seen.longest = Math.max(seen.longest, duration);
    }),
    watch("layout-shift", ({ value }) => (seen.shifts += value)),
  ];
  let begin = null;
  let last = null;
  requestAnimationFrame(function frame(now) {
    begin ??= now;
    if (last !== null) {
      seen.frames += 1;
      seen.slowest = Math.max(seen.slowest, now - last);
    }
    last = now;
    if (now - begin < ms) return requestAnimationFrame(frame);
    seen.seconds = (now - begin) / 1000;
    // Observers report with a delay.
    setTimeout(() => {
      for (const observer of observers) observer.disconnect();
      resolve(seen);
    }, 200);
  });
})
"""
# Returns the time of the first text, which is reported after it was drawn.
PAINTED = """
() => new Promise((resolve) => {
  new PerformanceObserver((list) => {
    for (const { name, startTime } of list.getEntries()) {
      if (name === "first-contentful-paint") resolve(startTime);
    }
  }).observe({ type: "paint", buffered: true });
})
"""

Row = tuple[str, ...]


@dataclass
class Measured:
    """The measurements of a page."""

    frames: float  # Per second.
    slowest: float  # The longest time between two frames, in ms.
    tasks: int  # The number of tasks of 50 ms or more.
    longest: float  # The longest task, in ms.
    shifts: float  # The layout shift.
    busy: float  # How many ms of each second the page's thread is busy.
    script: float  # The part of `busy` in scripts.
    drawing: float  # The part of `busy` for styles and layout.


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(
        prog="make bench ARGS=page",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--bars", type=int, default=50, help="running exports")
    parser.add_argument("--history", type=int, default=500, help="finished exports")
    parser.add_argument(
        "--seconds", type=float, default=10, help="time for which each page is measured"
    )
    parser.add_argument(
        "--rounds", type=int, default=3, help="rounds of all pages; the medians are printed"
    )
    options = parser.parse_args(arguments)
    with isolated() as environment:
        use({**environment, **PRODUCTION}, static_files=True)
        empty, full = sign_in("empty"), sign_in("full")
        fill("full", options.bars, options.history)
        with web(), browsing() as browser:
            rows = [
                *painted_rows(browser, empty, full, options.rounds),
                *moving_rows(browser, empty, full, options),
            ]
    print(table(rows))


def fill(username: str, bars: int, history: int) -> None:
    from django.contrib.auth import get_user_model
    from django.db import connection

    from tests.support import exporting

    owner = get_user_model().objects.get(username=username)
    owner.is_superuser = True  # So that each card has a button to download.
    owner.save()
    exporting.make_exports(owner, bars, history)
    connection.close()


@contextmanager
def browsing() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium.find(), args=chromium.ARGUMENTS, chromium_sandbox=False
        )
        yield browser
        browser.close()


@contextmanager
def dashboard(browser: Browser, address: Address) -> Iterator[Page]:
    """Open a page in a new context, without cache and history."""
    context = browser.new_context(viewport=SIZE)  # type: ignore[arg-type]
    context.add_cookies([{"name": "sessionid", "value": address.cookie, "url": address.url}])
    page = context.new_page()
    page.goto(f"{address.url}/exports/")
    yield page
    context.close()


# -- Loading -------------------------------------------------------


def painted_rows(browser: Browser, empty: Address, full: Address, rounds: int) -> list[Row]:
    say("first paint")
    times: dict[str, list[float]] = {"empty": [], "full": []}
    for number in range(rounds * 2 + 1):
        for name, address in (("empty", empty), ("full", full)):
            with dashboard(browser, address) as page:
                painted = page.evaluate(PAINTED)
            if number:  # The first page warms up the server.
                times[name].append(painted)
    before, after = median(times["empty"]), median(times["full"])
    return [("first paint", f"{before:.0f} ms", f"{after:.0f} ms", ratio(after, before))]


# -- Moving ------------------------------------------------------------------------


def moving_rows(
    browser: Browser, empty: Address, full: Address, options: argparse.Namespace
) -> list[Row]:
    seconds = options.seconds
    idle: list[Measured] = []
    moving: list[Measured] = []
    for number in range(options.rounds):
        say(f"round {number + 1} of {options.rounds}, two pages for {seconds:g} s each")
        with dashboard(browser, empty) as page:
            idle.append(look(page, seconds))
        with dashboard(browser, full) as page, ticks(full, seconds) as begin:
            wanted = [value + ROWS * round(seconds / ROUND) for value in bars(page)]
            begin()
            moving.append(look(page, seconds))
            wait_until(partial(_are_at, page, wanted), 30, "each bar shows its last value")
    pair = idle, moving
    return [
        ("new values per second", "0", f"{options.bars / ROUND:.0f}", ""),
        row("frames per second", "{:.1f}", *pair, "frames"),
        row("longest time between two frames", "{:.0f} ms", *pair, "slowest"),
        row("tasks of 50 ms or more", "{:.0f}", *pair, "tasks"),
        row("longest task", "{:.0f} ms", *pair, "longest"),
        row("layout shift", "{:.4f}", *pair, "shifts"),
        row("busy time of the page's thread per second", "{:.0f} ms", *pair, "busy"),
        row("part of it in scripts", "{:.0f} ms", *pair, "script"),
        row("part of it for styles and layout", "{:.0f} ms", *pair, "drawing"),
    ]


def look(page: Page, seconds: float) -> Measured:
    """Measure a loaded page for `seconds`."""
    devtools = page.context.new_cdp_session(page)
    devtools.send("Performance.enable")
    before = used(devtools)
    seen = page.evaluate(WATCH, seconds * 1000)
    spent = [
        (now - then) * 1000 / seen["seconds"]
        for then, now in zip(before, used(devtools), strict=True)
    ]
    return Measured(
        seen["frames"] / seen["seconds"],
        *(seen[name] for name in ("slowest", "tasks", "longest", "shifts")),
        *spent,
    )


def used(devtools: CDPSession) -> tuple[float, float, float]:
    """Return the busy seconds of the page's thread: total, in scripts, for styles and layout."""
    metrics = devtools.send("Performance.getMetrics")["metrics"]
    found = {metric["name"]: metric["value"] for metric in metrics}
    drawing = found["RecalcStyleDuration"] + found["LayoutDuration"]
    return found["TaskDuration"], found["ScriptDuration"], drawing


def bars(page: Page) -> list[int]:
    shown = page.locator("[data-list=live] progress")
    values: list[int] = shown.evaluate_all("bars => bars.map(({ value }) => value)")
    return values


def _are_at(page: Page, wanted: list[int]) -> bool:
    return bars(page) == wanted


@contextmanager
def ticks(address: Address, seconds: float) -> Iterator[Callable[[], None]]:
    """Start a process that moves all bars when the caller calls the yielded function."""
    user = address.stream.removeprefix("user-")
    command = [sys.executable, "-m", "benchmarks.ticks", user, str(seconds)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdout.readline()
        given = process.stdin

        def begin() -> None:
            given.write(b"go\n")
            given.flush()

        try:
            yield begin
        finally:
            process.terminate()


# -- Output -------------------------------------------------------------------------


def row(what: str, form: str, idle: list[Measured], moving: list[Measured], name: str) -> Row:
    before, after = (median(getattr(each, name) for each in all_) for all_ in (idle, moving))
    return (what, form.format(before), form.format(after), ratio(after, before))


def ratio(after: float, before: float) -> str:
    return f"{after / before:.2f}" if before else ""


def table(rows: list[Row]) -> str:
    lines = ["| what | empty | full | ratio |", "|---|---:|---:|---:|"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])
