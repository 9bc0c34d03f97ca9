"""This app's settings: what Django's settings say, else the default here."""

from __future__ import annotations

from pathlib import Path
from tempfile import gettempdir
from typing import Any

from django.conf import settings


class Conf:
    """Reads EXPORTS_<name> when it is asked for `<name>`."""

    # Rows a part. Below 50 000 the parts themselves cost speed (docs/design.md).
    PART_ROWS: int = 100_000
    # Rows fetched at once. Bounds memory, and the time until a cancel is noticed.
    PAGE_ROWS: int = 2_000
    # A worker that has not renewed its claim for this long is taken for dead.
    LEASE_SECONDS: int = 30
    # Workers that may die on an export before it fails.
    MAX_ATTEMPTS: int = 3
    # Log lines kept for an export. The last one says that the rest is missing.
    LOG_LINES: int = 10_000
    # Bytes kept of the log, since a line may have 4 000 characters.
    LOG_BYTES: int = 10 * 1024**2
    # Days for which a finished file is offered.
    EXPIRE_DAYS: int = 7
    # Workers that may help the one that holds an export, besides it. An exporter's own
    # `parallel` overrides it.
    PARALLEL: int = 3
    # A worker that has held an export for this long gives it back to the queue, when a part is
    # done and others wait for whom no helper makes room.
    TURN_SECONDS: float = 5.0
    # Exports of one user that may be under way, paused ones too. 0 here and below: any number.
    MAX_ACTIVE: int = 10
    # Requests of one user in a minute.
    MAX_REQUESTS_PER_MINUTE: int = 30
    # Requests of one user in a day. Each leaves rows and events until the export is forgotten.
    MAX_REQUESTS_PER_DAY: int = 2_000
    # Rows and bytes that an export may have. An exporter's own `max_rows` and `max_bytes`
    # override them.
    MAX_ROWS: int = 0
    MAX_BYTES: int = 0
    # Bytes of finished files and of the parts of unfinished exports: of one owner, and of all.
    MAX_STORED_BYTES_PER_USER: int = 10 * 1024**3
    MAX_STORED_BYTES: int = 100 * 1024**3
    # Bytes that stay free on the disks of the storage and of the work directory. With less, no
    # export is accepted or begun, and running ones wait.
    MIN_FREE_BYTES: int = 1024**3
    # Previews that one process makes at once. Each has the database work for some seconds.
    PREVIEWS: int = 4
    # A class that keeps what exports need of a request, as "project.module.Class": see
    # `spec.context.RequestContext`. Empty: only the user, the time zone and the language are kept.
    REQUEST_CONTEXT: str = ""
    # Where a worker keeps the part that it is writing.
    WORK_DIR: Path = Path(gettempdir())
    # Days for which an export that is over is remembered. Its file goes when it expires.
    RETENTION_DAYS: int = 90
    # How a file gets to who may have it: by us ("stream"), by the proxy ("accel"), or by the
    # storage ("redirect").
    DOWNLOAD: str = "stream"
    # accel: where the proxy has the storage's directory, for itself only.
    ACCEL_PREFIX: str = "/protected-files/"
    # redirect: seconds within which a link has to be followed.
    LINK_SECONDS: int = 60

    def __getattribute__(self, name: str) -> Any:
        return getattr(settings, f"EXPORTS_{name}", object.__getattribute__(self, name))


conf = Conf()
