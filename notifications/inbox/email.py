"""Notifications as e-mail messages, and the connection that sends them."""

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

SHUTTING_DOWN = 421  # The SMTP reply code of a server that closes the connection.
PERMANENT = 500  # SMTP reply codes from here on mean a permanent failure.
# Django's backend that drops all messages. It is treated as if there were no mail server.
DUMMY_BACKEND = "django.core.mail.backends.dummy.EmailBackend"


class NotSetUp(Exception):
    """A setting that every message needs is missing. The message of the error names it."""


class NotSent(Exception):
    """A message was not sent."""


class Refused(NotSent):
    """The server permanently refuses this message, because of its recipient or its contents."""


class TryLater(NotSent):
    """This message cannot be sent now. Other messages may succeed."""


class ServerDown(NotSent):
    """No message can be sent now: the server does not respond, or refuses everything."""


def require_settings() -> None:
    """Raise NotSetUp if the settings lack a mail server or the site's URL."""
    if settings.EMAIL_BACKEND == DUMMY_BACKEND:
        raise NotSetUp("E-mail is off: there is no mail server. Set EMAIL_URL.")
    if not _site():
        raise NotSetUp("E-mail is off: links in messages need the site's address. Set SITE_URL.")


def compose(described: Sequence[tuple[Event, Notice]], to: str) -> EmailMessage:
    """Return one message about these events, as plain text in the active language.

    The same events always result in the same message, with the same Message-ID and date. So mail
    programs recognize a duplicate.
    """
    notices = [notice for _, notice in described]
    first, last = described[0][0], described[-1][0]
    if len(notices) == 1:
        title, text = _render_single(notices[0])
        name = str(first.offset)
    else:
        title, text = _render_digest(notices)
        name = f"{first.offset}-{last.offset}"
    headers = {
        "Message-ID": f"<{last.stream.epoch}.{name}@{urlsplit(_site()).hostname}>",
        "Date": format_datetime(last.at),
        "Auto-Submitted": "auto-generated",  # Vacation responders do not reply to such messages.
    }
    return EmailMessage(title, f"{text.strip()}\n", to=[to], headers=headers)


def _render_single(notice: Notice) -> tuple[str, str]:
    """Return the subject and the text of a message about one notification."""
    context = {"notice": notice, "url": _link(notice.url)}
    return notice.title, render_to_string("notifications/mail/notice.txt", context)


def _render_digest(notices: Sequence[Notice]) -> tuple[str, str]:
    """Return the subject and the text of a message about several notifications."""
    count = len(notices)
    title = ngettext(
        "You have {count} new notification.", "You have {count} new notifications.", count
    ).format(count=count)
    items = [(notice.title, _link(notice.url)) for notice in notices]
    context = {"title": title, "items": items, "url": _link()}
    return title, render_to_string("notifications/mail/notices.txt", context)


def _link(url: str = "") -> str:
    """Return `url` as an absolute link. Without a `url`, return the link to the inbox."""
    url = url or reverse("notifications:inbox")
    return _site() + url if url.startswith("/") else url


def _site() -> str:
    return str(getattr(settings, "SITE_URL", "")).rstrip("/")


class Mailer:
    """The connection to the mail server. The first message opens it, and the caller closes it.

    The settings may name any backend for Django, so any exception may occur.
    """

    def __init__(self) -> None:
        self._connection = get_connection()

    def send(self, message: EmailMessage) -> None:
        """Send `message`. Raise Refused, TryLater or ServerDown if that fails."""
        try:
            # An error here, such as a wrong password, is not the fault of this message.
            self._connection.open()
        except Exception as error:
            raise ServerDown(_text(error)) from error
        try:
            self._connection.send_messages([message])
        except Exception as error:
            self.close()  # The connection may be unusable, so the next message opens a new one.
            raise _classify(error) from error

    def close(self) -> None:
        with suppress(Exception):  # A connection that is dead already needs no close.
            self._connection.close()


def _classify(error: Exception) -> NotSent:
    """Convert an error to Refused, TryLater or ServerDown."""
    text = _text(error)
    match error:
        case smtplib.SMTPRecipientsRefused():
            codes = [code for code, _ in error.recipients.values()]
            return _classify_code(max(codes), text)
        case smtplib.SMTPDataError():
            return _classify_code(error.smtp_code, text)
        # The address or the title is invalid, or the server does not support it.
        case ValueError() | smtplib.SMTPNotSupportedError():
            return Refused(text)
        # The server refused our own address, the connection was lost, or a timeout expired.
        case OSError():
            return ServerDown(text)
    # An exception of another backend. It may concern this message only.
    return TryLater(text)


def _classify_code(code: int, text: str) -> NotSent:
    if code == SHUTTING_DOWN:
        return ServerDown(text)
    return Refused(text) if code >= PERMANENT else TryLater(text)


def _text(error: Exception) -> str:
    """Return the error's text for the log. The repr() of a UnicodeError has the password."""
    return f"{type(error).__name__}: {error}"
