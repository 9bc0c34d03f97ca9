"""Health checks: what must work so that exports run.

`manage.py healthcheck` and the health page of the admin run all checks and show how to fix what
fails. `config.health` runs those of the database, Redis and a worker for a load balancer. A check
is a function that returns a line for people, or raises.
"""

from __future__ import annotations

import asyncio
import secrets
import shutil
import tempfile
import threading
import time
from collections import Counter
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from asgiref.sync import async_to_sync
from celery import current_app
from channels.layers import get_channel_layer
from django.core import checks
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.db import connections
from django.db.migrations.executor import MigrationExecutor
from django.db.models import Q
from django.utils import timezone

from exports.conf import conf
from exports.lifecycle import queue, room
from exports.lifecycle.leases import Now
from exports.models import Export
from exports.status import HELD, Status
from notifications.conf import conf as notifications_conf
from notifications.delivery import watchdog
from notifications.delivery.db_threads import closes_connections
from notifications.delivery.hub import hubs
from notifications.periodic import SECONDS
from notifications.streams import push
from notifications.writing import alias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

TIMEOUT = 2.0  # Seconds for Redis, and for workers.
STORAGE_TIMEOUT = 5.0
MAX_NAMES = 10  # Names of workers in one line.
SWEEP_LAG = 5.0  # Seconds. Users notice a longer delay.
# The event loop is unhealthy if it was blocked often or for long in the last RECENT_BLOCK seconds.
# A busy machine or a garbage collection blocks it for some tenths of a second.
RECENT_BLOCK = 600.0
MANY_BLOCKS = 10
LONG_BLOCK = 1.0  # Seconds.
# beat runs a rescue every SECONDS. After three of them, something is wrong.
OVERDUE = timedelta(seconds=3 * SECONDS)


class Unhealthy(Exception):
    """Something responds, but is not healthy. The message says why."""


def database() -> str:
    own = connections[alias()]
    with own.cursor() as cursor:
        cursor.execute("SELECT 1")
    return str(own.vendor)


def migrations() -> str:
    executor = MigrationExecutor(connections[alias()])
    missing = [step for step, _ in executor.migration_plan(executor.loader.graph.leaf_nodes())]
    if missing:
        first = missing[0]
        raise Unhealthy(f"{len(missing)} not applied, {first.app_label}.{first.name} first")
    return "all applied"


def redis(timeout: float = TIMEOUT) -> str:
    # The check uses the channel layer, because pushes use it.
    async_to_sync(_push)(timeout)
    return "the channel layer accepts messages"


async def _push(timeout: float) -> None:  # noqa: ASYNC109 - the timeout is the caller's
    channel_layer: Any = get_channel_layer(notifications_conf.CHANNEL_LAYER)
    async with asyncio.timeout(timeout):
        await channel_layer.group_send("health", {"type": "health"})


def broker() -> str:
    waiting = queue.message_count()
    if waiting is None:
        raise Unhealthy("no answer")
    helpers = queue.message_count(queue.help_queue())
    return f"queued messages: {waiting}; for helpers: {helpers or 0}"


def any_worker(timeout: float = TIMEOUT) -> str:
    """Return as soon as one worker has answered, whatever its queues."""
    # The connections in the pool may be older than the last restart of Redis, so this is a new one.
    with current_app.connection_for_write() as fresh:
        inspect = current_app.control.inspect(timeout=timeout, limit=1, connection=fresh)
        if not inspect.ping():
            raise Unhealthy("no worker answered")
    return "a worker answers"


def workers(timeout: float = TIMEOUT) -> str:
    """List the workers that answer in time. Raise Unhealthy if none of them takes exports."""
    name = queue.run_queue()
    with current_app.connection_for_write() as fresh:
        inspect = current_app.control.inspect(timeout=timeout, connection=fresh)
        answers = inspect.active_queues() or {}
    if not answers:
        raise Unhealthy(f"none answered within {timeout:g} s")
    taking = [
        worker for worker, queues in answers.items() if any(each["name"] == name for each in queues)
    ]
    if not taking:
        raise Unhealthy(f"answering: {len(answers)}, none of which listens to the queue {name}")
    return f"answering: {len(taking)} ({_listed(sorted(taking))})"


def _listed(names: Sequence[str]) -> str:
    """Return the first names, and how many more there are."""
    more = len(names) - MAX_NAMES
    return ", ".join([*names[:MAX_NAMES], *([f"and {more} more"] if more > 0 else [])])


