"""Whatever happens on the way, a client sees every event once, in order, and the newest values.

Hypothesis makes up what happens: transactions, pushes that are lost, doubled, reordered or
come without their items, reads that are torn by what is written meanwhile, acks that are
late or never come, clients that vanish and resume from any cursor they ever held, pruning,
and streams that are made anew: two streams, each followed by two tabs. The stream, its reader
and the client here are plain models; the subscriptions between them are the real ones.
"""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from notifications.delivery.subscription import Send, Subscription
from notifications.streams import push
from notifications.streams.backlog import Backlog
from notifications.streams.cursor import Cursor
from notifications.streams.items import Item
from tests.support.stream_models import Client, Reading, Stream

pytestmark = pytest.mark.proves("stream-once-in-order", "newest-value-wins")

NAMES = ("team-1", "user-1")
TABS = 2
KEYS = ("a", "b")
WINDOW = 3
NOW = 0.0
PUMPS = st.sampled_from(["not", "slowly", "to the end"])
FATES = st.sampled_from(["arrives", "arrives", "is late", "is lost", "is bare"])
STREAMS = st.sampled_from(NAMES)
PLACES = st.integers(0, TABS * len(NAMES) - 1)  # A tab's in a stream.


class Place:
    """A tab's in a stream: its subscription, what it was sent, and how it goes on."""

    def __init__(self, name: str, streams: dict[str, Stream]) -> None:
        self.name = name
        self.streams = streams
        self.client = Client()
        self.remembered: list[Client] = []  # What the client was at each cursor it ever held.
        self.connect(None)

    @property
    def stream(self) -> Stream:
        return self.streams[self.name]

    def connect(self, after: Any) -> None:
        self.subscription = Subscription(self.name, after, window=WINDOW)
        self.after = after
        self.reading: Reading | None = None
        self.unacked: list[Cursor] = []

    def pump(self, how: str, *, acknowledges: bool = True) -> None:
        """Send and read until nothing is due. A slow read is torn by whatever comes next."""
        if how == "not":
            return
        self.finish_reading()
        while step := self.subscription.next_step(NOW):
            if isinstance(step, Send):
                self.client.take(step)
                self.remembered.append(deepcopy(self.client))
                self.unacked.append(step.cursor)
                if acknowledges:
                    self.acknowledge(len(self.unacked))
                continue
            self.reading = Reading(self.stream, step)
            if how == "slowly":
                return
            self.finish_reading()

    def acknowledge(self, count: int) -> None:
        if self.unacked and count:
            given, self.unacked = self.unacked[:count], self.unacked[count:]
            self.subscription.on_ack(given[-1])

    def arrive(self, message: dict[str, Any]) -> None:
        epoch = message["epoch"]
        self.subscription.on_push(
            epoch,
            Cursor(epoch, message["offset"], message["revision"]),
            [Item.from_message(self.name, epoch, each) for each in message["items"]],
        )

    def sweep(self) -> None:
        self.subscription.on_head(self.stream.position)

    def finish_reading(self) -> None:
        while self.reading:
            self.read_on()

    def read_on(self) -> None:
        assert self.reading is not None
        match self.reading.run_next_query(self.stream):
            case Backlog() as page:
                self.reading = None
                if self.subscription.position is None and page.reset is None:
                    self.client.begin(page.start, latest=self.after == "latest")
                if page.reset:
                    self.client.forget(page.start)
                    self.unacked = []
                self.subscription.on_read(page)
            case Reading() as again:
                self.reading = again

    def fail(self) -> None:
        if self.reading:
            self.reading = None
            self.subscription.on_read_failed()

    def assert_true(self) -> None:
        """Who stands at a revision has every value that is not newer than it."""
        cursor = self.client.cursor
        if cursor is not None and cursor.epoch == self.stream.epoch:
            for key, revision in self.stream.values.items():
                if self.client.since < revision <= cursor.revision:
                    assert self.client.values.get(key) == revision

    def assert_level(self) -> None:
        assert self.client.cursor is not None
        assert self.client.cursor.epoch == self.stream.epoch
        assert self.client.cursor.offset == self.stream.head
        # Values that are gone moved the subscription on, and the client was sent nothing.
        assert self.subscription.sent == self.stream.position
        for key, revision in self.stream.values.items():
            if revision > self.client.since:
                assert self.client.values.get(key) == revision, "The newest of each key."


