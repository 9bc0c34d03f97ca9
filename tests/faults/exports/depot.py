"""What the tests of exports' faults work with: a crew, traps, exports, and one question at the end.

The question after every fault is `assert_unharmed`: is all as if nothing had happened?
"""

from __future__ import annotations

import itertools
from contextlib import suppress
from typing import TYPE_CHECKING

from django.contrib.auth.models import User
from django.db import connections

from exports.models import Export, Part, PartStatus
from exports.status import FINAL, Status
from tests.faults.exports.hazards.cargo import FEW, ROWS, file_of
from tests.faults.record import events_of
from tests.support.exporting import content, left_in
from tests.support.starting import start_export
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Set

    from tests.faults.exports.crew import Crew, Hand

PATIENCE = 90.0  # seconds for what an export does by itself, on a machine that is busy
WHOLE = file_of(range(1, ROWS + 1))
ENDS = {f"export.{status}" for status in FINAL}


class Depot:
    """A crew of workers, and what happens to people's exports."""

    def __init__(self, crew: Crew) -> None:
        self.crew, self.traps = crew, crew.traps
        self.hands: list[Hand] = []
        self._people = itertools.count(1)
        self._deaths = 0

    def muster(self, count: int = 2, **env: str) -> list[Hand]:
        self.hands = self.crew.muster(count, **env)
        return self.hands

    # -- What happens ----------------------------------------------------------------

    def request(self, exporter: str = "alone") -> Export:
        """Somebody asks, each time somebody else: who asks the same again gets the same."""
        person = User.objects.create_superuser(f"person {next(self._people)}")
        return start_export(user=person, exporter=exporter)

    def wait_for(self, export: Export, *statuses: Status) -> Export:
        """Until it is in one of these; without any, until it is over."""

        def is_there() -> bool:
            export.refresh_from_db()
            return export.status in (statuses or FINAL)

        wait_until(is_there, PATIENCE, f"the export is {statuses or 'over'}")
        return export

    def holder(self, export: Export) -> Hand:
        """The worker that holds it."""
        export.refresh_from_db()
        return self._by_name(export.worker)

    def helper(self, export: Export) -> tuple[Hand, Part]:
        """The worker that helps with it, and the part that it has."""
        part = export.parts.get(status=PartStatus.CLAIMED, by_helper=True)
        return self._by_name(part.worker), part

    def _by_name(self, name: str) -> Hand:
        [found] = [hand for hand in self.hands if hand.name == name]
        return found

    def kill(self, hand: Hand) -> None:
        """All of it, as when its host is gone."""
        hand.kill()
        self._deaths += 1

    def kill_child(self, hand: Hand) -> None:
        """Only who does the work, as when memory is short. Celery makes another."""
        hand.child.kill()
        self._deaths += 1

    def dies(self, times: int) -> None:
        """Traps will kill so many."""
        self._deaths += times

    # -- What must be true afterwards ------------------------------------------------

    def assert_unharmed(self, export: Export, file: bytes = WHOLE) -> None:
        """It has succeeded as if nothing had happened, and everybody lives and works."""
        self.wait_for(export)
        assert (export.status, export.error) == (Status.SUCCEEDED, "")
        assert content(export) == file
        assert export.rows_done == export.rows_total == file.count(b"\n") - 1
        assert self.ends_of(export) == ["export.succeeded"]
        self.assert_clean()
        self.assert_all_work()

    def assert_failed(self, export: Export, *reasons: str, by_rescue: bool = False) -> None:
        """It has failed and says why; nothing lies about, and everybody lives and works.

        Whoever rescues has no storage: then the parts lie about, for `prune_exports`.
        """
        self.wait_for(export)
        assert export.status == Status.FAILED
        for reason in reasons:
            assert reason in export.error
        assert export.file == ""
        assert self.ends_of(export) == ["export.failed"]
        parts = export.parts.exclude(file="").values_list("file", flat=True)
        self.assert_clean(besides=set(parts) if by_rescue else set())
        self.assert_all_work()

    def ends_of(self, export: Export) -> list[str]:
        """The events that say how it ended; told alike on all streams, each without a hole."""
        own, *others = (
            [type_ for _, type_, data in events_of(stream) if self._is_end(type_, data, export)]
            for stream in export.streams
        )
        assert all(ends == own for ends in others)
        return own

    @staticmethod
    def _is_end(type_: str, data: dict, export: Export) -> bool:
        return type_ in ENDS and data["id"] == str(export.pk)

    def assert_clean(self, besides: Set[str] = frozenset()) -> None:
        """In storage are the files that rows name, and no work file is left by who lives."""
        living = [hand for hand in self.hands if hand.is_alive]

        def seen() -> list[set[str]]:
            open_files = [set(hand.open_files(self.crew.work)) for hand in living]
            return [left_in(self.crew.files), *open_files]

        expected = [named() | besides, *(set() for _ in living)]
        # A helper learns a moment later than the holder that there is nothing more to do.
        with suppress(TimeoutError):  # What there is then says more.
            wait_until(lambda: seen() == expected, timeout=10)
        assert seen() == expected
        assert len(left_in(self.crew.work)) <= self._deaths

    def assert_all_work(self) -> None:
        """Each worker that was not killed takes a small export, all at once."""
        living = [hand for hand in self.hands if hand.is_alive]
        assert living
        hold = self.traps.hold("few")
        few = [self.request("few") for _ in living]
        hold.wait(len(living))
        hold.release()
        for export in few:
            self.wait_for(export)
            assert (export.status, export.error) == (Status.SUCCEEDED, "")
            assert content(export) == file_of(range(1, FEW + 1))

    # -- Around a test ---------------------------------------------------------------

    def close(self) -> None:
        """Who is still at work, or dead, is not for the next test."""
        connections.close_all()  # A crash may have cut them.
        self.traps.clear()
        self.crew.thaw()
        if Export.objects.exclude(status__in=FINAL | {Status.PAUSED}).exists():
            self.crew.dismiss()


def named() -> set[str]:
    """The files that rows name: of exports, and of parts that may still be joined."""
    parts = Part.objects.exclude(export__status__in=FINAL)
    files = (
        rows.exclude(file="").values_list("file", flat=True) for rows in (Export.objects, parts)
    )
    return set().union(*files)
