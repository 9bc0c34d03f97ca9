"""Every page in every state, held against WCAG 2.2 AA by axe-core, light and dark.

What a program cannot see is not here: tests/browser/test_keyboard.py has the keyboard and
what is announced.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.conf import settings
from django.contrib.auth.models import Group, User
from django.db import transaction
from django.http import Http404
from django.test import RequestFactory
from django.utils import timezone
from playwright.sync_api import expect

from config.errors import page_not_found, server_error
from exports.models import Export, Preset
from exports.status import Stage, Status
from notifications.inbox import notify
from notifications.streams import publish
from tests.support import flights
from tests.support.other_thread import in_other_thread
from tests.support.signing_in import session_cookie

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

    from tests.services.waybill import Server

pytestmark = pytest.mark.only_on("sqlite")

LEVELS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
# With all rules of those levels, or only those about colours.
RUN = """async ([context, levels, isDark]) => {
    // Django's links change their colour by and by.
    const changes = document.getAnimations().filter((each) => each instanceof CSSTransition);
    await Promise.allSettled(changes.map(({ finished }) => finished));
    const rules = axe.getRules(levels).filter(({ tags }) => !isDark || tags.includes("cat.color"));
    return axe.run(context, {
        resultTypes: ["violations"],
        preload: false, // It fetches style sheets for one rule, which is none of these.
        runOnly: rules.map(({ ruleId }) => ruleId),
    });
}"""
# What Django's admin breaks on these pages, in markup of its own.
DJANGOS = [
    ".breadcrumbs",  # Links in a line of text, told by their colour alone.
    "#changelist-filter",  # Links of a filter, closer together than fingers are.
    "#changelist-search .small",  # "Show all" beside the search, told by its colour alone.
    ".inline-group",  # It scrolls, and the keyboard does not get there.
]
WIDE, NARROW = {"width": 1280, "height": 900}, {"width": 320, "height": 800}
PASSWORD = "a password of the tests"


@pytest.fixture
def owner(transactional_db: None) -> User:
    flights.load(20)
    return User.objects.create_superuser(
        "ada", "ada@example.com", PASSWORD, first_name="Ada", last_name="of a very long name"
    )


@pytest.fixture
def guest(owner: User) -> User:
    """Somebody who may see what is shared with them, and nothing else."""
    guest = User.objects.create_user("guest")
    guest.groups.add(Group.objects.create(name="Night shift"))
    in_other_thread(owner.groups.set, guest.groups.all())
    return guest


@pytest.fixture
def exports(owner: User, guest: User) -> dict[str, Export]:
    """One export in each state that a page shows."""
    now = timezone.now()
    running = {
        "started_at": now - timedelta(minutes=2),
        "rows_total": 336_776,
        "rows_done": 150_000,
    }
    over = {"started_at": now - timedelta(minutes=2), "finished_at": now}
    file = {"rows_done": 336_776, "rows_total": 336_776, "bytes": 33_685_504, "sha256": "ab" * 32}
    states: dict[str, dict[str, object]] = {
        "queued": {"status": Status.QUEUED},
        "counting": {"status": Status.RUNNING, "stage": Stage.COUNTING, "started_at": now},
        "running": {
            **running,
            "status": Status.RUNNING,
            "stage": Stage.EXTRACTING,
            "rate": 45_210.0,
            "attempt": 3,
            "error": "canceling statement due to statement timeout",
        },
        "assembling": {**running, "status": Status.RUNNING, "stage": Stage.ASSEMBLING},
        "pausing": {**running, "status": Status.PAUSING},
        "paused": {**running, "status": Status.PAUSED},
        "cancelling": {**running, "status": Status.CANCELLING},
        "cancelled": {**over, "status": Status.CANCELLED},
        "failed": {**over, "status": Status.FAILED, "error": "The disk is full."},
        "expired": {**over, **file, "status": Status.SUCCEEDED, "expires_at": now},
        "shared": {
            **over,
            **file,
            "status": Status.SUCCEEDED,
            "expires_at": now + timedelta(days=7),
            "file": "exports/flights.csv",
            "team": guest.groups.get(),
            "read_from": now,
            "read_until": now,
            "protected_cells": 1200,
        },
    }
    made = {
        name: Export.objects.create(
            owner=owner,
            exporter="flights",
            format="csv",
            fingerprint=name,
            **{"label": f"Flights: {name}, carrier is United Air Lines Inc.", **fields},
        )
        for name, fields in states.items()
    }
    in_other_thread(transaction.atomic(_log), made["failed"])
    Preset.objects.create(
        owner=owner, name="What is asked each morning", exporter="flights", format="csv"
    )
    return made


def _log(export: Export) -> None:
    for level in ("INFO", "WARNING", "ERROR"):
        line = {"level": level, "message": f"A {level} " + 20 * "long ", "logger": "exports"}
        publish.append(export.stream, "log", line)


class Inspection:
    """What is wrong on the pages that were looked at."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.faults: list[str] = []

    def look(self, what: str, *, not_ours: list[str] | None = None) -> None:
        """At the page as it is now: with all rules, and whether it fits on a small screen."""
        exclude = {"exclude": [[selector] for selector in not_ours or []]}
        expect(self.page.locator("[aria-busy=true]")).to_have_count(0)
        # Only colours are others in the dark.
        for size, scheme in ((WIDE, "dark"), (WIDE, "light"), (NARROW, "light")):
            self.page.emulate_media(color_scheme=scheme)
            self.page.set_viewport_size(size)
            found = self.page.evaluate(RUN, [exclude, LEVELS, scheme == "dark"])["violations"]
            self.faults += [
                f"{what}, {scheme}, {size['width']} px: "
                f"{each['id']}: {node['target']} {node['html'][:120]}"
                for each in found
                for node in each["nodes"]
            ]
        if not not_ours:
            self.fits(what)

    def fits(self, where: str) -> None:
        """WCAG 1.4.10: at 320 px nobody scrolls sideways."""
        self.page.set_viewport_size(NARROW)
        wider = self.page.evaluate(
            """() => {
                const room = document.documentElement.clientWidth;
                if (document.documentElement.scrollWidth <= room) return [];
                return [...document.querySelectorAll("body *")]
                    .filter((each) => {
                        const { left, right } = each.getBoundingClientRect();
                        return right > room + 1 || left < -1;
                    })
                    .map((each) => each.outerHTML.slice(0, 120));
            }"""
        )
        wider += self.page.evaluate(
            """() => [...document.querySelectorAll(":is(.panel, .card) :is(h1, h2, h3, p, button)")]
                .filter((each) => {
                    if (each.closest(".visually-hidden, .cells, pre")) return false;
                    const frame = each.closest(".panel, .card");
                    const { left, right } = frame.getBoundingClientRect();
                    const { paddingLeft, paddingRight } = getComputedStyle(frame);
                    const text = document.createRange();
                    text.selectNodeContents(each);
                    return [each, text].some((part) => {
                        const box = part.getBoundingClientRect();
                        return box.right > right - parseFloat(paddingRight) + 2
                            || (box.width && box.left < left + parseFloat(paddingLeft) - 2);
                    });
                })
                .map((each) => each.outerHTML.slice(0, 120))"""
        )
        self.faults += [f"{where}, 320 px: too wide: {each}" for each in wider[:3]]