def running() -> str:
    """Count the running exports of each worker, and those whose lease is not renewed in time."""
    held = Export.objects.filter(status__in=HELD)
    counts = Counter(held.values_list("worker", flat=True))
    if not counts:
        return "no export"
    # A lease is renewed after a third of its time, so at half of it the worker is late.
    late = held.filter(lease_expires_at__lt=Now() + timedelta(seconds=conf.LEASE_SECONDS / 2))
    by_worker = _listed([f"{worker}: {count}" for worker, count in sorted(counts.items())])
    return (
        f"exports: {counts.total()} ({by_worker}); "
        f"with a worker that is late to renew its lease: {late.count()}"
    )


def rescues() -> str:
    """Raise Unhealthy if an export waits too long for a rescue.

    beat leaves no trace when it runs, but overdue rescues show that it does not.
    """
    past = Now() - OVERDUE
    lost = Q(status__in=HELD, lease_expires_at__lt=past)
    not_enqueued = Q(status=Status.QUEUED, enqueued_at=None, queued_at__lt=past)
    if overdue := Export.objects.filter(lost | not_enqueued).count():
        raise Unhealthy(f"waiting to be rescued for more than {OVERDUE.seconds} s: {overdue}")
    queued = Export.objects.filter(status=Status.QUEUED).order_by("queued_at").only("queued_at")
    if (oldest := queued.first()) is None:
        return "nothing is overdue"
    age = (timezone.now() - oldest.queued_at).total_seconds()
    return f"nothing is overdue; queued: {queued.count()}, the first for {max(age, 0):,.0f} s"


def storage(timeout: float = STORAGE_TIMEOUT) -> str:
    """Write, read and delete a file. It runs in a thread, because a bucket may hang for minutes."""
    outcome: Future[None] = Future()

    def run() -> None:
        try:
            _write_and_read()
        except Exception as error:  # noqa: BLE001 - `outcome.result` raises it
            outcome.set_exception(error)
        else:
            outcome.set_result(None)

    # A storage may also use the database.
    threading.Thread(target=closes_connections(run), name="storage-health", daemon=True).start()
    try:
        outcome.result(timeout)
    except TimeoutError:
        if outcome.done():  # The storage itself has raised it.
            raise
        raise Unhealthy(f"no answer within {timeout:g} s") from None
    return "written, read and deleted"


def _write_and_read() -> None:
    written = secrets.token_bytes(64)
    name = default_storage.save(f"healthcheck-{secrets.token_hex(8)}", ContentFile(written))
    try:
        with default_storage.open(name) as file:
            if file.read() != written:
                raise Unhealthy("the file that was read differs from the one that was written")
    finally:
        default_storage.delete(name)


def work_directory() -> str:
    folder = Path(conf.WORK_DIR)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder) as file:
        file.write(b"healthcheck")
        file.flush()
    return f"{folder}, {shutil.disk_usage(folder).free / 1e9:,.1f} GB free"


def space() -> str:
    """Return the stored bytes and the free space with their limits. Raise Unhealthy at a limit."""
    state = room.state()
    parts = [_gigabytes("stored", state["stored"], "of", state["stored_allowed"])]
    for place, free in (("storage", state["storage_free"]), ("work directory", state["work_free"])):
        if free is not None:  # It is unknown for a bucket.
            parts.append(_gigabytes(f"free in the {place}", free, "floor", state["floor"]))
    if state["lacking"]:
        raise Unhealthy("; ".join([*parts, str(state["lacking"])]))
    return "; ".join(parts)


def _gigabytes(name: str, value: int, word: str, limit: int) -> str:
    limited = f" ({word} {limit / 1e9:,.1f} GB)" if limit else ""
    return f"{name}: {value / 1e9:,.1f} GB{limited}"


def pushes() -> str:
    """Raise Unhealthy if the channel layer did not accept the last push of this process."""
    sent, failed = push.counters["sent"], push.counters["failed"]
    if push.is_failing():
        raise Unhealthy(f"the last one failed; sent since this process started: {sent}")
    ignored = sum(hub.counters["forged"] + hub.counters["poison"] for hub in hubs())
    more = f"; ignored as forged or invalid: {ignored}" if ignored else ""
    return f"sent by this web process: {sent}; failed: {failed}{more}"


def sweeps() -> str:
    """Raise Unhealthy if the sweeps, which deliver items whose push was lost, are late."""
    lags = [hub.lag for hub in hubs() if hub.lag is not None]
    if not lags:
        return "no live connections at this web process"
    if (lag := max(lags)) > SWEEP_LAG:
        raise Unhealthy(f"late by {lag:.0f} s")
    found = sum(hub.counters["caught_up"] for hub in hubs())
    streams = sum(hub.streams for hub in hubs())
    return f"late by {lag:.1f} s; streams: {streams}; items found without a push: {found} times"


