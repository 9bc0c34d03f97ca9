"""Something is killed, frozen or flushed while clients listen and publishers publish.

After each fault the record of every client must equal the tables. Figures that a test has
seen are shown at the end of the run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from django.contrib.auth.models import User

    from tests.faults.stage import Stage, Web
    from tests.services.processes import Run
    from tests.services.valkey import Valkey


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    seen = [
        f"{report.nodeid.rpartition('::')[2]}: {name}: {value}"
        for report in terminalreporter.stats.get("passed", [])
        for name, value in report.user_properties
    ]
    if seen:
        terminalreporter.section("figures")
        terminalreporter.write_line("\n".join(seen))


@pytest.fixture(autouse=True)
def _no_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    """What this process publishes is pushed, whatever the test before has done to Valkey."""
    from notifications.streams import push

    monkeypatch.setattr(push, "_retry_at", 0.0)


@pytest.fixture
def ada(transactional_db: None) -> User:
    """A user with a stream of their own and those of two teams."""
    from django.contrib.auth.models import Group, User

    user = User.objects.create_user("ada")
    user.groups.set([Group.objects.create(name=name) for name in ("red", "blue")])
    return user


@pytest.fixture
def start_web(run: Run, transactional_db: None, valkey: Valkey) -> Iterator[Callable[..., Web]]:
    """Start web processes, with settings of their own."""
    from tests.faults.stage import Web

    started: list[Web] = []

    def start(**env: str) -> Web:
        started.append(Web(run, env))
        return started[-1]

    yield start
    for web in started:
        web.kill()


@pytest.fixture
def web(start_web: Callable[..., Web]) -> Web:
    return start_web()


@pytest.fixture
def stage(run: Run, ada: User, valkey: Valkey) -> Iterator[Stage]:
    """Nobody is there yet: `follow` and `publish` bring them."""
    from notifications.streams import access
    from tests.faults.stage import Stage
    from tests.support.streaming import session_of

    stage = Stage(run, session_of(ada), access.streams_of(ada))
    yield stage
    stage.close()
