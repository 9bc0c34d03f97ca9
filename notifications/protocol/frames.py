"""The wire: every frame in either direction, and every close code. See docs/protocol.md.

Frames are JSON text. A field that is not declared is refused, so that a mistake shows
where it is made and not as something that silently never works.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

SUBPROTOCOL = "waybill.v1"
# The largest frame that anybody needs subscribes to MAX_NAMES streams: each a name of 99
# characters, a cursor of 56 (an epoch of 16, two numbers of 19, two dots) and 8 of quotes,
# commas and blanks, with 36 around them all: 32 636. config/server_limits.py refuses a larger
# one before it has come.
MAX_FRAME_BYTES = 32 * 1024
MAX_BAD_FRAMES = 10
MAX_STREAMS = 100  # Subscriptions of one socket: a page of bars needs one, a wall of pages some.
MAX_NAMES = 2 * MAX_STREAMS  # In one frame. A few streams too many are told which they are.
MAX_DETAIL = 300  # Characters of an error: not all of what a client has sent is sent back.

StreamName = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,99}$")]
# One that no stream can have is refused by itself, as that of a stream which is not there:
# the other streams of the frame, and all who share the socket, must not suffer for it.
RequestedName = Annotated[str, Field(max_length=1_000)]


class CloseCode(IntEnum):
    """Why the server closes, and whether to come back.

    Clients treat 1006, 1011 and 1012 alike: resume by cursor.
    """

    why: str
    reconnect: str

    def __new__(cls, code: int, why: str, reconnect: str) -> Self:
        member = int.__new__(cls, code)
        member._value_ = code
        member.why = why
        member.reconnect = reconnect
        return member

    BAD_CLIENT = 4400, "The client sends what is not valid.", "No. It would do the same again."
    SIGNED_OUT = 4401, "The user is signed out, or may no longer sign in.", "After signing in."
    STALLED = 4408, "Nothing was acknowledged for too long.", "Yes, with the cursor."
    FAILED = 4500, "A fault of the server. Its log has the reason.", "Yes, with the cursor."
    RESTART = 1012, "The server restarts.", "Yes, with the cursor, after a random wait."
    TRY_LATER = (
        1013,
        "The user has too many connections or opens them too fast, or the server has no room.",
        "Yes, with the cursor, after ten seconds or more.",
    )


class Frame(BaseModel):
    # The strings below the fields are their descriptions in docs/frames.schema.json.
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


# -- Client to server --------------------------------------------------------------


class Subscribe(Frame):
    """Follow streams. One that is followed already starts anew from the cursor given."""

    type: Literal["subscribe"] = "subscribe"
    streams: Annotated[dict[RequestedName, str | None], Field(max_length=MAX_NAMES)]
    """Each with a cursor, null for all that is kept, or "latest" for only what is new."""


class Unsubscribe(Frame):
    """Follow these streams no more. Nothing is answered."""

    type: Literal["unsubscribe"] = "unsubscribe"
    # The first mistake is enough: there may be 30 000.
    streams: Annotated[list[StreamName], Field(max_length=MAX_NAMES, fail_fast=True)]


class Ack(Frame):
    """Everything of `stream` up to `cursor` has arrived.

    Without acks the server stops when the window that `welcome` names is on its way.
    """

    type: Literal["ack"] = "ack"
    stream: StreamName
    cursor: str


class Ping(Frame):
    """Ask whether anybody is there."""

    type: Literal["ping"] = "ping"
    id: Annotated[str, Field(max_length=100)] = ""
    """Comes back in the pong."""


ClientFrame = Subscribe | Unsubscribe | Ack | Ping
client_frames: TypeAdapter[ClientFrame] = TypeAdapter(
    Annotated[ClientFrame, Field(discriminator="type")]
)


def describe_error(error: ValidationError) -> str:
    """The first mistake of a frame: in which field, and what it is."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    where = ".".join(str(each) for each in first["loc"]) or "frame"
    return f"{where[: MAX_DETAIL // 2]}: {first['msg']}"[:MAX_DETAIL]


# -- Server to client --------------------------------------------------------------


class Welcome(Frame):
    """The first frame. Nothing is followed yet."""

    type: Literal["welcome"] = "welcome"
    protocol: int = 1
    """The version of these frames."""
    user: int | str
    """The primary key of the user who is signed in."""
    streams: list[str]
    """Those that the user has without being told of them."""
    window: int
    """How many events and values of a stream the server sends before it waits for an ack."""
    heartbeat: float
    """Seconds between heartbeats. After two without any frame the connection is dead."""


class Subscribed(Frame):
    """Where the server begins to follow a stream: once for each that was asked for."""

    type: Literal["subscribed"] = "subscribed"
    stream: str
    cursor: str
    """Where the client stands now, also when the stream is empty."""
    recovered: bool
    """True: everything after the given cursor follows. False: a reset comes first."""


class EventFrame(Frame):
    """A fact. It is sent once, in order, and never replaced."""

    type: Literal["event"] = "event"
    stream: str
    offset: int
    """The one before plus 1."""
    cursor: str
    """Where the client stands with this event."""
    event: str
    """What happened. Skip what you do not know."""
    data: dict[str, Any]
    at: str
    """When it was published, in the form of RFC 3339."""


class StateFrame(Frame):
    """The new value of a key. It replaces what the client holds for `key`."""

    type: Literal["state"] = "state"
    stream: str
    key: str
    revision: int
    """Higher than that of any value before. Values that were replaced leave holes."""
    cursor: str
    """Where the client stands with this value."""
    data: dict[str, Any]
    at: str
    """When it was published, in the form of RFC 3339."""


class Reset(Frame):
    """Forget what you hold of this stream; all values and events that are kept follow."""

    type: Literal["reset"] = "reset"
    stream: str
    reason: Literal["pruned", "epoch"]
    """`pruned`: events after your cursor are deleted. `epoch`: the stream was made anew."""


class Heartbeat(Frame):
    """How far the server has sent each stream: a client can see that it is level."""

    type: Literal["heartbeat"] = "heartbeat"
    heads: dict[str, str]
    """The cursor of each stream that is followed."""


class Pong(Frame):
    """The answer to a ping."""

    type: Literal["pong"] = "pong"
    id: str
    """The ping's."""


class ErrorFrame(Frame):
    """Something was refused. The socket stays open."""

    type: Literal["error"] = "error"
    code: Literal["forbidden", "bad_frame", "unknown_stream", "too_many_streams"]
    detail: str
    """A sentence for a person. For `bad_frame` it names the field."""
    stream: str | None = None
    """Null when it was not about one stream."""


ServerFrame = Welcome | Subscribed | EventFrame | StateFrame | Reset | Heartbeat | Pong | ErrorFrame
