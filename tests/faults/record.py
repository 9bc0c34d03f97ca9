"""What a client was given, and the question after every fault: is it what the tables hold?"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from notifications.models import Event, Retained

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from notifications.streams.cursor import Cursor


@dataclass
class Record:
    """Everything that one client was given, in its order. Nothing is sorted out."""

    # By stream. A list an event: offset, type, data. A list a value: revision, key, data.
    events: dict[str, list[list[Any]]] = field(default_factory=dict)
    values: dict[str, list[list[Any]]] = field(default_factory=dict)
    # What no fault may cause: a refusal, or being told to begin anew.
    others: list[dict[str, Any]] = field(default_factory=list)

    def take(self, frame: Mapping[str, Any]) -> None:
        """Note a frame of the server."""
        match frame["type"]:
            case "event":
                step = [frame["offset"], frame["event"], frame["data"]]
                self.events.setdefault(frame["stream"], []).append(step)
            case "state":
                step = [frame["revision"], frame["key"], frame["data"]]
                self.values.setdefault(frame["stream"], []).append(step)
            case "reset" | "error":
                self.others.append(dict(frame))
            case "subscribed" if not frame["recovered"]:
                self.others.append(dict(frame))

    def has_reached(self, heads: Mapping[str, Cursor]) -> bool:
        """Whether the client has come at least as far in each of these streams."""
        return all(
            _newest(self.events, stream) >= head.offset
            and _newest(self.values, stream) >= head.revision
            for stream, head in heads.items()
        )

    def assert_equals_tables(self, streams: Iterable[str]) -> None:
        """Each event once and in order, the newest value of each key, and nothing else."""
        assert self.others == []
        assert set(self.events) | set(self.values) <= set(streams)
        for stream in streams:
            assert self.events.get(stream, []) == events_of(stream), stream
            values = self.values.get(stream, [])
            revisions = [revision for revision, _, _ in values]
            assert revisions == sorted(set(revisions)), f"{stream}: a value came after a newer one"
            newest = {key: [revision, data] for revision, key, data in values}
            assert newest == values_of(stream), stream


def _newest(steps: Mapping[str, list[list[Any]]], stream: str) -> int:
    return steps[stream][-1][0] if steps.get(stream) else 0


def events_of(stream: str) -> list[list[Any]]:
    """The table's: offset, type and data of each event. Its offsets have no holes."""
    events = Event.objects.filter(stream__name=stream).order_by("offset")
    steps = [list(step) for step in events.values_list("offset", "type", "data")]
    assert [step[0] for step in steps] == list(range(1, len(steps) + 1)), stream
    return steps


def values_of(stream: str) -> dict[str, list[Any]]:
    """The table's: revision and data of each key."""
    values = Retained.objects.filter(stream__name=stream)
    return {
        key: [revision, data]
        for key, revision, data in values.values_list("key", "revision", "data")
    }