def event_loop() -> str:
    """Raise Unhealthy if code has blocked the event loop of this process recently."""
    blocks = [each.blocks for each in watchdog.watchdogs() if each.blocks.count]
    if not blocks:
        return f"never blocked for {watchdog.LIMIT:g} s since this process started"
    last = max(blocks, key=lambda each: each.last[-1])
    now = time.monotonic()
    ago = now - last.last[-1][0]
    recent = [took for each in blocks for at, took in each.last if now - at < RECENT_BLOCK]
    text = (
        f"blocked for more than {watchdog.LIMIT:g} s: {sum(each.count for each in blocks)} times,"
        f" {max(each.longest for each in blocks):.1f} s at most,"
        f" last {ago:,.0f} s ago at {last.last_place}"
    )
    if len(recent) >= MANY_BLOCKS or max(recent, default=0) >= LONG_BLOCK:
        raise Unhealthy(text)
    return text


def exporters() -> str:
    """Run Django's system checks, including those of the exporters."""
    found = [each for each in checks.run_checks() if not each.is_silenced()]
    if serious := [each for each in found if each.is_serious()]:
        raise Unhealthy(f"errors: {len(serious)}, the first: {serious[0].msg}".rstrip("."))
    return f"no errors; warnings: {len(found)}"


@dataclass(frozen=True)
class Check:
    """A check and its remedy. It is skipped if one of the checks that it `needs` has failed."""

    name: str
    run: Callable[[], str]
    fix: str
    needs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Finding:
    """The result of a check."""

    name: str
    detail: str
    fix: str = ""  # Empty if the check has passed.

    @property
    def is_healthy(self) -> bool:
        return not self.fix


CHECKS = (
    Check("database", database, "Start the database, and check DATABASE_URL."),
    Check("migrations", migrations, "Apply the migrations: manage.py migrate", ("database",)),
    Check("redis", redis, "Start Redis, and check REDIS_URL."),
    Check("broker", broker, "Check that Redis responds and has free memory.", ("redis",)),
    Check(
        "workers",
        workers,
        "Start a worker: celery -A config worker -Q exports,exports-help",
        ("broker",),
    ),
    Check("running", running, "Apply the migrations: manage.py migrate", ("migrations",)),
    Check(
        "rescue",
        rescues,
        "Start beat: celery -A config beat. To run it once: manage.py rescue_exports",
        # Without a broker, a rescue cannot enqueue exports either.
        ("migrations", "broker"),
    ),
    Check("storage", storage, "Check that STORAGE_URL is a place that this user can write to."),
    Check(
        "work directory",
        work_directory,
        "Check that EXPORTS_WORK_DIR is a directory with free space that this user can write to.",
    ),
    Check(
        "space",
        space,
        "Make room: run manage.py prune_exports, raise EXPORTS_MAX_STORED_BYTES or lower "
        "EXPORTS_EXPIRE_DAYS. Until then no export is accepted or started.",
        ("migrations",),
    ),
    Check("exporters", exporters, "Fix the declarations: manage.py check shows all errors."),
)
# What a web process knows about itself. Another process may answer the next request.
PROCESS_CHECKS = (
    Check(
        "pushes",
        pushes,
        "Check that Redis responds. Items that were not pushed arrive with a sweep.",
    ),
    Check("sweeps", sweeps, "Check why the database is slow or this process is busy."),
    Check(
        "event loop",
        event_loop,
        'Look for "The event loop was held" in this process\'s output: it shows the stack.',
    ),
)


def findings(more: Iterable[Check] = ()) -> Iterator[Finding]:
    """Run all CHECKS and `more` in order, and yield a finding for each."""
    failed: set[str] = set()
    for check in (*CHECKS, *more):
        if missing := [name for name in check.needs if name in failed]:
            finding = Finding(check.name, "not checked", f"Fix this first: {missing[0]}.")
        else:
            finding = _run(check)
        if not finding.is_healthy:
            failed.add(check.name)
        yield finding


def _run(check: Check) -> Finding:
    try:
        return Finding(check.name, check.run())
    except Unhealthy as error:
        return Finding(check.name, str(error), check.fix)
    # Drivers and storages may raise anything.
    except Exception as error:  # noqa: BLE001 - see above
        why = " ".join(str(error).split()).rstrip(".") or "no reason given"
        return Finding(check.name, f"{type(error).__name__}: {why}", check.fix)
