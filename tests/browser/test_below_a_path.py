"""A site below a path, behind nginx: pages, the socket and what takes its place."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import expect

from tests.services import nginx
from tests.support.other_thread import in_other_thread
from tests.support.starting import start_export
from tests.support.streaming import append

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.services.processes import Run

pytestmark = pytest.mark.skipif(not nginx.IS_AVAILABLE, reason="nginx's wheel is for Linux")

# Beside the path is somebody else's site.
BESIDE = "".join(f"location /{name}/ {{ return 404; }}" for name in ("ws", "api", "rest", "static"))
CUTS_OFF = "location /sub/ { proxy_pass http://web/; }"
NO_SOCKETS = "location /sub/ws/ { return 502; }"
IN_TIME = 90_000  # ms


@pytest.fixture(
    params=[("", "/sub/ws/streams/"), (CUTS_OFF, "/ws/streams/"), (NO_SOCKETS, None)],
    ids=["passed on", "cut off by nginx", "without sockets"],
)
def server(
    request: pytest.FixtureRequest, run: Run, lasting, transactional_db: None, valkey
) -> Iterator[nginx.Nginx]:
    """nginx before a server. If the web process gets a socket, it is at that path there."""
    locations, socket = request.param
    project = {"DJANGO_SETTINGS_MODULE": "tests.grown.settings"}
    web = lasting.server("below a path", project)
    service = nginx.Nginx(run, [web.port], locations=BESIDE + locations)
    yield service
    service.stop()
    opened = re.findall(r'"WSCONNECT (\S+)"', web.log_text())
    assert set(opened) == ({socket} if socket else set())


@pytest.mark.proves("works-below-a-path")
def test_page_below_a_path_is_live(page, sign_in):
    person = User.objects.create_superuser("demo")
    sign_in(person)
    export = in_other_thread(start_export, user=person, exporter="flights")

    page.goto(f"/sub/exports/{export.pk}/")
    log = page.get_by_role("log")
    expect(log).to_be_visible()
    in_other_thread(
        append, export.stream, "log", level="INFO", message="it is live", logger="tests"
    )

    expect(log.get_by_text("it is live")).to_be_visible(timeout=IN_TIME)
    page.get_by_role("button", name="Cancel").click()
    expect(page).to_have_url(re.compile("/sub/exports/"))
    expect(page.get_by_text("Cancelled").first).to_be_visible()
