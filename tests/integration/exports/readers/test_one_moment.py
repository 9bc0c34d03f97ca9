"""consistency = "snapshot": all rows as they were at one moment, whoever reads them."""

from __future__ import annotations

from functools import partial

import pytest
from django.db import OperationalError, connection

from demo.models import Flight
from exports.exceptions import DefinitionError
from exports.exporters import Column, Exporter, checks, registry
from exports.lifecycle import rescue
from exports.models import Consistency
from exports.readers.connection import Snapshot, Source
from exports.worker import heartbeat, runner
from exports.worker.progress import Ticker
from tests.support import exporting
from tests.support.exporting import (
    content,
    expire_lease,
    log,
    make_flights,
    registered,
    resume_with,
    run,
    start,
)
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.django_db(transaction=True)]
only_postgres = pytest.mark.only_on("postgres")


class Still(Exporter):
    """Flights at one moment, with something that happens as a worker comes to a row."""

    queryset = Flight.objects.all()
    permission = "demo.export_flight"
    consistency = "snapshot"
    columns = ["id", "arr_delay", Column("seen", needs=["id"], python=lambda key: Still.seen(key))]  # noqa: PLW0108
    happens: dict = {}

    @classmethod
    def seen(cls, key):
        if action := cls.happens.pop(key, None):
            action()
        return key


@pytest.fixture(autouse=True)
def folder(settings, tmp_path, monkeypatch):
    exporting.use_folders(settings, tmp_path)
    settings.EXPORTS_PART_ROWS = 10
    settings.EXPORTS_PAGE_ROWS = 4
    settings.EXPORTS_PARALLEL = 0
    monkeypatch.setattr(heartbeat, "CHECK_SECONDS", 60)
    monkeypatch.setattr(runner, "Ticker", partial(Ticker, interval=0))
    Still.happens = {}


@pytest.fixture
def still():
    with registered(Still):
        yield


def change_everything():
    Flight.objects.update(arr_delay=-1)
    Flight.objects.filter(id__in=[15, 35]).delete()
    make_flights([-1, 40])


def rows(export):
    return [line.split(",")[:2] for line in content(export).decode().splitlines()[1:]]


def moment():
    return [
        [str(key), "" if delay is None else str(delay)]
        for key, delay in Flight.objects.order_by("id").values_list("id", "arr_delay")
    ]


@only_postgres
def test_changes_during_the_read_are_not_in_the_file(superuser, still):
    make_flights(range(1, 36))
    before = moment()
    Still.happens[5] = change_everything

    export = run(start(superuser, exporter="still", columns=None))

    assert rows(export) == before
    assert moment() != before
    assert export.consistency == Consistency.SNAPSHOT


@only_postgres
def test_lost_worker_restarts_the_export_with_a_new_snapshot(superuser, still, settings):
    class Killed(BaseException):
        """The worker is gone from one line to the next."""

    def kill():
        raise Killed

    make_flights(range(1, 36))
    Still.happens[25] = kill
    export = start(superuser, exporter="still", columns=None)
    with pytest.raises(Killed):
        run(export)
    change_everything()
    after = moment()

    expire_lease(export)
    rescue.rescue()
    export = resume_with(export)

    assert rows(export) == after
    assert [line for line in log(export) if "rows to extract" in line] == [
        "35 rows to extract. Parts: 4. Row by row.",
        "35 rows to extract. Parts: 4. Row by row.",
    ]


@only_postgres
def test_all_connections_with_the_snapshot_id_read_the_snapshot():
    make_flights(range(1, 4))
    snapshot, source = Snapshot("default"), Source("default")
    source.snapshot_id = snapshot.id
    Flight.objects.all().delete()
    keys = Flight.objects.order_by("pk").values_list("pk")

    with source.reading():
        seen = [row[0] for page in source.pages(keys, 10) for row in page]
    snapshot.close()

    def is_gone():
        try:
            with source.reading():
                return False
        except OperationalError as error:
            return "The database snapshot has expired" in str(error)

    assert seen == [1, 2, 3]
    wait_until(is_gone, what="the server forgets the moment")
    source.close()


def test_unknown_consistency_is_refused():
    with pytest.raises(DefinitionError, match=r"Available: row, snapshot\."):
        registry.register(type("Odd", (Still,), {"name": "odd", "consistency": "perfect"}))


def test_check_reports_databases_without_snapshots(still):
    problems = [problem.msg for problem in checks.check() if "needs PostgreSQL" in problem.msg]

    assert len(problems) == (0 if connection.vendor == "postgresql" else 1)