@pytest.fixture
def inspection(browser: Browser, server: Server) -> Iterator[Inspection]:
    context = browser.new_context(base_url=server.url, locale="en-GB", reduced_motion="reduce")
    # Into each page, past its security policy.
    context.add_init_script(Axe().axe_script)
    yield Inspection(context.new_page())
    context.close()


def signed_in_as(inspection: Inspection, server: Server, user: User) -> None:
    name, value = session_cookie(user)
    inspection.page.context.add_cookies([{"name": name, "value": value, "url": server.url}])


def test_pages_have_no_accessibility_faults(
    inspection: Inspection, server: Server, owner: User, guest: User, exports: dict[str, Export]
) -> None:
    page, look = inspection.page, inspection.look

    page.goto("/login/")
    look("login")
    page.get_by_label("Username").fill("ada")
    page.get_by_label("Password").fill("another")
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator(".errorlist")).to_be_visible()
    page.wait_for_load_state()
    look("login that failed")

    signed_in_as(inspection, server, guest)
    page.goto("/inbox/")
    look("inbox, empty")
    page.goto(f"{exports['shared'].get_absolute_url()}file")
    look("403")
    Export.objects.filter(pk=exports["shared"].pk).update(team=None)
    page.goto("/exports/")
    look("dashboard of who may do nothing")

    signed_in_as(inspection, server, owner)
    in_other_thread(transaction.atomic(notify), owner, "Ready", body="With more.", url="/inbox/")
    in_other_thread(transaction.atomic(notify), owner, "Broken", level="error")
    page.goto("/exports/")
    look("dashboard")
    page.get_by_role("button", name="Notifications").click()
    look("panel of the bell")
    page.goto("/inbox/")
    look("inbox")
    page.goto("/exports/new/flights/")
    look("choice")
    page.get_by_role("button", name="None").click()
    page.get_by_label("Departure delay from").fill("60")
    page.get_by_text("Options", exact=True).click()
    expect(page.locator(".refusal:not([data-preview-failed])").first).to_be_visible()
    look("choice that is refused while it is made")
    page.get_by_role("main").get_by_role("button", name="Start export").last.click()
    expect(page.locator("#columns-error")).to_be_visible()
    page.wait_for_load_state()
    look("choice that was refused")
    for name, export in exports.items():
        page.goto(export.get_absolute_url())
        look(f"export, {name}")
    page.goto(f"{exports['expired'].get_absolute_url()}file")
    look("no file")
    for code in ("404", "500"):
        show_error(page, server, code)
        look(code)

    for path in (
        "/admin/exports/export/",
        f"/admin/exports/export/{exports['failed'].pk}/change/",
        "/admin/demo/flight/export/?carrier__carrier__exact=UA",
    ):
        page.goto(path)
        look(path, not_ours=DJANGOS)

    # Longer words, and the other direction: nothing is wider than the screen for it.
    for language, direction in (("de", "ltr"), ("en", "rtl")):
        cookie = {"name": settings.LANGUAGE_COOKIE_NAME, "value": language, "url": server.url}
        page.context.add_cookies([cookie])
        here = exports["shared"].get_absolute_url()
        for path in ("/exports/", "/inbox/", "/exports/new/flights/", here):
            page.goto(path)
            expect(page.locator("html")).to_have_attribute("lang", language)
            page.locator("html").evaluate("(html, dir) => { html.dir = dir }", direction)
            inspection.fits(f"{path}, {language}, {direction}")

    assert not inspection.faults, "\n" + "\n".join(inspection.faults)


def test_components_have_no_accessibility_faults(
    inspection: Inspection, development: Server
) -> None:
    inspection.page.goto(f"{development.url}/style/")

    inspection.look("every component")

    assert not inspection.faults, "\n" + "\n".join(inspection.faults)


def show_error(page: Page, server: Server, code: str) -> None:
    """A page that a server in development hides behind one of Django's."""
    request = RequestFactory().get("/nothing/")
    answer = server_error(request) if code == "500" else page_not_found(request, Http404())
    html = answer.content.decode()
    page.route("**/nothing/", lambda route: route.fulfill(body=html, content_type="text/html"))
    page.goto(f"{server.url}/nothing/")
    page.unroute("**/nothing/")
