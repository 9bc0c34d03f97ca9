"""The only code that sends messages to Celery, and that notices the shutdown of a worker.

The broker may lose a message or deliver it twice. Only the database decides what happens.
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

# Workers read this queue as well; a free one becomes a helper.
HELP_SUFFIX = "-help"

# Short, because a user waits for the response. With two tries, a broker that hangs costs 3 seconds;
# with the time-outs of workers it would cost 15.
TIMEOUTS = {"socket_timeout": 1.5, "socket_connect_timeout": 1.5}

BROKER_ERRORS = (OperationalError, KombuError, OSError)

# One byte of memory that this process shares with its children. It is 1 while the worker shuts
# down. Celery sends its signal only in the parent, but the children run the exports.
_shutting_down = mmap.mmap(-1, 1)


def enqueue(export_id: uuid.UUID) -> bool:
    """Send a message about a queued export to the workers.

    Return False if the broker does not respond. The caller need not act, because `rescue` sends the
    message later.
    """
    try:
        _send(RUN, export_id)
    except BROKER_ERRORS as error:
        logger.warning("The broker does not respond; export %s waits: %r", export_id, error)
        return False
    Export.objects.filter(pk=export_id).update(enqueued_at=Now())
    return True


def request_helpers(export_id: uuid.UUID, count: int) -> None:
    """Request `count` workers to help with an export. Nothing is lost if no worker helps."""
    try:
        _send(HELP, export_id, count, queue=help_queue())
    except BROKER_ERRORS as error:
        logger.debug("The broker does not respond; no worker will help: %r", error)


def _send(task: str, export_id: uuid.UUID, count: int = 1, **options: Any) -> None:
    with _connect() as connection:
        for _ in range(count):
            current_app.send_task(task, [str(export_id)], connection=connection, **options)


def _connect() -> Any:
    return current_app.connection_for_write(transport_options=TIMEOUTS)


def run_queue() -> str:
    return str(current_app.conf.task_default_queue)


def help_queue() -> str:
    return f"{run_queue()}{HELP_SUFFIX}"


def message_count(name: str = "") -> int | None:
    """Return the number of messages in the queue `name`, by default that of exports.

    None if the broker does not respond.
    """
    try:
        with _connect() as connection:
            # Without `passive`, which looks for the key without its prefix and finds no queue.
            declared = connection.default_channel.queue_declare(
                name or run_queue(), durable=True, auto_delete=False
            )
    except BROKER_ERRORS:
        return None
    count: int = declared.message_count
    return count


def is_shutting_down() -> bool:
    """Return whether this worker should give back its export."""
    return _shutting_down[0] != 0


@worker_shutting_down.connect
def _notify_children(**_: object) -> None:
    _shutting_down[0] = 1