class Delivery(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.streams = {name: Stream(name, "epoch-1") for name in NAMES}
        self.epochs = 1
        self.late: list[tuple[str, dict[str, Any]]] = []
        self.places = [Place(name, self.streams) for _ in range(TABS) for name in NAMES]
        self._pump_all("to the end")

    # -- what happens on most days ---------------------------------------------------------

    @rule(
        name=STREAMS,
        steps=st.lists(st.sampled_from(["event", "event", *KEYS]), min_size=1, max_size=3),
        fates=st.tuples(*[FATES] * TABS),
        cut=st.sampled_from([0, 0, 1, 2]),
        then=PUMPS,
    )
    def commit(
        self, name: str, steps: list[str], fates: tuple[str, ...], cut: int, then: str
    ) -> None:
        """One transaction. With savepoints in it, its push is more than one message."""
        items = self.streams[name].commit(steps)
        followers = [place for place in self.places if place.name == name]
        for part in (items[:cut], items[cut:]):
            if not part:
                continue
            message = push.messages(part)[name]
            for place, fate in zip(followers, fates, strict=True):
                if fate == "arrives":
                    place.arrive(message)
                elif fate != "is lost":
                    whole = {**message, "items": []} if fate == "is bare" else message
                    self.late.append((name, whole))
        self._pump_all(then, name)

    @rule(which=PLACES, how=PUMPS, acknowledges=st.booleans())
    def pump(self, which: int, how: str, acknowledges: bool) -> None:
        self.places[which].pump(how, acknowledges=acknowledges)

    @rule(which=PLACES, count=st.integers(1, WINDOW))
    def acknowledge(self, which: int, count: int) -> None:
        self.places[which].acknowledge(count)

    # -- and on others ---------------------------------------------------------------------

    @precondition(lambda self: self.late)
    @rule(data=st.data(), tab=st.integers(0, TABS - 1), comes_again=st.booleans())
    def push_late(self, data: st.DataObject, tab: int, comes_again: bool) -> None:
        which = data.draw(st.integers(0, len(self.late) - 1))
        name, message = self.late[which] if comes_again else self.late.pop(which)
        [place for place in self.places if place.name == name][tab].arrive(message)

    @rule(then=PUMPS)
    def sweep(self, then: str) -> None:
        for place in self.places:
            place.sweep()
        self._pump_all(then)

    @rule(which=PLACES, past=st.integers(-2, 30), then=PUMPS)
    def vanish_and_resume(self, which: int, past: int, then: str) -> None:
        """From the latest, from nothing, from what it once had, or from what it has now."""
        place = self.places[which]
        if past < len(place.remembered):
            place.client = Client() if past < 0 else deepcopy(place.remembered[past])
        place.connect("latest" if past == -2 else place.client.cursor)
        place.pump(then)

    @precondition(lambda self: any(place.reading for place in self.places))
    @rule(data=st.data())
    def answer_one_query(self, data: st.DataObject) -> None:
        reading = [place for place in self.places if place.reading]
        data.draw(st.sampled_from(reading)).read_on()

    @rule(
        which=PLACES,
        what=st.sampled_from(["fail", "fail", "prune", "drop", "anew"]),
        data=st.data(),
    )
    def go_wrong(self, which: int, what: str, data: st.DataObject) -> None:
        place = self.places[which]
        stream = place.stream
        if what == "fail":
            place.fail()
        elif what == "prune" and stream.floor < stream.head:
            stream.floor = data.draw(st.integers(stream.floor + 1, stream.head))
        elif what == "drop" and stream.values:
            del stream.values[data.draw(st.sampled_from(sorted(stream.values)))]
        elif what == "anew":
            self.epochs += 1
            self.streams[place.name] = Stream(place.name, f"epoch-{self.epochs}")

    def _pump_all(self, how: str, name: str | None = None) -> None:
        for place in self.places:
            if name in {None, place.name}:
                place.pump(how)

    # -- what holds --------------------------------------------------------------------------

    @invariant()
    def what_is_kept_for_a_client_has_a_bound(self) -> None:
        for place in self.places:
            kept = len(place.subscription._queue) + len(place.subscription._unacked)
            assert kept <= WINDOW

    @invariant()
    def cursors_are_true(self) -> None:
        for place in self.places:
            place.assert_true()

    def teardown(self) -> None:
        """Nothing more happens but sweeps: every client comes to have everything."""
        for place in self.places:
            for _ in range(place.stream.head + len(KEYS) + 5):
                place.sweep()
                place.pump("to the end")
                place.acknowledge(WINDOW)
            place.assert_level()


Delivery.TestCase.settings = settings(
    max_examples=600,
    stateful_step_count=50,
    derandomize=True,
    database=None,
    deadline=None,
    report_multiple_bugs=False,
)
TestDelivery = Delivery.TestCase
