"""Following an export from a terminal: what its stream has, a few times a second."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from django.db import InterfaceError, OperationalError, connections

from exports.models import Export
from exports.status import FINAL, Status
from notifications.streams import backlog

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from exports.management.terminal.progress import Snapshot
    from notifications.streams.cursor import Cursor
    from notifications.streams.items import Item

# Nothing more happens to one that is paused, either, until somebody resumes it.
ENDS = FINAL | {Status.PAUSED}

PATIENCE = 10.0  # seconds in the queue, after which somebody should look for workers


class Gone(Exception):
    """The export was deleted."""


class Following:
    """What happens to one export, from its beginning, each thing once."""

    def __init__(self, export: Export, *, say: Callable[[str], object]) -> None:
        self._export = export
        self._say = say
        self._after: Cursor | None = None
        self._is_away = False
        self._began = time.monotonic()
        self._has_hinted = False
        self.latest: Snapshot | None = None

    @property
    def is_over(self) -> bool:
        return self.latest is not None and self.latest["status"] in ENDS

    def new(self) -> list[Item]:
        """What has come since the last time. Raises Gone.

        A database that is away has nothing new: the table is there when it comes back.
        """
        try:
            items = list(self._pages())
            if not items and not Export.objects.filter(pk=self._export.pk).exists():
                raise Gone("The export was deleted.")
        except (OperationalError, InterfaceError) as error:
            if not self._is_away:
                self._say(f"The database is not responding. Retrying. {error}")
            self._is_away = True
            connections.close_all()  # Django opens another the next time.
            return []
        self._is_away = False
        self._hint()
        return items

    def _pages(self) -> Iterator[Item]:
        more = True
        while more:
            page = backlog.read(self._export.stream, self._after)
            self._after, more = page.end, page.more
            for item in page.items:
                if item.kind == "state" and item.name == self._export.key:
                    self.latest = item.data
                yield item

    def _hint(self) -> None:
        latest = self.latest
        waits = latest is not None and latest["status"] == Status.QUEUED and not latest["waits_for"]
        if waits and not self._has_hinted and time.monotonic() - self._began > PATIENCE:
            self._has_hinted = True
            self._say(
                "No worker has started the export yet. Check the workers: manage.py healthcheck"
            )
