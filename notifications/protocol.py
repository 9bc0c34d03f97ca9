"""The wire: every frame in either direction, and every close code. See docs/protocol.md.

Frames are JSON text. A field that is not declared is refused, so that a mistake shows
where it is made and not as something that silently never works.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

SUBPROTOCOL = "waybill.v1"
MAX_FRAME_BYTES = 64 * 1024
MAX_BAD_FRAMES = 10
MAX_STREAMS = 100  # Subscriptions of one socket: a page of bars needs one, a wall of pages some.

StreamName = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,99}$")]


class CloseCode(IntEnum):
    """Why the server closes. Clients treat 1006, 1011 and 1012 alike: resume by cursor.

    Daphne lets an application send only 1000 and 3000 to 4999.
    """

    BAD_CLIENT = 4400  # Reconnect: no. It would do the same again.
    SIGNED_OUT = 4401  # Reconnect: after signing in.
    STALLED = 4408  # Reconnect: yes, with the cursor. It did not acknowledge for a minute.
    FAILED = 4500  # Reconnect: yes, with the cursor. The server's log has the reason.
    RESTART = 1012  # Reconnect: yes, with the cursor, after a random wait.
    TRY_LATER = 1013  # Reconnect: later.


class Frame(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


# -- Client to server --------------------------------------------------------------


class Subscribe(Frame):
    """Follow streams: from a cursor, from the start (null), or from now ("latest")."""

    type: Literal["subscribe"] = "subscribe"
    streams: dict[StreamName, str | None]


class Unsubscribe(Frame):
    type: Literal["unsubscribe"] = "unsubscribe"
    streams: list[StreamName]


class Ack(Frame):
    """Everything up to `cursor` has arrived. Without acks the server stops at `window`."""

    type: Literal["ack"] = "ack"
    stream: StreamName
    cursor: str


class Ping(Frame):
    type: Literal["ping"] = "ping"
    id: Annotated[str, Field(max_length=100)] = ""


ClientFrame = Subscribe | Unsubscribe | Ack | Ping
client_frames: TypeAdapter[ClientFrame] = TypeAdapter(
    Annotated[ClientFrame, Field(discriminator="type")]
)


# -- Server to client --------------------------------------------------------------


class Welcome(Frame):
    """The first frame. `streams` are those the user has without being told of them."""

    type: Literal["welcome"] = "welcome"
    protocol: int = 1
    user: int | str
    streams: list[str]
    window: int
    heartbeat: float


class Subscribed(Frame):
    """`recovered`: everything after the given cursor follows. Else a reset comes first."""

    type: Literal["subscribed"] = "subscribed"
    stream: str
    cursor: str
    recovered: bool


class EventFrame(Frame):
    type: Literal["event"] = "event"
    stream: str
    offset: int
    cursor: str
    event: str
    data: dict[str, Any]
    at: str


class StateFrame(Frame):
    type: Literal["state"] = "state"
    stream: str
    key: str
    revision: int
    cursor: str
    data: dict[str, Any]
    at: str


class Reset(Frame):
    """Forget what you hold of this stream; what is retained follows."""

    type: Literal["reset"] = "reset"
    stream: str
    reason: Literal["pruned", "epoch"]


class Heartbeat(Frame):
    """How far the server has sent each stream: a client can see that it is level."""

    type: Literal["heartbeat"] = "heartbeat"
    heads: dict[str, str]


class Pong(Frame):
    type: Literal["pong"] = "pong"
    id: str


class ErrorFrame(Frame):
    type: Literal["error"] = "error"
    code: Literal["forbidden", "bad_frame", "unknown_stream", "too_many_streams"]
    detail: str
    stream: str | None = None


ServerFrame = Welcome | Subscribed | EventFrame | StateFrame | Reset | Heartbeat | Pong | ErrorFrame
