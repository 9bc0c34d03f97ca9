"""A real Chromium, through Playwright.

Playwright keeps an event loop running in this thread. So its fixture lives as long as
this folder's tests, which are the last; Django is told for that time that its ORM may be
used all the same; and tests here are not `async`.
"""

from __future__ import annotations

import os
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Error, expect, sync_playwright

from tests.services import chromium
from tests.services.waybill import Server
from tests.support.signing_in import session_cookie

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from django.contrib.auth.models import User
    from playwright.sync_api import Browser, Page

    from tests.services.processes import Run
    from tests.services.valkey import Valkey

FAILED = pytest.StashKey[bool]()
# Records each step of a page, to be looked at when its test has failed. It costs as much again.
IS_TRACED = os.environ.get("TRACE", "") not in {"", "0"}
# It reaches Playwright's process as well, which is then gone before us.
ended_by_ctrl_c = suppress(Error)


@pytest.fixture(scope="package")
def browser(run: Run) -> Iterator[Browser]:
    executable = chromium.find()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
        # Profiles, downloads, traces: Playwright leaves some of them behind.
        patch.setenv("TMPDIR", str(run.private_directory("browser")))
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=executable,
                args=chromium.ARGUMENTS,
                # The pages are our own, and as root or in a container a sandbox cannot be had.
                chromium_sandbox=False,
            )
            # A busy machine's; whoever waits for a connection to come back says so.
            expect.set_options(timeout=30_000)
            yield browser
            with ended_by_ctrl_c:
                browser.close()


class Lasting:
    """Web servers that are started when the first test asks for them, and used by all others.

    Users, teams and exports of other tests had other numbers, so nothing that a web process
    remembers of them can be taken for something of this test.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._servers: dict[str, Server] = {}

    def server(self, name: str, env: dict[str, str]) -> Server:
        """A server of that name that answers, and whose log is the test's."""
        server = self._servers.get(name)
        if server is None:
            server = self._servers[name] = Server(self._run, env)
        elif not server.process.is_running:
            server.restart()
        server.skip_log()
        return server

    def close(self) -> None:
        for server in self._servers.values():
            server.kill()


@pytest.fixture(scope="package")
def lasting(run: Run) -> Iterator[Lasting]:
    lasting = Lasting(run)
    yield lasting
    lasting.close()


@pytest.fixture
def server(
    lasting: Lasting, production: dict[str, str], transactional_db: None, valkey: Valkey
) -> Server:
    """A web server as in production, which pages load in half the time that development takes.

    It outlives the test, which may stop it all the same. Its limit of requests is the default:
    a test is quicker than any person, so what passes here never stops one.
    """
    return lasting.server("production", {**production, "REQUESTS_PER_SECOND": "10"})


@pytest.fixture
def development(lasting: Lasting, transactional_db: None, valkey: Valkey) -> Server:
    """A web server that serves each script as it was written. It outlives the test."""
    return lasting.server("development", {})


@pytest.fixture
def page(
    request: pytest.FixtureRequest,
    browser: Browser,
    server: Server,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Page]:
    """A page of a context of its own, at the server. An error in its scripts fails the test.

    Nothing turns or sweeps in it: without a graphics card that takes half a processor.
    """
    context = browser.new_context(
        base_url=server.url, accept_downloads=True, reduced_motion="reduce"
    )
    if IS_TRACED:
        context.tracing.start(screenshots=True, snapshots=True)
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    if errors or request.node.stash.get(FAILED, False):
        directory = tmp_path_factory.mktemp("browser")
        page.screenshot(path=directory / "page.png", full_page=True)
        steps = "with TRACE=1"
        if IS_TRACED:
            context.tracing.stop(path=directory / "trace.zip")
            steps = f"playwright show-trace {directory}/trace.zip"
        said = f"See {directory}/page.png, and each step: {steps}"
        request.node.add_report_section("teardown", "browser", said)
    with ended_by_ctrl_c:
        context.close()
    assert not errors, f"The page's scripts failed: {errors}"


@pytest.fixture
def sign_in(page: Page, server: Server) -> Callable[[User], None]:
    """Give the page the session of a user, without the form."""

    def sign_in(user: User) -> None:
        name, value = session_cookie(user)
        page.context.add_cookies([{"name": name, "value": value, "url": server.url}])

    return sign_in


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed:
        item.stash[FAILED] = True
    return report
