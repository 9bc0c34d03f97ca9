"""Whatever happens on the way, a client sees every event once, in order, and the newest values.

Hypothesis makes up what happens: transactions, pushes that are lost, doubled, reordered or
come without their items, reads that are torn by what is written meanwhile, acks that are
late or never come, clients that vanish and resume from any cursor they ever held, pruning,
and streams that are made anew. The stream, its reader and the client here are plain models;
the subscription between them is the real one.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from notifications import push
from notifications.backlog import Backlog
from notifications.cursor import Cursor
from notifications.items import Item
from notifications.subscription import Read, Send, Subscription

NAME = "user-1"
KEYS = ("a", "b")
PAGE = 2  # Small, so that catching up takes several reads.
WINDOW = 3
NOW = 0.0
PUMPS = st.sampled_from(["not", "slowly", "to the end"])


@dataclass
class Stream:
    """What the tables hold."""

    epoch: str
    head: int = 0
    revision: int = 0
    floor: int = 0
    values: dict[str, int] = field(default_factory=dict)  # key -> revision

    @property
    def position(self) -> Cursor:
        return Cursor(self.epoch, self.head, self.revision)

    @property
    def start(self) -> Cursor:
        return Cursor(self.epoch, self.floor, 0)

    def event(self, offset: int, revision: int) -> Item:
        return Item(NAME, Cursor(self.epoch, offset, revision), "event", "fact", {}, "")

    def state(self, key: str, offset: int, revision: int) -> Item:
        return Item(NAME, Cursor(self.epoch, offset, revision), "state", key, {}, "")

    def commit(self, steps: list[str]) -> list[Item]:
        """Write "event"s and keys in their order; what is to be pushed."""
        items = []
        for step in steps:
            if step == "event":
                self.head += 1
                items.append(self.event(self.head, self.revision))
            else:
                self.revision += 1
                self.values[step] = self.revision
                items.append(self.state(step, self.head, self.revision))
        return items


class Reading:
    """`backlog.read`, in its three queries: anything may be written between them."""

    def __init__(self, stream: Stream, asked: Read) -> None:
        self.asked = asked
        self.limit = min(asked.limit, PAGE)
        self.row = replace(stream)  # The first query: the stream's row.
        self.start, self.reset = self._begin()
        self.states: list[Item] | None = None

    def _begin(self) -> tuple[Cursor, Any]:
        if self.asked.after is None:
            return self.row.start, None
        if self.asked.after == "latest":
            return self.row.position, None
        after = self.asked.after
        if after.epoch != self.row.epoch or not self.row.position.covers(after):
            return self.row.start, "epoch"
        return (self.row.start, "pruned") if after.offset < self.row.floor else (after, None)

    def go_on(self, stream: Stream) -> Backlog | Reading | None:
        """The next query. A page when it was the last; a new reading when it was in vain."""
        gone = stream.epoch != self.row.epoch  # Deleted with all its rows.
        if self.asked.after == "latest":
            return Backlog(self.start, self.start)
        if self.states is None:
            newer = sorted(
                (revision, key)
                for key, revision in stream.values.items()
                if revision > self.start.revision and not gone
            )
            self.states = [
                self.row.state(key, self.start.offset, revision)
                for revision, key in newer[: self.limit]
            ]
            if len(self.states) < self.limit:
                return None
            return Backlog(self.start, self.states[-1].position, self.states, True, self.reset)
        seen = self.states[-1].position.revision if self.states else 0
        revision = max(self.row.revision, seen)
        first = max(self.start.offset, 0 if gone else stream.floor) + 1
        last = self.row.head if gone else stream.head
        offsets = [] if gone else list(range(first, last + 1))[: self.limit - len(self.states)]
        if offsets and offsets[0] != self.start.offset + 1:
            return Reading(stream, self.asked)
        items = self.states + [self.row.event(offset, revision) for offset in offsets]
        end = Cursor(self.row.epoch, offsets[-1] if offsets else self.start.offset, revision)
        return Backlog(self.start, end, items, len(items) == self.limit, self.reset)


@dataclass
class Client:
    """Applies frames, and trusts nothing."""

    cursor: Cursor | None = None
    since: int = 0  # Values up to this revision were not asked for.
    values: dict[str, int] = field(default_factory=dict)

    def begin(self, start: Cursor, *, latest: bool) -> None:
        assert self.cursor in {None, start}, "The server goes on from where the client is."
        self.cursor = start
        self.since = start.revision if latest else self.since

    def forget(self, start: Cursor) -> None:
        self.cursor, self.since, self.values = start, 0, {}

    def take(self, step: Send) -> None:
        assert self.cursor is not None
        item = step.item
        assert item.position.epoch == self.cursor.epoch
        if item.kind == "event":
            assert item.position.offset == self.cursor.offset + 1, "Once, and in order."
            assert step.cursor.offset == item.position.offset
        else:
            assert item.position.revision > self.cursor.revision, "Newer than any before."
            assert step.cursor.offset == self.cursor.offset
            self.values[item.name] = item.position.revision
        assert step.cursor.covers(self.cursor)
        assert step.cursor.revision >= item.position.revision or item.kind == "event"
        self.cursor = step.cursor


class Delivery(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.stream = Stream("epoch-1")
        self.epochs = 1
        self.late: list[dict[str, Any]] = []
        self.client = Client()
        self.remembered: list[Client] = []  # What the client was at each cursor it ever held.
        self.unacked: list[Cursor] = []
        self.connect(None)
        self.pump("to the end")

    def connect(self, after: Any) -> None:
        self.subscription = Subscription(NAME, after, window=WINDOW)
        self.after = after
        self.reading: Reading | None = None
        self.unacked = []

    # -- what happens on most days ---------------------------------------------------------

    @rule(
        steps=st.lists(st.sampled_from(["event", "event", *KEYS]), min_size=1, max_size=3),
        fate=st.sampled_from(["arrives", "arrives", "is late", "is lost", "is bare"]),
        cut=st.sampled_from([0, 0, 1, 2]),
        then=PUMPS,
    )
    def commit(self, steps: list[str], fate: str, cut: int, then: str) -> None:
        """One transaction. With savepoints in it, its push is more than one message."""
        items = self.stream.commit(steps)
        for part in (items[:cut], items[cut:]):
            if part and fate != "is lost":
                message = push.messages(part)[NAME]
                self.late.append({**message, "items": []} if fate == "is bare" else message)
                if fate == "arrives":
                    self._arrive(self.late.pop())
        self.pump(then)

    @rule(how=PUMPS, acknowledges=st.booleans())
    def pump(self, how: str, acknowledges: bool = True) -> None:
        """Send and read until nothing is due. A slow read is torn by whatever comes next."""
        if how == "not":
            return
        self._finish_reading()
        while step := self.subscription.next(NOW):
            if isinstance(step, Send):
                self.client.take(step)
                self.remembered.append(deepcopy(self.client))
                self.unacked.append(step.cursor)
                if acknowledges:
                    self.subscription.ack(self.unacked.pop())
                    self.unacked.clear()
                continue
            self.reading = Reading(self.stream, step)
            if how == "slowly":
                return
            self._finish_reading()

    @precondition(lambda self: self.unacked)
    @rule(data=st.data())
    def acknowledge(self, data: st.DataObject) -> None:
        upto = data.draw(st.integers(0, len(self.unacked) - 1))
        self.subscription.ack(self.unacked[upto])
        self.unacked = self.unacked[upto + 1 :]

    # -- and on others ---------------------------------------------------------------------

    @precondition(lambda self: self.late)
    @rule(data=st.data(), comes_again=st.booleans())
    def push_late(self, data: st.DataObject, comes_again: bool) -> None:
        which = data.draw(st.integers(0, len(self.late) - 1))
        self._arrive(self.late[which] if comes_again else self.late.pop(which))

    @rule(then=PUMPS)
    def sweep(self, then: str) -> None:
        self.subscription.level(self.stream.position)
        self.pump(then)

    @rule(past=st.integers(-2, 30), then=PUMPS)
    def vanish_and_resume(self, past: int, then: str) -> None:
        """From the latest, from nothing, from what it once had, or from what it has now."""
        if past < len(self.remembered):
            self.client = Client() if past < 0 else deepcopy(self.remembered[past])
        self.connect("latest" if past == -2 else self.client.cursor)
        self.pump(then)

    @precondition(lambda self: self.reading is not None)
    @rule()
    def answer_one_query(self) -> None:
        self._read_on()

    @rule(what=st.sampled_from(["fail", "fail", "prune", "drop", "anew"]), data=st.data())
    def go_wrong(self, what: str, data: st.DataObject) -> None:
        if what == "fail" and self.reading:
            self.reading = None
            self.subscription.failed()
        elif what == "prune" and self.stream.floor < self.stream.head:
            self.stream.floor = data.draw(st.integers(self.stream.floor + 1, self.stream.head))
        elif what == "drop" and self.stream.values:
            del self.stream.values[data.draw(st.sampled_from(sorted(self.stream.values)))]
        elif what == "anew":
            self.epochs += 1
            self.stream = Stream(f"epoch-{self.epochs}")

    def _arrive(self, message: dict[str, Any]) -> None:
        epoch = message["epoch"]
        self.subscription.push(
            epoch,
            Cursor(epoch, message["offset"], message["revision"]),
            [Item.from_message(NAME, epoch, each) for each in message["items"]],
        )

    def _finish_reading(self) -> None:
        while self.reading:
            self._read_on()

    def _read_on(self) -> None:
        assert self.reading is not None
        match self.reading.go_on(self.stream):
            case Backlog() as page:
                self.reading = None
                if self.subscription.position is None and page.reset is None:
                    self.client.begin(page.start, latest=self.after == "latest")
                if page.reset:
                    self.client.forget(page.start)
                    self.unacked = []
                self.subscription.loaded(page)
            case Reading() as again:
                self.reading = again

    # -- what holds --------------------------------------------------------------------------

    @invariant()
    def what_is_kept_for_the_client_has_a_bound(self) -> None:
        assert len(self.subscription._queue) + len(self.subscription._unacked) <= WINDOW

    @invariant()
    def a_cursor_is_true(self) -> None:
        """Who stands at a revision has every value that is not newer than it."""
        cursor = self.client.cursor
        if cursor is not None and cursor.epoch == self.stream.epoch:
            for key, revision in self.stream.values.items():
                if self.client.since < revision <= cursor.revision:
                    assert self.client.values.get(key) == revision

    def teardown(self) -> None:
        """Nothing more happens but sweeps: the client comes to have everything."""
        for _ in range(self.stream.head + len(KEYS) + 5):
            self.sweep("to the end")
            if self.unacked:
                self.subscription.ack(self.unacked.pop())
                self.unacked.clear()
        assert self.client.cursor is not None
        assert self.client.cursor.epoch == self.stream.epoch
        assert self.client.cursor.offset == self.stream.head
        # Values that are gone moved the subscription on, and the client was sent nothing.
        assert self.subscription.sent == self.stream.position
        for key, revision in self.stream.values.items():
            if revision > self.client.since:
                assert self.client.values.get(key) == revision, "The newest of each key."


Delivery.TestCase.settings = settings(
    max_examples=1000,
    stateful_step_count=50,
    derandomize=True,
    database=None,
    deadline=None,
    report_multiple_bugs=False,
)
TestDelivery = Delivery.TestCase
