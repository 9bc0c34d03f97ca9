"""Create and run exports in the process of the test."""

from __future__ import annotations

import datetime
from contextlib import contextmanager
from itertools import count
from typing import TYPE_CHECKING, Any

from django.core.files.storage import default_storage
from django.utils import timezone

from demo.models import Airline, Airport, Flight
from exports.exporters import registry
from exports.lifecycle import attempts
from exports.models import Export
from exports.status import Status
from exports.worker import runner
from notifications.models import Event, Retained
from tests.support.starting import start_export

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from django.contrib.auth.models import User
    from pytest_django.fixtures import SettingsWrapper

WORKER = "worker-1@tests"
NUMBERS = count(1)
# A column of each kind. Airlines and airports are joined, and some flights have no airport.
COLUMNS = ["id", "carrier__name", "dest__name", "tailnum", "delay", "speed"]
HEAD = (",".join(COLUMNS) + "\n").encode()


def use_folders(settings: SettingsWrapper, folder: Path) -> None:
    """Put the storage and the work directory into `folder`, so that tests can inspect both."""
    settings.EXPORTS_WORK_DIR = folder / "work"
    settings.STORAGES = {
        **settings.STORAGES,
        "default": {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": str(folder / "files")},
        },
    }


def left_in(folder: Path) -> set[str]:
    """Return the files in `folder` and below."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def make_flights(keys: Iterable[int]) -> list[Flight]:
    """Create flights with these keys. Every third has no tail number, every fifth no airport."""
    airline, _ = Airline.objects.get_or_create(carrier="UA", name="United Air Lines Inc.")
    places = [
        Airport.objects.get_or_create(
            faa=code,
            defaults={"name": name, "lat": 40.7, "lon": -74.2, "alt": 18, "tz": -5, "dst": "A"},
        )[0]
        for code, name in (("EWR", "Newark Liberty Intl"), ("IAH", 'George "Bush", Houston'))
    ]
    return Flight.objects.bulk_create(
        Flight(
            id=key,
            date=datetime.date(2013, 1, 1),
            time_hour=datetime.datetime(2013, 1, 1, 10, tzinfo=datetime.UTC),
            carrier=airline,
            flight=key % 1_000,
            tailnum=None if key % 3 == 0 else f"N{key % 10_000}",
            origin=places[0],
            dest_code="BQN" if key % 5 == 0 else "IAH",
            dest=None if key % 5 == 0 else places[1],
            sched_dep_time=515,
            sched_arr_time=819,
            dep_delay=2,
            arr_delay=None if key % 7 == 0 else key % 100,
            air_time=227,
            distance=1_400,
        )
        for key in keys
    )


def line(key: int) -> str:
    """Return the CSV line of a flight of `make_flights`."""
    tailnum = "" if key % 3 == 0 else f"N{key % 10_000}"
    dest = "" if key % 5 == 0 else '"George ""Bush"", Houston"'
    delay = "" if key % 7 == 0 else key % 100 - 2
    return f"{key},United Air Lines Inc.,{dest},{tailnum},{delay},370.0\n"


def file_with(keys: Iterable[int]) -> bytes:
    """Return the whole file of an export of those flights."""
    return HEAD + "".join(map(line, keys)).encode()


def make_exports(owner: User, live: int, history: int) -> None:
    """Create rows of active and of succeeded exports, without workers."""
    now = timezone.now()
    common = {"owner": owner, "exporter": "flights", "format": "csv", "rows_total": 336_776}
    Export.objects.bulk_create(
        [
            Export(
                **common,
                label=f"Flights of day {number}",
                status=Status.RUNNING,
                stage="extracting",
                rows_done=1_000 * number,
                rate=50_000.0,
                started_at=now,
                attempt=1,
            )
            for number in range(live)
        ]
        + [
            Export(
                **common,
                label=f"Flights of month {number}",
                status=Status.SUCCEEDED,
                rows_done=336_776,
                bytes=33_685_504,
                file=f"exports/{number}.csv",
                started_at=now - datetime.timedelta(minutes=number + 1),
                finished_at=now - datetime.timedelta(minutes=number),
                expires_at=now + datetime.timedelta(days=7),
            )
            for number in range(history)
        ]
    )


def request(user: User, **fields: Any) -> Export:
    """Create an export, even if an identical one is active."""
    fields = {
        "exporter": "flights",
        "columns": COLUMNS,
        "label": f"Flights {next(NUMBERS)}",
        **fields,
    }
    return start_export(user=user, **fields)


def start(user: User, **fields: Any) -> Export:
    """Create an export that a worker has claimed."""
    return attempts.claim(request(user, **fields).pk, worker=WORKER)


def run(export: Export) -> Export:
    """Run the worker that has claimed `export`, as far as it gets."""
    runner.run(export, should_stop=lambda: False)
    return export


def resume_with(export: Export, worker: str = "worker-2@tests") -> Export:
    """Let another worker claim the queued `export` and run it as far as it gets."""
    return run(attempts.claim(export.pk, worker=worker))


def content(export: Export) -> bytes:
    with default_storage.open(export.file) as file:
        data: bytes = file.read()
    return data


def log(export: Export) -> list[str]:
    return [data["message"] for data in events(export.stream, "log")]


def events(stream: str, kind: str = "") -> list[Any]:
    """Return the data of events with a type, or without one the types of all but log events."""
    found = Event.objects.filter(stream__name=stream).order_by("offset")
    if kind:
        return list(found.filter(type=kind).values_list("data", flat=True))
    return list(found.exclude(type="log").values_list("type", flat=True))


def retained(stream: str, key: str) -> dict[str, Any]:
    data: dict[str, Any] = Retained.objects.get(stream__name=stream, key=key).data
    return data


def force_status(export: Export, status: Status, **fields: Any) -> Export:
    """Set columns without the lifecycle."""
    Export.objects.filter(pk=export.pk).update(status=status, **fields)
    export.refresh_from_db()
    return export


@contextmanager
def registered(*classes: type) -> Iterator[None]:
    """Register exporters during a block."""
    before = dict(registry.EXPORTERS)
    try:
        for cls in classes:
            registry.register(cls)
        yield
    finally:
        registry.EXPORTERS.clear()
        registry.EXPORTERS.update(before)


def expire_lease(export: Export) -> Export:
    """Let the lease of the export's worker run out."""
    past = datetime.datetime(2013, 1, 1, tzinfo=datetime.UTC)
    Export.objects.filter(pk=export.pk).update(lease_expires_at=past)
    export.parts.filter(lease_expires_at__isnull=False).update(lease_expires_at=past)
    export.refresh_from_db()
    return export
