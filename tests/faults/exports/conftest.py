"""Something happens to a worker, its broker, its database or its disk while it exports.

After each fault all must be as if nothing had happened: see `depot.Depot.assert_unharmed`.
Workers stay for the next test if they can.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytest_django.fixtures import SettingsWrapper

    from notifications.periodic import PeriodicThread
    from tests.faults.exports.crew import Crew
    from tests.faults.exports.depot import Depot
    from tests.faults.exports.gates import Gate
    from tests.services.postgres import Postgres
    from tests.services.processes import Run
    from tests.services.valkey import Valkey

# What it asserts is shown as in a test.
pytest.register_assert_rewrite("tests.faults.exports.depot")


@pytest.fixture(scope="package")
def crew(run: Run) -> Iterator[Crew]:
    """Workers for all tests of this folder."""
    from tests.faults.exports.crew import Crew

    crew = Crew(run, run.private_directory("crew"))
    yield crew
    crew.dismiss()


@pytest.fixture
def depot(
    crew: Crew, transactional_db: None, valkey: Valkey, settings: SettingsWrapper
) -> Iterator[Depot]:
    """Rows, and two workers that have nothing to do yet."""
    from tests.faults.exports.crew import LEASE
    from tests.faults.exports.depot import Depot
    from tests.faults.exports.hazards import cargo
    from tests.support.exporting import registered, use_folders

    for folder in (crew.files, crew.work):
        shutil.rmtree(folder)
        folder.mkdir()
    crew.traps.clear()
    use_folders(settings, crew.files.parent)
    settings.EXPORTS_LEASE_SECONDS = LEASE
    cargo.make_planes()
    with registered(*cargo.exporters()):
        depot = Depot(crew)
        yield depot
        depot.close()


@pytest.fixture
def clock(depot: Depot) -> Iterator[PeriodicThread]:
    """What beat does, more often: so that a test need not wait for the next ten seconds."""
    from exports.lifecycle import rescue
    from notifications.periodic import PeriodicThread

    clock = PeriodicThread(rescue.rescue, seconds=0.25)
    clock.start()
    yield clock
    clock.stop()


@pytest.fixture
def gate(postgres: Postgres) -> Iterator[Gate]:
    """Rows at which PostgreSQL waits. For tests that are `only_on("postgres")`."""
    from tests.faults.exports.gates import Gate

    gate = Gate(postgres)
    yield gate
    gate.open()
