"""The only code that sends tasks to Celery, and that hears when a worker is told to stop.

The broker may lose what it is given, or give it twice; the rows know better.
"""

from __future__ import annotations

import logging
import mmap
from typing import TYPE_CHECKING, Any

from celery import current_app
from celery.signals import worker_shutting_down
from kombu.exceptions import KombuError, OperationalError

from exports.lifecycle.leases import Now
from exports.models import Export

if TYPE_CHECKING:
    import uuid

logger = logging.getLogger(__name__)

RUN = "exports.run"
HELP = "exports.help"

# Who could help looks here when nobody waits in the queue of exports.
HELP_SUFFIX = "-help"

# Somebody waits for the answer to a click. A broker that hangs, with two tries, costs them
# 3 seconds like this; with the time-outs of workers it was 15.
HASTE = {"socket_timeout": 1.5, "socket_connect_timeout": 1.5}

# One byte that this process shares with the children it forks: whether the worker was told
# to shut down. Celery tells only the parent; the children do the work.
_shutting_down = mmap.mmap(-1, 1)


def enqueue(export_id: uuid.UUID) -> bool:
    """Tell a worker that an export waits. False if the broker is not there: rescue will
    tell it later, so the caller has nothing to do.
    """
    try:
        with current_app.connection_for_write(transport_options=HASTE) as connection:
            current_app.send_task(RUN, args=[str(export_id)], connection=connection)
    except (OperationalError, KombuError, OSError) as error:
        logger.warning("The broker does not answer; export %s waits: %r", export_id, error)
        return False
    Export.objects.filter(pk=export_id).update(enqueued_at=Now())
    return True


def request_helpers(export_id: uuid.UUID, times: int) -> None:
    """Ask so many workers to take parts of an export, too. Nothing is lost if none comes."""
    try:
        with current_app.connection_for_write(transport_options=HASTE) as connection:
            for _ in range(times):
                current_app.send_task(
                    HELP, args=[str(export_id)], queue=help_queue(), connection=connection
                )
    except (OperationalError, KombuError, OSError) as error:
        logger.debug("The broker does not answer; nobody will help: %r", error)


def run_queue() -> str:
    return str(current_app.conf.task_default_queue)


def help_queue() -> str:
    return f"{run_queue()}{HELP_SUFFIX}"


def message_count(name: str = "") -> int | None:
    """Messages that wait for a worker, in the queue of that name or that of exports.

    None if the broker does not answer.
    """
    try:
        with current_app.connection_for_write(transport_options=HASTE) as connection:
            channel: Any = connection.default_channel
            # Not passive: that asks for the key without its prefix, and never finds a queue.
            declared = channel.queue_declare(name or run_queue(), durable=True, auto_delete=False)
    except (OperationalError, KombuError, OSError):
        return None
    count: int = declared.message_count
    return count


def is_shutting_down() -> bool:
    """Whether this worker should give back what it holds."""
    return _shutting_down[0] != 0


@worker_shutting_down.connect
def _tell_children(**_: object) -> None:
    _shutting_down[0] = 1
