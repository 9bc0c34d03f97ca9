"""Letters: notifications as an e-mail message, and the connection over which it is sent."""

from __future__ import annotations

import smtplib
from contextlib import suppress
from email.utils import format_datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from django.conf import settings
from django.core.mail import EmailMessage, get_connection
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.translation import ngettext

if TYPE_CHECKING:
    from collections.abc import Sequence

    from notifications.inbox.types import Notice
    from notifications.models import Event

# SMTP's replies: said to any command before hanging up; and the first of those that are final.
SHUTTING_DOWN, PERMANENT = 421, 500


# Django's back end that drops what it is given. As good as none.
DUMMY_BACKEND = "django.core.mail.backends.dummy.EmailBackend"


class NotSetUp(Exception):
    """The settings lack what every letter needs. The message names it."""


class NotSent(Exception):
    """A letter did not go out."""


class Refused(NotSent):
    """This letter never will: its recipient or its contents are refused for good."""


class TryLater(NotSent):
    """This letter not now. Others may."""


class ServerDown(NotSent):
    """No letter now: the server does not answer, or does not want anything from us."""


def require_settings() -> None:
    """Raise NotSetUp if the settings name no mail server, or not what links begin with."""
    if settings.EMAIL_BACKEND == DUMMY_BACKEND:
        raise NotSetUp("Nobody is mailed: no mail server is set. Set EMAIL_URL.")
    if not _site():
        raise NotSetUp("Nobody is mailed: links in letters would lead nowhere. Set SITE_URL.")


def compose(described: Sequence[tuple[Event, Notice]], to: str) -> EmailMessage:
    """One letter about these events, as plain text in the language that is active.

    The same events make the same letter, identifier and date included: who gets it twice,
    or sorts it, can tell.
    """
    found = [notice for _, notice in described]
    first, last = described[0][0], described[-1][0]
    if len(found) == 1:
        title, text, name = *_render_single(found[0]), str(first.offset)
    else:
        title, text, name = *_render_digest(found), f"{first.offset}-{last.offset}"
    headers = {
        "Message-ID": f"<{last.stream.epoch}.{name}@{urlsplit(_site()).hostname}>",
        "Date": format_datetime(last.at),
        "Auto-Submitted": "auto-generated",  # So that nobody's holiday notice answers.
    }
    return EmailMessage(title, f"{text.strip()}\n", to=[to], headers=headers)


def _render_single(notice: Notice) -> tuple[str, str]:
    """The subject and the text of a letter about one notification."""
    shown = {"notice": notice, "url": _link(notice.url)}
    return notice.title, render_to_string("notifications/mail/notice.txt", shown)


def _render_digest(found: Sequence[Notice]) -> tuple[str, str]:
    """The same of a letter about several."""
    count = len(found)
    title = ngettext(
        "You have {count} new notification.", "You have {count} new notifications.", count
    ).format(count=count)
    items = [(notice.title, _link(notice.url)) for notice in found]
    shown = {"title": title, "items": items, "url": _link()}
    return title, render_to_string("notifications/mail/notices.txt", shown)


def _link(url: str = "") -> str:
    """`url` for a letter: with the site, if it has none. Without one it is the inbox."""
    url = url or reverse("notifications:inbox")
    return _site() + url if url.startswith("/") else url


def _site() -> str:
    return str(getattr(settings, "SITE_URL", "")).rstrip("/")


class Mailer:
    """The mail connection: opened by the first letter, kept for the others, closed by who made it.

    What can go wrong is its back end's to say, in any exception: another than SMTP's may be
    what the settings name.
    """

    def __init__(self) -> None:
        self._connection = get_connection()

    def send(self, message: EmailMessage) -> None:
        """Send it, or raise why not: Refused, TryLater or ServerDown."""
        try:
            # Also what a server says to a wrong password: nobody's letter is at fault.
            self._connection.open()
        except Exception as error:
            raise ServerDown(_text(error)) from error
        try:
            self._connection.send_messages([message])
        except Exception as error:
            self.close()  # Whatever state it is in, the next letter gets a fresh one.
            raise _classify(error) from error

    def close(self) -> None:
        with suppress(Exception):  # It may be dead already, and nothing depends on a farewell.
            self._connection.close()


def _classify(error: Exception) -> NotSent:
    """Whose fault it is that a letter did not go out."""
    text = _text(error)
    match error:
        case smtplib.SMTPRecipientsRefused():
            codes = [code for code, _ in error.recipients.values()]
            return _classify_code(max(codes), text)
        case smtplib.SMTPDataError():
            return _classify_code(error.smtp_code, text)
        # An address or a title of which no letter can be made, or not for this server.
        case ValueError() | smtplib.SMTPNotSupportedError():
            return Refused(text)
        # Our own address was refused, the connection was lost, it took too long.
        case OSError():
            return ServerDown(text)
    # Another back end's. It may be about this letter alone.
    return TryLater(text)


def _classify_code(code: int, text: str) -> NotSent:
    if code == SHUTTING_DOWN:
        return ServerDown(text)
    return Refused(text) if code >= PERMANENT else TryLater(text)


def _text(error: Exception) -> str:
    """For the log. Not its repr(): that of a UnicodeError has all of the password in it."""
    return f"{type(error).__name__}: {error}"
