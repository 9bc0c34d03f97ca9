"""A click, a bar, a file: with the real server, worker, Valkey and database."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import pytest

from exports.models import Export, PartStatus
from exports.status import Status
from tests.support import flights
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.services.processes import Process
    from tests.services.waybill import Worker
    from tests.support.visitor import Follower, Visitor

FLIGHTS = 6_000


def start_export(visitor: Visitor) -> dict[str, Any]:
    answer = visitor.post_json("/api/v1/exports", {"exporter": "flights"})

    assert answer.status == 202, answer
    snapshot: dict[str, Any] = answer.json()
    assert answer.headers["Location"].endswith(f"/api/v1/exports/{snapshot['id']}")
    return snapshot


def is_success(frame: dict[str, Any]) -> bool:
    return bool(frame.get("event") == "export.succeeded")


def assert_gapless(follower: Follower, stream: str) -> None:
    """Every event came once, in order; and no retained value was older than one before."""
    frames = [frame for frame in follower.frames if frame.get("stream") == stream]
    offsets = [frame["offset"] for frame in frames if frame["type"] == "event"]
    revisions = [frame["revision"] for frame in frames if frame["type"] == "state"]

    assert offsets == list(range(1, len(offsets) + 1))
    assert revisions == sorted(set(revisions))


@pytest.mark.proves("stream-once-in-order")
def test_export_is_followed_to_its_end_and_its_file_is_complete(
    worker: Worker, visitor: Visitor
) -> None:
    flights.load(FLIGHTS)

    snapshot = start_export(visitor)
    stream = f"export-{snapshot['id']}"
    with visitor.follow({stream: None}) as follower:
        done = follower.until(is_success)["data"]
    file = visitor.get(done["links"]["download"])

    assert_gapless(follower, stream)
    assert (done["rows_done"], done["rows_total"]) == (FLIGHTS, FLIGHTS)
    assert done["bytes"] == len(file.body)
    flights.assert_complete(file.body)
    assert file.headers["ETag"] == f'"{hashlib.sha256(file.body).hexdigest()}"'
    states = [frame["data"] for frame in follower.frames if frame["type"] == "state"]
    assert states[-1]["status"] == "succeeded"
    log = [frame["data"]["message"] for frame in follower.frames if frame.get("event") == "log"]
    assert any(f"{FLIGHTS:,} rows to extract" in message for message in log), log


@pytest.mark.proves("killed-worker-costs-one-part")
def test_export_outlives_its_worker(
    start_worker: Callable[..., Worker],
    beat: Process,
    visitor: Visitor,
) -> None:
    flights.load(FLIGHTS)
    # So that there is a middle, and a lease that is soon over.
    env = {**flights.SLOWLY, "EXPORTS_LEASE_SECONDS": "3"}
    first = start_worker(**env)
    snapshot = start_export(visitor)
    export = Export.objects.get(pk=snapshot["id"])
    done = export.parts.filter(status=PartStatus.DONE).values_list("number", "attempt", "worker")

    with visitor.follow({export.stream: None}) as follower:
        wait_until(lambda: done.count() >= 2, what="two parts are done")
        first.kill()
        kept = set(done)
        export.refresh_from_db()
        assert export.status == Status.RUNNING, "it was too quick to be killed in the middle"
        assert 0 < len(kept) < export.parts.count()
        start_worker(**env)
        last = follower.until(is_success)["data"]
    file = visitor.get(last["links"]["download"])

    assert last["attempt"] == 2
    assert_gapless(follower, export.stream)
    flights.assert_complete(file.body)
    assert kept <= set(done), "finished parts were done again"
    names = [frame["event"] for frame in follower.frames if frame["type"] == "event"]
    assert [name for name in names if name != "log"] == [
        "export.queued",
        "export.started",
        "export.rescued",
        "export.started",
        "export.succeeded",
    ]
