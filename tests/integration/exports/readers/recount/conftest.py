"""Small parts, and something that happens between plan and first row."""

from __future__ import annotations

from functools import partial

import pytest

# Models are imported inside the fixtures: pytest loads this file before Django's apps.


@pytest.fixture(autouse=True)
def folder(settings, tmp_path, monkeypatch):
    from exports.worker import heartbeat, helper, runner
    from exports.worker.progress import Ticker
    from tests.support import exporting
    from tests.support.exporting import left_in, registered
    from tests.support.watched import Watched

    exporting.use_folders(settings, tmp_path)
    settings.EXPORTS_PART_ROWS = 10
    settings.EXPORTS_PAGE_ROWS = 4
    settings.EXPORTS_PARALLEL = 0
    # It would end queries of the test itself, on the connection that they share.
    monkeypatch.setattr(heartbeat, "CHECK_SECONDS", 60)
    for module in (runner, helper):
        monkeypatch.setattr(module, "Ticker", partial(Ticker, interval=0))
    Watched.happens = {}
    with registered(Watched):
        yield tmp_path
    assert left_in(tmp_path / "work") == set()


@pytest.fixture
def after_plan(monkeypatch):
    """Let something happen between the plan and the first row: `after_plan(action)`."""
    from exports.worker import extract

    def arrange(action):
        plan = extract.plan

        def plan_and_act(*arguments):
            ranges = plan(*arguments)
            action()
            return ranges

        monkeypatch.setattr(extract, "plan", plan_and_act)

    return arrange
