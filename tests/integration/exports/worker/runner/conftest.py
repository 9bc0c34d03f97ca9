"""Folders, small parts, and a page for every look."""

from __future__ import annotations

from functools import partial

import pytest

# Models are imported inside the fixtures: pytest loads this file before Django's apps.


@pytest.fixture(autouse=True)
def folder(settings, tmp_path, monkeypatch):
    """Where files go: `work` while they are made, `files` when they are whole."""
    from exports.worker import heartbeat
    from tests.support import exporting
    from tests.support.exporting import left_in, registered
    from tests.support.watched import Watched

    # It would end queries of the test itself, on the connection that they share.
    monkeypatch.setattr(heartbeat, "CHECK_SECONDS", 60)
    settings.EXPORTS_PARALLEL = 0  # There is nobody to ask.
    exporting.use_folders(settings, tmp_path)
    with registered(Watched):
        yield tmp_path
    assert left_in(tmp_path / "work") == set()


@pytest.fixture
def small_parts(settings):
    """Parts of ten rows, read four at a time."""
    settings.EXPORTS_PART_ROWS = 10
    settings.EXPORTS_PAGE_ROWS = 4


@pytest.fixture
def every_page(monkeypatch):
    """A report with every page, however fast they come."""
    from exports.worker import runner
    from exports.worker.progress import Ticker

    monkeypatch.setattr(runner, "Ticker", partial(Ticker, interval=0))


@pytest.fixture
def at():
    """Let something happen as the worker comes to a row: `at(25, lambda: …)`."""
    from tests.support.watched import Watched

    Watched.happens = {}
    yield Watched.happens.__setitem__
    Watched.happens = {}
