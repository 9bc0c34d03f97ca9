"""The machine of test_subscription_machine.py again, with nothing of ours replaced by a model.

Hypothesis makes up what happens to real sockets' consumers on the real database and a real
Valkey: three tabs of two users, who share a team's stream; transactions that commit and that
roll back; pushes that are lost, late, doubled or bare; tabs that vanish and resume from any
cursor they ever held; acks that are late or never come; reads that fail; pruning; streams
that are made anew. The clients here apply frames and trust nothing.

By hand it may run for as long as you like, each time with other examples:

    MACHINE_EXAMPLES=5000 pytest tests/integration/notifications/delivery/test_consumer_machine.py --timeout 0
"""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from copy import deepcopy
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import Group, User
from django.db import OperationalError, transaction
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from notifications.delivery import consumer, hub
from notifications.models import Event, Stream
from notifications.streams import backlog, publish, push
from notifications.streams.prune import prune
from tests.support.streaming import eventually, session_of, tasks_of_streams
from tests.support.tabs import WINDOW, Ledger, Place, Tab, Table

pytestmark = pytest.mark.proves("stream-once-in-order")

EXAMPLES = os.environ.get("MACHINE_EXAMPLES")
KEYS = ("a", "b")
PAGE = 2  # Small, so that catching up takes several reads.
HEARING = 0.1  # seconds for a push to arrive. If one takes longer, the machine does not mind.
MAX_ITEMS = 4  # A transaction of more is pushed as a hint.

TABS = st.integers(0, 2)
STREAMS = st.integers(0, 1)  # Of each tab: its user's own, and the team's.
STEPS = st.tuples(st.integers(0, 2), st.sampled_from(["event", "event", "two events", *KEYS]))
FATES = st.sampled_from(["arrives", "arrives", "is late", "is lost", "is bare", "is doubled"])
TRANSACTIONS = st.tuples(
    st.lists(STEPS, min_size=1, max_size=4),
    st.sampled_from(["committed", "committed", "committed", "half", "rolled back"]),
    FATES,
)
PASTS = st.integers(-2, 100)
# How long the event loop works afterwards. What comes next, happens in between.
PAUSES = st.sampled_from(["none", "until heard", "until heard", "until level"])


class Stage:
    """The users and their streams: made once, for all examples."""

    def __init__(self) -> None:
        ada, grace = (User.objects.create_user(name) for name in ("ada", "grace"))
        team = Group.objects.create(name="pilots")
        for user in (ada, grace):
            user.groups.add(team)
        self.streams = sorted([f"user-{ada.pk}", f"user-{grace.pk}", f"team-{team.pk}"])
        self.tabs = [
            (session_of(user), [f"user-{user.pk}", f"team-{team.pk}"]) for user in (ada, ada, grace)
        ]
        self.send = push._send


