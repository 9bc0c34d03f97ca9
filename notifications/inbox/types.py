"""Which events are notifications, and what each says to a person.

An app registers a type of event with a function that describes one in the language of who
reads it; what is stored stays free of language. Nothing here does I/O.
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
# A title goes into the subject of an e-mail, a body into a list.
MAX_TITLE, MAX_BODY, MAX_URL = 300, 4_000, 2_000


@dataclass(frozen=True, slots=True)
class Notice:
    """What a notification says. Raises ValueError, which names the field that is wrong.

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
            # A line break there would be another header of the e-mail.
            raise ValueError("title: it must be one line of printable characters.")
        for name, most in (("title", MAX_TITLE), ("body", MAX_BODY), ("url", MAX_URL)):
            if (length := len(getattr(self, name))) > most:
                raise ValueError(f"{name}: {length} characters are too many; {most} are allowed.")
        if self.level not in get_args(Level):
            raise ValueError(f"level: it must be one of {', '.join(get_args(Level))}.")
        if self.url and not _is_safe(self.url):
            raise ValueError("url: it must be a path such as /reports/7/, or http:// or https://.")


def _is_safe(url: str) -> bool:
    """Whether a browser that follows `url` goes where a person reads that it goes."""
    # Browsers drop tabs and line breaks, and take a backslash for a slash.
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
    """Make events of `type` in users' streams notifications, described by `describe(data)`.

    It is called when somebody reads, in their language. `mail`: they are sent by e-mail,
    too, to who wants that.
    """
    _types[type] = _Type(describe, mail)


def types(*, mailed: bool = False) -> list[str]:
    """The types that are notifications; or those of them that are sent by e-mail."""
    return sorted(name for name, each in _types.items() if each.mail or not mailed)


def describe(event: Event) -> Notice:
    """What `event`, which is of a registered type, says to a person."""
    try:
        return _types[event.type].describe(event.data)
    # Written by another app for what it stored, perhaps long ago: one that it cannot read
    # any more must not hide all the others, nor stop the mail behind it.
    except Exception:
        logger.exception("Event %s of %s cannot be described.", event.offset, event.stream_id)
        return Notice(_("Something has happened ({type}).").format(type=event.type))
