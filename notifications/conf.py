"""The settings of this app: the value in Django's settings, or else the default here."""

from __future__ import annotations

from typing import Any

from django.conf import settings


class Conf:
    """The attribute `<name>` reads the setting NOTIFICATIONS_<name>."""

    # The entry of CHANNEL_LAYERS for pushes. After a failure, the hub flushes the layer: for this
    # process or, with some layers, for all processes. So a project with its own consumers needs a
    # separate entry for them.
    CHANNEL_LAYER: str = "default"
    # How often the hub reads the positions of streams from the database. A message that the channel
    # layer loses is late by at most this time.
    SWEEP_SECONDS: float = 3.0
    # A client that gets no frame for two of these intervals treats its connection as dead.
    HEARTBEAT_SECONDS: float = 20.0
    # The server stops sending when a stream has this many unacknowledged frames.
    WINDOW: int = 256
    # The server closes a socket whose window is full for longer than this time.
    STALLED_SECONDS: float = 60.0
    # Sockets, event streams and long polls of one user in one process. 0: no limit.
    MAX_CONNECTIONS: int = 20
    # Threads, and therefore database connections, for the reads of one process's consumers.
    DATABASE_THREADS: int = 4

    # Days for which beat keeps the events of users and teams, and `prune_events` all events.
    RETENTION_DAYS: int = 30
    # Days for which the audit trail is kept.
    AUDIT_DAYS: int = 365

    def __getattribute__(self, name: str) -> Any:
        return getattr(settings, f"NOTIFICATIONS_{name}", object.__getattribute__(self, name))


conf = Conf()
