"""This app's settings: what Django's settings say, else the default here."""

from __future__ import annotations

from typing import Any

from django.conf import settings


class Conf:
    """Reads NOTIFICATIONS_<name> when it is asked for `<name>`."""

    # The entry of CHANNEL_LAYERS that carries pushes. After a failure its layer is flushed,
    # in this process or, by some layers, for all: a project with consumers of its own gives
    # this app an entry of its own.
    CHANNEL_LAYER: str = "default"
    # How often the hub asks the database where the streams stand. A message that the
    # channel layer lost is late by at most this.
    SWEEP_SECONDS: float = 3.0
    # A client that has seen no frame for two of these knows its connection is dead.
    HEARTBEAT_SECONDS: float = 20.0
    # Frames a client may have unacknowledged before the server stops sending.
    WINDOW: int = 256
    # A window that is full for so long: the client does not read any more, and is closed.
    STALLED_SECONDS: float = 60.0
    # Sockets, streams of events and long polls that one user may have open in one process.
    # 0: any number.
    MAX_CONNECTIONS: int = 20
    # Threads, and so database connections, that one process's consumers read with.
    DATABASE_THREADS: int = 4

    # Days for which beat keeps the events of users and teams, and `prune_events` all events.
    RETENTION_DAYS: int = 30
    # Days for which the audit trail is kept.
    AUDIT_DAYS: int = 365

    def __getattribute__(self, name: str) -> Any:
        return getattr(settings, f"NOTIFICATIONS_{name}", object.__getattribute__(self, name))


conf = Conf()
