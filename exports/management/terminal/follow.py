"""Follow an export from a terminal by reading its stream, a few times a second."""

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

# A paused export does nothing until a user resumes it.
ENDS = FINAL | {Status.PAUSED}

HINT_AFTER = 10.0  # Seconds. If an export is queued for longer, the workers may have a problem.


class Gone(Exception):
    """The export was deleted."""


class Following:
    """Reads each item of an export's stream once, from the beginning.

    `say` shows a message to the user. `latest` is the latest state of the export.
    """

    def __init__(self, export: Export, *, say: Callable[[str], object]) -> None:
        self._export = export
        self._say = say
        self._after: Cursor | None = None
        self._is_unreachable = False
        self._began = time.monotonic()
        self._has_hinted = False
        self.latest: Snapshot | None = None

    @property
    def is_over(self) -> bool:
        return self.latest is not None and self.latest["status"] in ENDS

    def new(self) -> list[Item]:
        """Return the items since the last call. Raises Gone if the export was deleted.

        While the database is unreachable, it returns none. The next calls return the missed ones.
        """
        try:
            items = list(self._pages())
            if not items and not Export.objects.filter(pk=self._export.pk).exists():
                raise Gone("The export was deleted.")
        except (OperationalError, InterfaceError) as error:
            if not self._is_unreachable:
                self._say(f"The database is not responding. Retrying. {error}")
            self._is_unreachable = True
            connections.close_all()  # Django opens a new one for the next query.
            return []
        self._is_unreachable = False
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
        if waits and not self._has_hinted and time.monotonic() - self._began > HINT_AFTER:
            self._has_hinted = True
            self._say(
                "No worker has started the export yet. Check the workers: manage.py healthcheck"
            )
