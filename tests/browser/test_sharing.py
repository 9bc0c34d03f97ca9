"""A shared export on the dashboards of two people: the one who asked and one of the team."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from django.contrib.auth.models import Group, Permission, User
from playwright.sync_api import expect

from tests.support import flights
from tests.support.other_thread import in_other_thread
from tests.support.starting import start_export

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Page

    from tests.services.waybill import Worker

FLIGHTS = 5_000
# Each value that the bar is given, also between two looks of a test.
WATCH_THE_BAR = """() => {
    globalThis.seen = [];
    const note = () => {
        const bar = document.querySelector("[data-list=live] [data-export] progress");
        if (!bar?.hasAttribute("value")) return;
        // While the file is put together it is filled a second time.
        const before = bar.closest("[data-stage=assembling]") ? 1e9 : 0;
        if (seen.at(-1) !== before + bar.value) seen.push(before + bar.value);
    };
    const what = { subtree: true, childList: true, attributes: true };
    new MutationObserver(note).observe(document.querySelector("[data-list=live]"), what);
}"""


@pytest.fixture
def team(transactional_db: None) -> Group:
    flights.load(FLIGHTS)
    return Group.objects.create(name="Analysts")


@pytest.fixture
def make_user(team: Group) -> Callable[..., User]:
    """Somebody of the team, who may export flights."""

    def make(name: str, **names: str) -> User:
        user = User.objects.create_user(name, **names)
        user.user_permissions.add(Permission.objects.get(codename="export_flight"))
        user.groups.add(team)
        return user

    return make


def test_team_member_follows_a_shared_export_and_downloads_it(
    page: Page,
    start_worker: Callable[..., Worker],
    team: Group,
    make_user: Callable[..., User],
    sign_in: Callable[[User], None],
) -> None:
    owner = make_user("ada", first_name="Ada", last_name="Lovelace")
    sign_in(make_user("grace"))
    page.goto("/exports/")
    expect(page.locator("[data-export]")).to_have_count(0)

    page.evaluate(WATCH_THE_BAR)

    export = in_other_thread(start_export, user=owner, exporter="flights", team=team.pk)
    card = page.locator(f"[data-list=live] #{export.key}")
    expect(card.locator(".owner")).to_have_text(
        "Ada Lovelace\N{RIGHT SINGLE QUOTATION MARK}s, shared with Analysts"
    )
    expect(card.get_by_role("button")).to_have_count(0)

    start_worker(**flights.SLOWLY)
    download = card.get_by_role("link", name="Download")
    expect(download).to_be_visible(timeout=120_000)
    assert len(page.evaluate("seen")) > 1, "the bar moves"
    with page.expect_download() as coming:
        download.click()
    flights.assert_complete(Path(coming.value.path()).read_bytes())


@pytest.mark.proves("newest-value-wins")
def test_owner_in_the_team_sees_an_export_once_without_regress(
    page: Page,
    start_worker: Callable[..., Worker],
    make_user: Callable[..., User],
    sign_in: Callable[[User], None],
) -> None:
    """It comes over two streams, each in an order of its own."""
    sign_in(make_user("ada"))
    page.goto("/exports/")
    page.get_by_label("Share with").select_option(label="Analysts")
    page.get_by_label("Data", exact=True).select_option(label="Flights")
    page.get_by_role("button", name="Start export").click()
    card = page.locator("[data-list=live] [data-export]")
    expect(card.locator(".owner")).to_have_text("Shared with Analysts")
    page.evaluate(WATCH_THE_BAR)

    start_worker(**flights.SLOWLY)
    expect(card.get_by_role("link", name="Download")).to_be_visible(timeout=120_000)

    seen = page.evaluate("seen")
    assert len(seen) > 2
    assert seen == sorted(seen)
    expect(page.locator("[data-export]")).to_have_count(1)
