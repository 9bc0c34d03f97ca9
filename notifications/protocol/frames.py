"""The frames in both directions and the close codes. See docs/protocol.md.

Frames are JSON text. The server refuses fields that are not declared here, so a typo in a client is
reported instead of ignored.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

SUBPROTOCOL = "waybill.v1"
# The largest useful frame subscribes to MAX_NAMES streams. Each takes 163 characters: a name of 99,
# a cursor of 56 (an epoch of 16, two numbers of 19 and two dots), and 8 quotes, commas and blanks.
# With 36 characters around the streams, the frame has 32 636. config/server_limits.py refuses a
# larger frame before all of it has arrived.
MAX_FRAME_BYTES = 32 * 1024
MAX_BAD_FRAMES = 10
MAX_STREAMS = 100  # Subscriptions of one socket. All tabs of a browser share a socket.
# Streams in one frame. It is larger than MAX_STREAMS, so that a client with a few streams too many
# gets an error for each of these streams instead of one for the whole frame.
MAX_NAMES = 2 * MAX_STREAMS
MAX_DETAIL = 300  # Characters of an error, which must not repeat a large frame.

StreamName = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,99}$")]
# A name that no stream can have does not make the frame invalid. It gets the same error as a stream
# that does not exist. So the other streams of the frame are not affected, and neither are other
# tabs that share the socket.
RequestedName = Annotated[str, Field(max_length=1_000)]


class CloseCode(IntEnum):
    """Why the server closes a socket, and whether the client should reconnect.

    Clients treat 1006, 1011 and 1012 alike: they reconnect and resume from their cursors.
    """

    why: str
    reconnect: str

    def __new__(cls, code: int, why: str, reconnect: str) -> Self:
        member = int.__new__(cls, code)
        member._value_ = code
        member.why = why
        member.reconnect = reconnect
        return member

    BAD_CLIENT = (
        4400,
        "The client sent invalid frames, or too many frames.",
        "No. The client would make the same mistake again.",
    )
    SIGNED_OUT = 4401, "The user is signed out, or may no longer sign in.", "After signing in."
    STALLED = 4408, "The client acknowledged nothing for too long.", "Yes, with the cursor."
    FAILED = 4500, "The server failed. Its log has the reason.", "Yes, with the cursor."
    RESTART = 1012, "The server restarts.", "Yes, with the cursor, after a random wait."
    TRY_LATER = (
        1013,
        "The user has too many connections or opens them too fast, or the server is full.",
        "Yes, with the cursor, after ten seconds or more.",
    )


class Frame(BaseModel):
    # The string below a field is the field's description in docs/frames.schema.json.
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


# -- Client to server --------------------------------------------------------------


class Subscribe(Frame):
    """Follow streams. A stream that is followed already restarts from the new cursor."""

    type: Literal["subscribe"] = "subscribe"
    streams: Annotated[dict[RequestedName, str | None], Field(max_length=MAX_NAMES)]
    """Each stream with a cursor, null (everything that is stored) or "latest" (new items only)."""


class Unsubscribe(Frame):
    """Stop following these streams. The server sends no reply."""

    type: Literal["unsubscribe"] = "unsubscribe"
    # Validation stops at the first invalid name, because a frame may have 30 000 of them.
    streams: Annotated[list[StreamName], Field(max_length=MAX_NAMES, fail_fast=True)]


class Ack(Frame):
    """Acknowledge everything of `stream` up to `cursor`.

    The server stops sending when a full window is unacknowledged. `welcome` has its size.
    """

    type: Literal["ack"] = "ack"
    stream: StreamName
    cursor: str


class Ping(Frame):
    """Check that the connection is alive."""

    type: Literal["ping"] = "ping"
    id: Annotated[str, Field(max_length=100)] = ""
    """The server returns it in the pong."""


ClientFrame = Subscribe | Unsubscribe | Ack | Ping
client_frames: TypeAdapter[ClientFrame] = TypeAdapter(
    Annotated[ClientFrame, Field(discriminator="type")]
)


def describe_error(error: ValidationError) -> str:
    """Return the first error of a frame as text: the field, then the message."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    where = ".".join(str(each) for each in first["loc"]) or "frame"
    return f"{where[: MAX_DETAIL // 2]}: {first['msg']}"[:MAX_DETAIL]


# -- Server to client --------------------------------------------------------------


class Welcome(Frame):
    """The first frame. The client follows no stream yet."""

    type: Literal["welcome"] = "welcome"
    protocol: int = 1
    """The version of the protocol."""
    user: int | str
    """The primary key of the user who is signed in."""
    streams: list[str]
    """The user's own stream and the streams of their teams."""
    window: int
    """How many unacknowledged events and values a stream may have before the server waits."""
    heartbeat: float
    """Seconds between heartbeats. Two intervals without any frame mean a dead connection."""


class Subscribed(Frame):
    """The reply for each stream of a `subscribe` frame: the position where delivery begins."""

    type: Literal["subscribed"] = "subscribed"
    stream: str
    cursor: str
    """The client's position now. An empty stream has one, too."""
    recovered: bool
    """True: everything after the requested cursor follows. False: a reset comes first."""


class EventFrame(Frame):
    """An event: a fact that is sent once, in order, and never replaced."""

    type: Literal["event"] = "event"
    stream: str
    offset: int
    """The offset of the previous event plus 1."""
    cursor: str
    """The client's position after this event."""
    event: str
    """The type of the event. Clients skip types that they do not know."""
    data: dict[str, Any]
    at: str
    """The time of publication (RFC 3339)."""


class StateFrame(Frame):
    """The new value of a key. It replaces what the client holds for `key`."""

    type: Literal["state"] = "state"
    stream: str
    key: str
    revision: int
    """Higher than all revisions before. Replaced values are not sent, so numbers may be missing."""
    cursor: str
    """The client's position after this value."""
    data: dict[str, Any]
    at: str
    """The time of publication (RFC 3339)."""


class Reset(Frame):
    """Discard all state of this stream. All stored values and events follow."""

    type: Literal["reset"] = "reset"
    stream: str
    reason: Literal["pruned", "epoch"]
    """`pruned`: events after the cursor were deleted. `epoch`: the stream was recreated."""


class Heartbeat(Frame):
    """A sign of life, with the last position that the server has sent for each stream."""

    type: Literal["heartbeat"] = "heartbeat"
    heads: dict[str, str]
    """The cursor of each followed stream. A client at this cursor has received everything."""


class Pong(Frame):
    """The reply to a ping."""

    type: Literal["pong"] = "pong"
    id: str
    """The id of the ping."""


class ErrorFrame(Frame):
    """The server refused a frame or a stream. The socket stays open."""

    type: Literal["error"] = "error"
    code: Literal["forbidden", "bad_frame", "unknown_stream", "too_many_streams"]
    detail: str
    """A message for people. For `bad_frame` it names the field."""
    stream: str | None = None
    """The stream that was refused, or null if the error is about the whole frame."""


ServerFrame = Welcome | Subscribed | EventFrame | StateFrame | Reset | Heartbeat | Pong | ErrorFrame