class Delivery(RuleBasedStateMachine):
    def __init__(self, stage: Stage) -> None:
        super().__init__()
        Stream.objects.all().delete()
        self.streams = stage.streams
        self.send = stage.send
        self.ledger = Ledger()
        self.late: list[tuple[str, dict[str, Any]]] = []
        self.sent = 0  # What the hub has to hear.
        self.fate = "arrives"
        self.failures = 0
        self.has_failed = False
        self.tabs = [Tab(*each, self.ledger) for each in stage.tabs]
        push._send = self._post
        self.read, backlog.read = backlog.read, self._fail_or_read
        self.runner = asyncio.Runner()
        for tab in self.tabs:
            self._run(tab.connect())
            self._run(tab.subscribe(dict.fromkeys(tab.streams)))

    # -- what happens on most days ---------------------------------------------------------

    @rule(transactions=st.lists(TRANSACTIONS, min_size=1, max_size=4), then=PAUSES)
    def publish(self, transactions: list[Any], then: str) -> None:
        for each in transactions:
            self._transact(*each)
        self._pause(then)

    def _transact(self, steps: list[tuple[int, str]], ends: str, fate: str) -> None:
        """Of "half", the last step is in a savepoint that is rolled back."""
        self.fate = fate
        steps = sorted(steps)  # By stream, as publish asks.
        kept: list[tuple[str, str, str, int, int]] = []
        with suppress(ZeroDivisionError), transaction.atomic():
            for step in steps if ends != "half" else steps[:-1]:
                kept += self._write(*step)
            if ends == "half":
                with suppress(ZeroDivisionError), transaction.atomic():
                    self._write(*steps[-1])
                    raise ZeroDivisionError
            if ends == "rolled back":
                kept.clear()
                raise ZeroDivisionError
            # Before the commit: a push may be quicker than we are.
            for fact in kept:
                self.ledger.note(*fact)

    @rule(which=TABS, stream=STREAMS, count=st.integers(1, WINDOW), then=PAUSES)
    def acknowledge(self, which: int, stream: int, count: int, then: str) -> None:
        tab = self.tabs[which]
        self._run(tab.acknowledge(tab.streams[stream], count))
        self._pause(then)

    @rule(then=PAUSES)
    def sweep(self, then: str) -> None:
        self._run(self._sweep())
        self._pause(then)

    # -- and on others ---------------------------------------------------------------------

    @rule(which=st.integers(0, 100), comes_again=st.booleans(), then=PAUSES)
    def push_late(self, which: int, comes_again: bool, then: str) -> None:
        if not self.late:
            return  # No precondition: what may happen must not depend on how quick a push was.
        which %= len(self.late)
        group, message = self.late[which] if comes_again else self.late.pop(which)
        async_to_sync(self.send)({group: message})
        self.sent += 1
        self._pause(then)

    @rule(
        which=TABS,
        pasts=st.tuples(PASTS, PASTS),
        acknowledges=st.booleans(),
        goodbye=st.booleans(),
        then=PAUSES,
    )
    def vanish_and_resume(
        self, which: int, pasts: tuple[int, int], acknowledges: bool, goodbye: bool, then: str
    ) -> None:
        tab = self.tabs[which]
        self._run(tab.disconnect(is_orderly=goodbye))
        self._pause(then)
        tab.acknowledges = acknowledges
        self._run(tab.connect())
        streams = {
            stream: self._resume(tab, stream, past)
            for stream, past in zip(tab.streams, pasts, strict=True)
        }
        self._run(tab.subscribe(streams))
        self._pause(then)

    @rule(which=TABS, stream=STREAMS, past=PASTS, then=PAUSES)
    def leave_and_follow_again(self, which: int, stream: int, past: int, then: str) -> None:
        """On the same socket. Frames of before may still be on their way."""
        tab = self.tabs[which]
        name = tab.streams[stream]
        # The answer to the one before would look like the answer to this one.
        self._run(
            eventually(lambda: tab.raise_stored_error() or name not in tab.requests, "an answer")
        )
        self._run(tab.unsubscribe(name))
        self._pause(then)
        self._run(tab.subscribe({name: self._resume(tab, name, past)}))
        self._pause(then)

    @rule(
        what=st.sampled_from(["fail", "prune", "prune", "anew"]),
        stream=st.integers(0, 2),
        which=st.integers(0, 100),
    )
    def go_wrong(self, what: str, stream: int, which: int) -> None:
        name = self.streams[stream]
        if what == "fail":
            self.failures += 1
        elif what == "anew":
            Stream.objects.filter(name=name).delete()
        elif moments := list(Event.objects.order_by("at").values_list("at", flat=True)):
            list(prune(moments[which % len(moments)], batch=2))

    # -- how it is done ----------------------------------------------------------------------

    def _write(self, stream: int, what: str) -> list[tuple[str, str, str, int, int]]:
        name = self.streams[stream]
        self.ledger.count += 1
        number = self.ledger.count
        if what == "event":
            event = publish.append(name, "fact", {"n": number})
            return [("event", name, event.stream.epoch, event.offset, number)]
        if what == "two events":
            both = publish.append_many(name, [("fact", {"n": number}), ("fact", {"n": -number})])
            return [
                ("event", name, event.stream.epoch, event.offset, event.data["n"]) for event in both
            ]
        value = publish.retain(name, what, {"n": number})
        return [(what, name, value.stream.epoch, value.revision, number)]

    async def _post(self, outgoing: dict[str, dict[str, Any]]) -> None:
        """In place of the sender's last step: each message meets its fate."""
        for group, message in outgoing.items():
            whole = {**message, "items": []} if self.fate == "is bare" else message
            self.late.append((group, whole))
            if self.fate in {"is late", "is lost"}:
                continue
            for _ in range(2 if self.fate == "is doubled" else 1):
                await self.send({group: whole})
                self.sent += 1
        if self.fate != "is late":
            del self.late[-len(outgoing) :]

    def _fail_or_read(self, *arguments: Any) -> backlog.Backlog:
        if self.failures:
            self.failures -= 1
            raise OperationalError("gone for a moment")
        return self.read(*arguments)

    def _resume(self, tab: Tab, stream: str, past: int) -> str | None:
        """From the latest, from nothing, from what it once had, or from what it has now."""
        once = [*tab.memory[stream], tab.places[stream]]
        tab.places[stream] = Place() if past < 0 else deepcopy(once[-1 - past % len(once)])
        cursor = tab.places[stream].cursor
        if cursor is None:
            tab.places[stream] = Place()
        return "latest" if past == -2 else cursor and str(cursor)

    def _pause(self, how: str) -> None:
        if how == "until heard":
            self._run(self._hear())
        elif how == "until level":
            self._level()

    async def _hear(self) -> None:
        """Let what was sent arrive. It may not: the hub may be joining the layer anew."""
        heard = hub.current().counters
        with suppress(TimeoutError):
            async with asyncio.timeout(HEARING):
                while heard["received"] < self.sent:  # noqa: ASYNC110 - the hub changes it
                    await asyncio.sleep(0.001)
        self.sent = heard["received"]

    def _level(self) -> None:
        """After one sweep, whatever was lost, everybody who acknowledges has everything."""
        tables = {stream: Table.of(stream) for stream in self.streams}
        tabs = [tab for tab in self.tabs if tab.acknowledges]

        async def level() -> None:
            await self._sweep()
            await eventually(lambda: all(tab.has_everything(tables) for tab in tabs), "level")

        for tab in tabs:
            for stream in tab.streams:
                self._run(tab.acknowledge(stream, WINDOW))
        self._run(level())

    async def _sweep(self) -> None:
        the_hub = hub.current()
        await the_hub.sync_groups()
        await the_hub._sweep_once()

    def _run(self, work: Any) -> None:
        try:
            self.runner.run(work)
            for tab in self.tabs:
                tab.raise_stored_error()
        except BaseException:
            self.has_failed = True  # What comes after it would only hide it.
            raise

    def teardown(self) -> None:
        try:
            if not self.has_failed:
                self._end()
        finally:
            push._send = self.send
            backlog.read = self.read
            self.runner.close()

    def _end(self) -> None:
        for tab in self.tabs:
            tab.acknowledges = True
        self._level()
        self._run(self._leave())

    async def _leave(self) -> None:
        for tab in self.tabs:
            await tab.disconnect(is_orderly=True)
        await eventually(lambda: tasks_of_streams() == [], "no task is left")


@pytest.mark.django_db(transaction=True)
def test_each_tab_has_everything_once_and_in_order(monkeypatch, settings_of_test):
    stage = Stage()
    run_state_machine_as_test(
        lambda: Delivery(stage),
        settings=settings(
            max_examples=int(EXAMPLES or 30),
            stateful_step_count=30,
            derandomize=EXAMPLES is None,
            database=None,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow],
            report_multiple_bugs=False,
        ),
    )


@pytest.fixture
def settings_of_test(settings, monkeypatch):
    """What sweeps is the machine, and what waits, waits shortly."""
    settings.NOTIFICATIONS_SWEEP_SECONDS = settings.NOTIFICATIONS_HEARTBEAT_SECONDS = 3600.0
    settings.NOTIFICATIONS_WINDOW = WINDOW
    monkeypatch.setattr(consumer, "RETRY_SECONDS", 0.001)
    monkeypatch.setattr(backlog, "PAGE", PAGE)
    monkeypatch.setattr(push, "MAX_ITEMS", MAX_ITEMS)
    # On a busy machine a push may take its time. What happens must not depend on it.
    monkeypatch.setattr(push, "TIMEOUT", 60.0)
    monkeypatch.setattr(push, "RETRY_AFTER", 0.0)
