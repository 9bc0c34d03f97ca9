"""What a user is to notice, and how far they have read it.

    from notifications.inbox import notify

    with transaction.atomic():
        notify(user, "Your report is ready", url="/reports/7/")

A notification is an event of the user's stream whose type is registered (`types`). What
has been read is one number a user, moved forward only and retained on the stream, so that
all tabs and devices agree.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from django.db.models import F

from notifications.inbox import types
from notifications.inbox.types import Level, Notice
from notifications.models import Event, Inbox, Mailing, Stream
from notifications.streams import access, current_cursor, publish
from notifications.streams.cursor import Cursor
from notifications.writing import atomic

if TYPE_CHECKING:
    from datetime import datetime

    from django.contrib.auth.models import User
    from django.db.models import QuerySet

TYPE = "notification"  # the type of the events of notify()
KEY = "inbox"  # under which the state is retained

PAGE = 50
MAX_PAGE = 100


def notify(
    user: User, title: str, *, body: str = "", url: str = "", level: Level = "info"
) -> Event:
    """Tell `user` something: in the bell of all their tabs at once, and by e-mail if they like.

    Inside a transaction, last: it is told if that commits. Raises ValueError for what cannot
    be shown, and names the field.
    """
    notice = Notice(title, body, url, level)
    return publish.append(access.user_stream(user), TYPE, asdict(notice))


types.register(TYPE, lambda data: Notice(**data))


@dataclass(frozen=True, slots=True)
class State:
    """How far a user has read. `unread` counts up to the event `head`, and none after it."""

    read_offset: int
    unread: int
    head: int


@dataclass(frozen=True, slots=True)
class Entry:
    """One notification in its reader's language."""

    offset: int
    type: str
    notice: Notice
    at: datetime
    read: bool


@dataclass(frozen=True, slots=True)
class Page:
    """Notifications, the newest first. `next`: what to give as `before` for the older ones.

    `cursor` was read before the rest: who follows the stream from there misses nothing.
    """

    state: State
    cursor: str
    entries: list[Entry]
    next: int | None


def page(user: User, *, before: int | None = None, limit: int = PAGE) -> Page:
    """The newest notifications of `user`, or the newest of those `before` an offset."""
    cursor = current_cursor(access.user_stream(user))
    head = Cursor.parse(cursor).offset
    stream = Stream.objects.get(name=access.user_stream(user))
    state = _state(user, stream, head)
    events = list(_newest(stream, head + 1 if before is None else min(before, head + 1), limit + 1))
    entries = [
        Entry(
            offset=event.offset,
            type=event.type,
            notice=types.describe(event),
            at=event.at,
            read=event.offset <= state.read_offset,
        )
        for event in events[:limit]
    ]
    return Page(state, cursor, entries, entries[-1].offset if len(events) > limit else None)


@atomic()
def mark_read(user: User, up_to: int | None = None) -> State:
    """Everything up to the event `up_to` has been read; without it, everything there is.

    Never backwards: a tab that was asleep takes nothing back.
    """
    name = access.user_stream(user)
    current_cursor(name)  # Makes the stream, if nobody has written to it yet.
    # Locked, so that what is counted and what is retained is of one moment.
    stream = Stream.objects.select_for_update().get(name=name)
    offset = stream.head if up_to is None else min(up_to, stream.head)
    ensure_row(user, stream)
    behind = Inbox.objects.filter(user=user.pk, stream=stream, read_offset__lt=offset)
    moved = behind.update(read_offset=offset)
    state = _state(user, stream, stream.head)
    if moved:
        publish.retain(name, KEY, asdict(state))
    return state


def mailing(user: User) -> str:
    """Which notifications `user` wants by e-mail: a value of Mailing."""
    chosen = Inbox.objects.filter(user=user.pk).values_list("email", flat=True).first()
    return chosen or Mailing.ALL


def choose_mailing(user: User, choice: str, language: str) -> None:
    """Mail `user` what they chose, in the language in which they did."""
    chosen = {"email": Mailing(choice), "language": language}
    Inbox.objects.update_or_create(user_id=user.pk, defaults=chosen)


def remember_language(user: User, language: str) -> None:
    """Write to `user` in `language` from now on."""
    Inbox.objects.update_or_create(user_id=user.pk, defaults={"language": language})


def ensure_row(user: User, stream: Stream) -> None:
    """Make the row of `user`, and let it begin anew in a stream that was made anew."""
    row, _ = Inbox.objects.get_or_create(user_id=user.pk, defaults={"stream": stream})
    if row.stream_id != stream.pk:
        Inbox.objects.filter(pk=row.pk, stream=row.stream_id).update(
            stream=stream, read_offset=0, mailed_offset=0
        )


def _state(user: User, stream: Stream, head: int) -> State:
    mine = Inbox.objects.filter(user=user.pk, stream=stream)
    read_offset = mine.values_list("read_offset", flat=True).first() or 0
    unread = _events(stream).filter(offset__gt=read_offset, offset__lte=head).count()
    return State(read_offset, unread, head)


def _events(stream: Stream) -> QuerySet[Event]:
    return Event.objects.filter(stream=stream, type__in=types.types())


def _newest(stream: Stream, before: int, count: int) -> QuerySet[Event]:
    # "+ 0": else SQLite walks through all log lines in the order of their offsets. Sorted
    # by an expression, the offsets come from the index of types alone.
    offsets = _events(stream).filter(offset__lt=before).order_by((F("offset") + 0).desc())
    chosen = offsets.values("offset")[:count]
    return Event.objects.filter(stream=stream, offset__in=chosen).order_by("-offset")
