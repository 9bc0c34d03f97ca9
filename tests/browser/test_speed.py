"""Fast to the eye, as a production install sends it: what is loaded, and what moves."""

from __future__ import annotations

import datetime
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from playwright.sync_api import expect

from exports.models import Export, Status
from tests import exporting
from tests.elsewhere import elsewhere
from tests.services.processes import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Page

    from tests.services.processes import Run
    from tests.services.waybill import Server

pytestmark = pytest.mark.only_on("sqlite")

PASSWORD = "a password of the tests"


@pytest.fixture
def server(start_server: Callable[..., Server], production: dict[str, str]) -> Server:
    return start_server(**production)


@pytest.fixture
def ada(transactional_db: None) -> User:
    return User.objects.create_superuser("ada", password=PASSWORD)


SHIFTS = """
window.shifts = [];
new PerformanceObserver((list) => {
  for (const each of list.getEntries()) window.shifts.push([each.value, each.hadRecentInput, each.sources.map(s => [s.node?.outerHTML?.slice(0,80) ?? s.node?.nodeName, JSON.stringify(s.previousRect), JSON.stringify(s.currentRect)])]);
}).observe({ type: "layout-shift", buffered: true });
window.longs = [];
new PerformanceObserver((list) => {
  for (const each of list.getEntries()) window.longs.push([each.startTime, each.duration]);
}).observe({ type: "longtask", buffered: true });
"""


def test_it(page: Page, server: Server, ada: User):
    exporting.make_flights(range(1, 100))
    export = exporting.start(ada)
    now = timezone.now()

    def make(status, **f):
        return Export(
            owner=ada, exporter="flights", label="Flights", format="csv", status=status, **f
        )

    import os

    n = int(os.environ.get("LIVE", "50"))
    live = [
        make(
            Status.RUNNING,
            stage="extracting",
            rows_done=1000 * i,
            rows_total=336776,
            rate=50000.0,
            started_at=now,
            attempt=1,
            version=7,
        )
        for i in range(n)
    ]
    done = [
        make(
            Status.SUCCEEDED,
            rows_done=336776,
            rows_total=336776,
            bytes=33685504,
            sha256="a" * 64,
            file=f"exports/{i}.csv",
            expires_at=now + datetime.timedelta(days=7),
            started_at=now - datetime.timedelta(seconds=50),
            finished_at=now - datetime.timedelta(minutes=i),
        )
        for i in range(500)
    ]
    Export.objects.bulk_create(live + done)
    page.goto("/")
    page.get_by_label("Username").fill(ada.username)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/exports/")
    page.context.clear_cookies(name="x")
    page.add_init_script(SHIFTS)
    before = len(server.process.log_text())
    page.goto("/exports/")
    page.wait_for_timeout(3000)
    print(server.process.log_text()[before:])
    print(
        page.evaluate(
            "[...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')].map(e => [e.name, e.transferSize, e.encodedBodySize, e.decodedBodySize])"
        )
    )
    print(page.evaluate("window.shifts"), page.evaluate("window.longs"))
    page.screenshot(path="/tmp/bundle/before.png")
    elsewhere(exporting.run, export)
    expect(page.locator(f"#{export.key}").get_by_role("link", name="Download")).to_be_visible()
    page.wait_for_timeout(1000)
    page.screenshot(path="/tmp/bundle/after.png")
    for s in page.evaluate("window.shifts"):
        print(s)
    print(page.evaluate("window.longs"))
