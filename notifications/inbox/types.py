"""The types of events that are notifications, and the text of each.

An app registers a type of event, with a function that describes its events in the active language.
The stored event has no language. This module does no I/O.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args
from urllib.parse import urlsplit

from django.utils.translation import gettext as _

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from notifications.models import Event

logger = logging.getLogger(__name__)

Level = Literal["info", "success", "warning", "error"]
# A title becomes the subject of an e-mail, and a body is shown in a list.
MAX_TITLE, MAX_BODY, MAX_URL = 300, 4_000, 2_000


@dataclass(frozen=True, slots=True)
class Notice:
    """The text of a notification. Raise ValueError, which names the invalid field.

    `url` is a path of this site, or begins with http:// or https://.
    """

    title: str
    body: str = ""
    url: str = ""
    level: Level = "info"

    def __post_init__(self) -> None:
        if not self.title.strip():
            raise ValueError("title: say what has happened.")
        if not self.title.isprintable():
            # A line break in the subject would begin another header of the e-mail.
            raise ValueError("title: it must be one line of printable characters.")
        for name, limit in (("title", MAX_TITLE), ("body", MAX_BODY), ("url", MAX_URL)):
            if (length := len(getattr(self, name))) > limit:
                raise ValueError(f"{name}: {length} characters are too many; {limit} are allowed.")
        if self.level not in get_args(Level):
            raise ValueError(f"level: it must be one of {', '.join(get_args(Level))}.")
        if self.url and not _is_safe(self.url):
            raise ValueError("url: it must be a path such as /reports/7/, or http:// or https://.")


def _is_safe(url: str) -> bool:
    """Return whether a browser would open exactly the address that a user sees in `url`."""
    # Browsers drop tabs and line breaks, and read a backslash as a slash.
    if "\\" in url or " " in url or not url.isprintable():
        return False
    if url.startswith("/"):
        return not url.startswith("//")
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.hostname)


@dataclass(frozen=True, slots=True)
class _Type:
    describe: Callable[[Mapping[str, Any]], Notice]
    mail: bool


_types: dict[str, _Type] = {}


def register(
    type: str,  # noqa: A002 - the wire's word
    describe: Callable[[Mapping[str, Any]], Notice],
    *,
    mail: bool = True,
) -> None:
    """Make events of `type` in users' streams notifications.

    `describe(data)` is called when a user reads the notification, in their language. `mail`: the
    notifications are also sent by e-mail, to users who want that.
    """
    _types[type] = _Type(describe, mail)


def types(*, mailed: bool = False) -> list[str]:
    """Return the types that are notifications, or only those that are sent by e-mail."""
    return sorted(name for name, each in _types.items() if each.mail or not mailed)


def describe(event: Event) -> Notice:
    """Return the text of `event`, whose type is registered."""
    try:
        return _types[event.type].describe(event.data)
    # `describe` is a function of another app, which may no longer understand an old event. Such an
    # event must not hide the other notifications or stop their e-mails.
    except Exception:
        logger.exception("Event %s of %s cannot be described.", event.offset, event.stream_id)
        return Notice(_("New event ({type}).").format(type=event.type))
