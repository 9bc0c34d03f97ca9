"""What travels in a stream: an event, or the new value of a key.

The same item goes over the channel layer as a plain dict and to clients as a frame.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from notifications.protocol import frames
from notifications.streams.cursor import Cursor

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(slots=True)
class Item:
    """One step of a stream: it takes a client to `position`."""

    stream: str
    position: Cursor
    kind: Literal["event", "state"]
    name: str  # the event's type, or the value's key
    data: dict[str, Any]
    at: str
    # Many sockets are sent the same item. It is encoded once.
    _frame: str = field(default="", repr=False, compare=False)

    def follows(self, position: Cursor) -> bool:
        """Whether this is the very next step of a client at `position`."""
        if self.kind == "event":
            return (
                self.position.offset == position.offset + 1
                and self.position.revision <= position.revision
            )
        return (
            self.position.revision == position.revision + 1
            and self.position.offset <= position.offset
        )

    def is_behind(self, position: Cursor) -> bool:
        """Whether a client at `position` has had this, or something newer in its place."""
        if self.kind == "event":
            return self.position.offset <= position.offset
        return self.position.revision <= position.revision

    def frame(self, cursor: Cursor) -> str:
        """The frame for a client that this item takes to `cursor`."""
        if cursor != self.position:
            return self._encode(cursor)
        if not self._frame:
            self._frame = self._encode(cursor)
        return self._frame

    def _encode(self, cursor: Cursor) -> str:
        frame: frames.ServerFrame
        if self.kind == "event":
            frame = frames.EventFrame(
                stream=self.stream,
                offset=self.position.offset,
                cursor=str(cursor),
                event=self.name,
                data=self.data,
                at=self.at,
            )
        else:
            frame = frames.StateFrame(
                stream=self.stream,
                key=self.name,
                revision=self.position.revision,
                cursor=str(cursor),
                data=self.data,
                at=self.at,
            )
        return frame.model_dump_json()

    def to_message(self) -> dict[str, Any]:
        """For the channel layer: plain types only."""
        return {
            "kind": self.kind,
            "offset": self.position.offset,
            "revision": self.position.revision,
            "name": self.name,
            "data": self.data,
            "at": self.at,
        }

    @classmethod
    def from_message(cls, stream: str, epoch: str, message: Mapping[str, Any]) -> Item:
        """The reverse. Raises KeyError, TypeError or ValueError for what is not an item."""
        item = cls(
            stream,
            Cursor(epoch, int(message["offset"]), int(message["revision"])),
            message["kind"],
            message["name"],
            message["data"],
            message["at"],
        )
        # Encoded here, where a mistake is counted, and once for all who are sent it.
        item.frame(item.position)
        return item
