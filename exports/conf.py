"""The settings of this app, with their defaults. Django's settings override them."""

from __future__ import annotations

from pathlib import Path
from tempfile import gettempdir
from typing import Any

from django.conf import settings


class Conf:
    """`conf.X` is the setting EXPORTS_X, read at each access, or else the default below."""

    # Rows in a part. With less than 50 000, the overhead of parts slows exports (docs/design.md).
    PART_ROWS: int = 100_000
    # Rows fetched at once. This bounds the memory of a worker, and how soon it notices a cancel.
    PAGE_ROWS: int = 2_000
    # A worker that has not renewed its lease for this long counts as lost.
    LEASE_SECONDS: int = 30
    # After this many lost workers an export fails.
    MAX_ATTEMPTS: int = 3
    # Lines that the log of an export keeps. The last one says that the log is full.
    LOG_LINES: int = 10_000
    # Bytes that the log keeps. LOG_LINES alone is no bound: a line may have 4 000 characters.
    LOG_BYTES: int = 10 * 1024**2
    # Days until a finished file expires.
    EXPIRE_DAYS: int = 7
    # Workers that may help the worker that holds an export. `parallel` of an exporter overrides it.
    PARALLEL: int = 3
    # Seconds until a worker puts its export back in the queue, at the end of a part. It does so only
    # if other exports are queued and no helper is about to take one.
    TURN_SECONDS: float = 5.0
    # Active exports of one user. Paused ones count. 0, here and below, means no limit.
    MAX_ACTIVE: int = 10
    # Exports that one user may start in a minute.
    MAX_REQUESTS_PER_MINUTE: int = 30
    # Exports that one user may start in a day. Each leaves rows and events until it is deleted.
    MAX_REQUESTS_PER_DAY: int = 2_000
    # Rows and bytes that one export may have. `max_rows` and `max_bytes` of an exporter override
    # them.
    MAX_ROWS: int = 0
    MAX_BYTES: int = 0
    # Bytes of finished files and of parts of unfinished exports: of one owner, and of all owners.
    MAX_STORED_BYTES_PER_USER: int = 10 * 1024**3
    MAX_STORED_BYTES: int = 100 * 1024**3
    # Bytes that stay free on the disks of the storage and of the work directory. With less, no
    # export is accepted or started, and running exports go back to the queue.
    MIN_FREE_BYTES: int = 1024**3
    # Previews that one process runs at once. Each may occupy the database for some seconds.
    PREVIEWS: int = 4
    # A class that stores what exporters need of an HTTP request, as "project.module.Class": see
    # `spec.context.RequestContext`. Without it, only the user, time zone and language are stored.
    REQUEST_CONTEXT: str = ""
    # The directory where a worker writes a part before it is stored.
    WORK_DIR: Path = Path(gettempdir())
    # Days until a finished export is deleted. Its file is deleted earlier, when it expires.
    RETENTION_DAYS: int = 90
    # How files are sent: by the web process ("stream"), by the proxy ("accel"), or by the storage
    # ("redirect").
    DOWNLOAD: str = "stream"
    # accel: the internal location of the proxy that serves the storage's directory.
    ACCEL_PREFIX: str = "/protected-files/"
    # redirect: seconds until a signed link expires.
    LINK_SECONDS: int = 60

    def __getattribute__(self, name: str) -> Any:
        return getattr(settings, f"EXPORTS_{name}", object.__getattribute__(self, name))


conf = Conf()
