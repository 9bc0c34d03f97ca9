"""What must be well for exports to go on, asked part by part.

`manage.py healthcheck` asks all of it and says what to do; a load balancer asks the first few
(`config.health`). Each part is a function that says something of itself, or raises.
"""

from __future__ import annotations

import asyncio
import secrets
import shutil
import tempfile
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
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.db.models import Q
from django.utils import timezone

from exports import queue
from exports.conf import conf
from exports.leases import Now
from exports.models import HELD, Export, Status
from notifications.clock import SECONDS
from notifications.conf import conf as notifications_conf

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TIMEOUT = 2.0  # seconds for Redis, and for the first worker; who asks has little patience
# A rescue comes by every ten seconds. What has waited for three of them waits in vain.
OVERDUE = timedelta(seconds=3 * SECONDS)


class NotWell(Exception):
    """It answers, and something is wrong. The message says what."""


def database() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    return str(connection.vendor)


def migrations() -> str:
    executor = MigrationExecutor(connection)
    missing = [step for step, _ in executor.migration_plan(executor.loader.graph.leaf_nodes())]
    if missing:
        first = missing[0]
        raise NotWell(f"{len(missing)} not applied, {first.app_label}.{first.name} first")
    return "all applied"


def redis(timeout: float = TIMEOUT) -> str:
    # Through the layer itself: what pushes use is what must answer.
    async_to_sync(_push)(timeout)
    return "the channel layer takes messages"


async def _push(timeout: float) -> None:  # noqa: ASYNC109 - the caller's patience
    channel_layer: Any = get_channel_layer(notifications_conf.CHANNEL_LAYER)
    async with asyncio.timeout(timeout):
        await channel_layer.group_send("health", {"type": "health"})


def broker() -> str:
    waiting = queue.waiting()
    if waiting is None:
        raise NotWell("no answer")
    return f"messages that wait: {waiting}"


def a_worker(timeout: float = TIMEOUT) -> str:
    """As soon as one has answered, whatever it listens to."""
    # Over a connection of its own: those in the pool may be older than Redis' last restart.
    with current_app.connection_for_write() as fresh:
        asked = current_app.control.inspect(timeout=timeout, limit=1, connection=fresh)
        if not asked.ping():
            raise NotWell("no worker answered")
    return "a worker answers"


def workers(timeout: float = TIMEOUT) -> str:
    """All that answer in time, and whether one of them would take an export."""
    name = queue.run_queue()
    with current_app.connection_for_write() as fresh:
        asked = current_app.control.inspect(timeout=timeout, connection=fresh)
        answers = asked.active_queues() or {}
    if not answers:
        raise NotWell(f"none answered within {timeout:g} s")
    taking = [who for who, queues in answers.items() if name in {each["name"] for each in queues}]
    if not taking:
        raise NotWell(f"answering: {len(answers)}, none of which listens to the queue {name}")
    return f"answering: {len(taking)}"


def rescues() -> str:
    """Whether anything waits for a rescue for longer than it should.

    Nobody notes that beat is there. What it has not done shows that it is not.
    """
    past = Now() - OVERDUE
    lost = Q(status__in=HELD, lease_expires_at__lt=past)
    never_told = Q(status=Status.QUEUED, enqueued_at=None, queued_at__lt=past)
    if overdue := Export.objects.filter(lost | never_told).count():
        raise NotWell(f"waiting to be rescued for more than {OVERDUE.seconds} s: {overdue}")
    queued = Export.objects.filter(status=Status.QUEUED).order_by("queued_at")
    if (oldest := queued.first()) is None:
        return "nothing is overdue"
    age = (timezone.now() - oldest.queued_at).total_seconds()
    return f"nothing is overdue; queued: {queued.count()}, the first for {max(age, 0):,.0f} s"


def storage() -> str:
    written = secrets.token_bytes(64)
    name = default_storage.save(f"healthcheck-{secrets.token_hex(8)}", ContentFile(written))
    try:
        with default_storage.open(name) as file:
            if file.read() != written:
                raise NotWell("what is read is not what was written")
    finally:
        default_storage.delete(name)
    return "written, read and deleted"


def work_directory() -> str:
    folder = Path(conf.WORK_DIR)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder) as file:
        file.write(b"healthcheck")
        file.flush()
    return f"{folder}, {shutil.disk_usage(folder).free / 1e9:,.1f} GB free"


def exporters() -> str:
    found = [each for each in checks.run_checks() if not each.is_silenced()]
    if serious := [each for each in found if each.is_serious()]:
        raise NotWell(f"errors: {len(serious)}, the first: {serious[0].msg}".rstrip("."))
    return f"no errors; warnings: {len(found)}"


@dataclass(frozen=True)
class Check:
    """One part, and what to do when it is not well. It is not asked without what it `needs`."""

    name: str
    ask: Callable[[], str]
    fix: str
    needs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Finding:
    """What a check has found, and what to do about it: nothing, when all is well."""

    name: str
    detail: str
    fix: str = ""

    @property
    def is_well(self) -> bool:
        return not self.fix


CHECKS = (
    Check("database", database, "Start it, and see that DATABASE_URL names it."),
    Check("migrations", migrations, "Apply them: manage.py migrate", ("database",)),
    Check("redis", redis, "Start it, and see that REDIS_URL names it."),
    Check("broker", broker, "See that Redis answers, and its memory is not full.", ("redis",)),
    Check(
        "workers",
        workers,
        "Start a worker: celery -A config worker -Q exports,exports-help",
        ("broker",),
    ),
    Check(
        "rescue",
        rescues,
        "Start beat: celery -A config beat. Once, by hand: manage.py rescue_exports",
        # What the broker was never told, because it is away, is not for a rescue to mend.
        ("migrations", "broker"),
    ),
    Check("storage", storage, "See that STORAGE_URL names a place that this user may write to."),
    Check(
        "work directory",
        work_directory,
        "See that EXPORTS_WORK_DIR is a directory that this user may write to, with room in it.",
    ),
    Check("exporters", exporters, "Mend the declarations: manage.py check shows all."),
)


def findings() -> Iterator[Finding]:
    """Ask all parts, in order. One that fails keeps nobody from asking the next."""
    failed: set[str] = set()
    for check in CHECKS:
        if missing := [name for name in check.needs if name in failed]:
            finding = Finding(check.name, "not asked", f"First mend: {missing[0]}.")
        else:
            finding = _ask(check)
        if not finding.is_well:
            failed.add(check.name)
        yield finding


def _ask(check: Check) -> Finding:
    try:
        return Finding(check.name, check.ask())
    except NotWell as error:
        return Finding(check.name, str(error), check.fix)
    # Drivers and storages raise what they like, and the answer is the same: it is not well.
    except Exception as error:  # noqa: BLE001
        why = " ".join(str(error).split()).rstrip(".") or "no reason given"
        return Finding(check.name, f"{type(error).__name__}: {why}", check.fix)
