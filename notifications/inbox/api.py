"""The HTTP API of the inbox: the data of the bell, for programs too."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from django.http import HttpRequest  # noqa: TC002 - ninja reads the annotations
from django.utils.translation import get_language
from ninja import Query, Router, Schema
from pydantic import ConfigDict, Field

from notifications.api.problems import Problem
from notifications.http import user_of
from notifications.inbox import inbox
from notifications.inbox import types as notices
from notifications.inbox.types import Level  # noqa: TC001 - pydantic reads the annotations
from notifications.models import Mailing  # noqa: TC001 - pydantic reads the annotations

router = Router(tags=["inbox"])

MAX_OFFSET = 2**63 - 1  # The database's largest integer.
ERRORS_READ = frozenset({401, 422})
ERRORS_CHANGE = frozenset({401, 403, 422})


class PageIn(Schema):
    before: int | None = Field(
        None, ge=0, le=MAX_OFFSET, description="The `next` of the previous page."
    )
    limit: int = Field(inbox.PAGE, ge=1, le=inbox.MAX_PAGE)


class NotificationOut(Schema):
    offset: int
    type: str
    title: str
    body: str
    url: str
    level: Level
    at: str
    read: bool


class StateOut(Schema):
    """The state of your inbox. Each change is sent on your stream under the key `inbox`.

    `unread` counts events up to the offset `head`. Add one for each later event of the `types`.
    """

    read_offset: int
    unread: int
    head: int


class PageOut(StateOut):
    """A page of notifications, newest first. Follow your stream from `cursor` to miss nothing."""

    cursor: str
    types: list[str]
    items: list[NotificationOut]
    next: int | None


class ReadIn(Schema):
    """`up_to`: the offset of the newest notification to mark as read; null marks all."""

    model_config = ConfigDict(extra="forbid")

    up_to: int | None = Field(ge=0, le=MAX_OFFSET)


class Preferences(Schema):
    """`email`: which notifications are sent to you by e-mail."""

    model_config = ConfigDict(extra="forbid")

    email: Mailing


@router.get(
    "/inbox", response={200: PageOut, ERRORS_READ: Problem}, summary="List your notifications"
)
def get_inbox(request: HttpRequest, query: Query[PageIn]) -> dict[str, Any]:
    page = inbox.page(user_of(request), before=query.before, limit=query.limit)
    return {
        **asdict(page.state),
        "cursor": page.cursor,
        "types": notices.types(),
        "items": [_item(entry) for entry in page.entries],
        "next": page.next,
    }


@router.post(
    "/inbox/read",
    response={200: StateOut, ERRORS_CHANGE: Problem},
    summary="Mark notifications as read",
)
def mark_read(request: HttpRequest, body: ReadIn) -> dict[str, Any]:
    return asdict(inbox.mark_read(user_of(request), body.up_to))


@router.get(
    "/inbox/preferences",
    response={200: Preferences, ERRORS_READ: Problem},
    summary="Get your e-mail preferences",
)
def get_preferences(request: HttpRequest) -> dict[str, Any]:
    return {"email": inbox.mailing(user_of(request))}


@router.patch(
    "/inbox/preferences",
    response={200: Preferences, ERRORS_CHANGE: Problem},
    summary="Change your e-mail preferences",
)
def set_preferences(request: HttpRequest, body: Preferences) -> dict[str, Any]:
    inbox.choose_mailing(user_of(request), body.email, get_language() or "")
    return {"email": body.email}


def _item(entry: inbox.Entry) -> dict[str, Any]:
    return {
        "offset": entry.offset,
        "type": entry.type,
        **asdict(entry.notice),
        "at": entry.at.isoformat(),
        "read": entry.read,
    }
