"""An item of a stream: an event, or the new value of a key.

An item travels over the channel layer as a plain dict, and to clients as a frame.
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
    """One item of a stream. A client that has received it is at `position`."""

    stream: str
    position: Cursor
    kind: Literal["event", "state"]
    name: str  # The type of the event, or the key of the value.
    data: dict[str, Any]
    at: str
    # The encoded frame. Many sockets send the same item, so it is encoded only once.
    _frame: str = field(default="", repr=False, compare=False)

    def follows(self, position: Cursor) -> bool:
        """Return whether this is the next item for a client at `position`."""
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
        """Return whether a client at `position` already has this item, or a newer value."""
        if self.kind == "event":
            return self.position.offset <= position.offset
        return self.position.revision <= position.revision

    def frame(self, cursor: Cursor) -> str:
        """Return the frame for a client that is at `cursor` after this item."""
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
        """Return this item as plain types for the channel layer."""
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
        """Build an item from `to_message`. Raise KeyError, TypeError or ValueError if malformed."""
        item = cls(
            stream,
            Cursor(epoch, int(message["offset"]), int(message["revision"])),
            message["kind"],
            message["name"],
            message["data"],
            message["at"],
        )
        # Encoding the frame here makes a malformed item fail here, where the hub counts it as
        # `poison`.
        item.frame(item.position)
        return item
