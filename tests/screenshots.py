"""The pictures of the documentation: a real instance with the demo's data, in a real browser.

    python -m tests.screenshots [DIRECTORY]

writes them to docs/images, or to DIRECTORY. `make screenshots` does.
"""

from __future__ import annotations

import io
import math
import os
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import django
from playwright.sync_api import sync_playwright

from tests.services import chromium, environment
from tests.services.postgres import Postgres
from tests.services.processes import ROOT, Run
from tests.services.valkey import Valkey
from tests.services.waybill import Server, Worker
from tests.support.other_thread import in_other_thread
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

    from exports.models import Export

IMAGES = ROOT / "docs" / "images"
WIDE = {"width": 1000, "height": 820}
NARROW = {"width": 360, "height": 740}
# Letters stay sharp where a picture is shown larger or smaller, and the files small.
SCALE = 1.25
# Under way, at this share of its rows.
MIDDLE = 0.35
# Flights fit into it as CSV, and not as JSON Lines.
ENOUGH = {"EXPORTS_MAX_BYTES": "70000000", "EXPORTS_PARALLEL": "0"}


def main() -> int:
    directory = Path(sys.argv[1]) if len(sys.argv) > 1 else IMAGES
    directory.mkdir(parents=True, exist_ok=True)
    with closing(Run()) as run:
        valkey = Valkey(run)
        environment.prepare(run, "sqlite", valkey, Postgres(run))
        valkey.start()
        # Playwright keeps an event loop running in this thread.
        os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"
        django.setup()
        _fill()
        server, worker = Server(run), Worker(run, ENOUGH)
        _export_some()
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=chromium.find(), args=chromium.ARGUMENTS, chromium_sandbox=False
            )
            _Photographer(browser, server, directory).take_all(worker)
            browser.close()
    return 0


# Django is set up only when what follows is called.


def _fill() -> None:
    from django.core.management import call_command

    for name in ("migrate", "create_demo_accounts", "load_demo"):
        call_command(name, stdout=io.StringIO())


def _export_some() -> None:
    """A history that has one of each: ready, failed, cancelled, expired, shared."""
    from django.contrib.auth.models import Group
    from django.utils import timezone

    from exports import lifecycle
    from exports.models import Export

    team = Group.objects.get()
    _ended(_request("weather", format="parquet"))
    airports = _request("airports", format="xlsx")
    _ended(airports)
    Export.objects.filter(pk=airports.pk).update(expires_at=timezone.now())
    _ended(_request("planes", team=team.pk))
    cancelled = _request("flights", format="parquet")
    _is_in_the_middle(cancelled)
    lifecycle.cancel(cancelled)
    _ended(cancelled)
    _ended(_request("flights", format="jsonl"))
    _ended(_request("flights", filters={"carrier": "UA"}, label="Flights of United"))


def _request(exporter: str, **asked: object) -> Export:
    from django.contrib.auth.models import User

    from tests.support.starting import start_export

    user = User.objects.get(username="demo")
    return start_export(user=user, exporter=exporter, **asked)


def _is_in_the_middle(export: Export) -> None:
    def has_come_far() -> bool:
        export.refresh_from_db()
        return export.rows_done >= MIDDLE * (export.rows_total or math.inf)

    wait_until(has_come_far, 120, what=f"{export} is in the middle")


def _ended(export: Export) -> None:
    def is_over() -> bool:
        export.refresh_from_db()
        return export.is_final

    wait_until(is_over, 120, what=f"{export} is over")


class _Photographer:
    def __init__(self, browser: Browser, server: Server, directory: Path) -> None:
        self._directory = directory
        self._server = server
        self._context = browser.new_context(
            base_url=server.url,
            device_scale_factor=SCALE,
            reduced_motion="reduce",
            timezone_id="UTC",
        )

    def take_all(self, worker: Worker) -> None:
        page = self._context.new_page()
        page.goto("/login/")
        page.get_by_label("Username").fill("demo")
        page.get_by_label("Password").fill("demo")
        page.get_by_role("button", name="Sign in").click()
        self._under_way(page, worker)
        page.goto("/exports/new/flights/")
        page.locator("[data-preview-part=sample] :is(table, pre)").wait_for()
        self._take(page, "choose", WIDE)
        page.goto("/style/")
        self._take(page, "style", WIDE | {"width": 1200, "height": 900})
        page.goto("/admin/exports/export/")
        self._take(page, "admin", WIDE | {"width": 1200})

    def _under_way(self, page: Page, worker: Worker) -> None:
        """The dashboard and an export's page, while the worker rests in the middle of it."""
        export = in_other_thread(_request, "flights")
        _is_in_the_middle(export)
        worker.freeze()
        page.goto("/exports/")
        self._take(page, "dashboard", WIDE, dark=True, narrow=True)
        page.goto(export.get_absolute_url())
        self._take(page, "export", WIDE, dark=True)
        worker.thaw()
        _ended(export)

    def _take(
        self,
        page: Page,
        name: str,
        size: dict[str, int],
        *,
        dark: bool = False,
        narrow: bool = False,
    ) -> None:
        for suffix, scheme, shown in (
            ("", "light", size),
            *([("-dark", "dark", size)] if dark else []),
            *([("-narrow", "light", NARROW)] if narrow else []),
        ):
            page.set_viewport_size({"width": shown["width"], "height": shown["height"]})
            if shown is NARROW:
                page.locator("#live").evaluate("head => head.scrollIntoView()")
            page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
            page.screenshot(path=self._directory / f"{name}{suffix}.png", animations="disabled")


if __name__ == "__main__":
    sys.exit(main())
