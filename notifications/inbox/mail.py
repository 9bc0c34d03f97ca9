"""Notifications by e-mail. What is due is read from the tables, whatever happened before.

Never in the transaction that tells somebody something, nor while a person or a worker
waits: a clock or cron calls this. A letter goes out at least once. If it went out and that
could not be noted, it goes again, the same to the byte.
"""

from __future__ import annotations

import logging
import time
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.exceptions import ValidationError
from django.db.models import DateTimeField, Exists, ExpressionWrapper, F, OuterRef, Q
from django.db.models.functions import Coalesce, Now
from django.utils import timezone, translation

from notifications.inbox import email, inbox, types
from notifications.models import Event, Inbox, Mailing, Stream
from notifications.streams import access

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from django.contrib.auth.models import User
    from django.db.models import QuerySet

    from notifications.inbox.types import Notice

logger = logging.getLogger(__name__)

# What is older is not mailed: after a long outage, or when mail is set up for the first
# time, nobody wants to be told of everything.
TOO_OLD = timedelta(days=1)
# Letters of their own that the notifications of one hour get. Where there are more, one user
# could fill a mailbox and use up what the mail server takes: they are joined.
MAX_SINGLE, SINGLE_WINDOW = 20, timedelta(hours=1)
# Notifications in a joined letter, and how long its reader gets no other.
MAX_DIGEST, DIGEST_PAUSE = 100, timedelta(minutes=10)
# Longer than one letter can take, with a server that is slow at every step of it.
LEASE = timedelta(minutes=5)
# For a recipient whose server wants us to come back. Shorter does not impress it.
RETRY_DELAY = timedelta(minutes=5)
# For the user on whose letter the server went down: perhaps it was that letter, so others
# are tried before it.
SERVER_DOWN_DELAY = timedelta(minutes=1)
# Seconds between rounds while the server is down: twice as many each time.
FIRST_BACKOFF, MAX_BACKOFF = 10.0, 300.0


@dataclass
class SendResult:
    """What one round did: letters sent, refused for good, and left for later."""

    sent: int = 0
    refused: int = 0
    later: int = 0


def send_due() -> SendResult:
    """Mail what is due. Raises NotSetUp or ServerDown; what was not sent then is still due.

    Safe to run anywhere and at once: who mails a user has claimed them.
    """
    email.require_settings()
    done = SendResult()
    with closing(email.Mailer()) as mailer:
        for stream in list(_due()):
            user = _user_of(stream)
            if user is not None and (claim := _Claim.take(user, stream)):
                _mail_user(user, claim, mailer, done)
    return done


class SendDueWithBackoff:
    """`send_due` for a clock: further and further apart while the server is down.

    What the settings lack is said once: they do not change while a process lives.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._backoff = 0.0
        self._next_try = 0.0
        self._has_warned = False

    def __call__(self) -> None:
        if self._now() < self._next_try:
            return
        try:
            send_due()
        except email.NotSetUp as error:
            if not self._has_warned:
                logger.warning("%s", error)
            self._has_warned = True
        except email.ServerDown as error:
            self._backoff = min(max(2 * self._backoff, FIRST_BACKOFF), MAX_BACKOFF)
            self._next_try = self._now() + self._backoff
            logger.warning(
                "The mail server cannot be used; the next try is in %d s: %s", self._backoff, error
            )
        else:
            self._backoff = 0.0


# -- One user --------------------------------------------------------------------------------


def _mail_user(user: User, claim: _Claim, mailer: email.Mailer, done: SendResult) -> None:
    due = list(_due_events(claim.row)[:MAX_DIGEST])
    is_digest = len(due) + _recently_mailed(claim.row) > MAX_SINGLE
    is_sent = False
    for events in [due] if is_digest else [[event] for event in due]:
        last = events[-1].offset
        try:
            is_sent = _mail_events(user, claim.row, events, mailer)
            done.sent += is_sent
        except email.Refused as error:
            logger.warning("User %s cannot be mailed event %s: %s", user.pk, last, error)
            done.refused += 1
        except email.TryLater as error:
            logger.info("User %s is mailed event %s later: %s", user.pk, last, error)
            done.later += 1
            claim.release(RETRY_DELAY)
            return
        except email.ServerDown:
            claim.release(SERVER_DOWN_DELAY)
            raise
        if not claim.note(last):
            return  # It took us so long that another has taken over.
    claim.release(DIGEST_PAUSE if is_digest and is_sent else None)


def _mail_events(user: User, row: Inbox, events: Sequence[Event], mailer: email.Mailer) -> bool:
    """Mail `events` to `user` in one letter. False if they want none, or have no address."""
    address = getattr(user, user.get_email_field_name(), "")
    if not (user.is_active and address):
        return False
    with translation.override(_language(row)):
        described = [(event, types.describe(event)) for event in events]
        wanted = [(event, notice) for event, notice in described if _is_wanted(notice, row.email)]
        if not wanted:
            return False
        mailer.send(email.compose(wanted, address))
    return True


def _language(row: Inbox) -> str:
    """What a user's letters are in: the language of their choice, or else the site's.

    One that the site has given up is the site's, too: half of a letter would be in it, for
    Django's own texts know more languages than ours.
    """
    try:
        return translation.get_supported_language_variant(row.language)
    except LookupError:
        return settings.LANGUAGE_CODE


def _is_wanted(notice: Notice, choice: str) -> bool:
    if choice == Mailing.FAILURES:
        return notice.level == "error"
    return choice == Mailing.ALL


class _Claim:
    """One user's mail, ours alone while the lease lasts. Each write names our attempt."""

    def __init__(self, row: Inbox) -> None:
        self.row = row

    @classmethod
    def take(cls, user: User, stream: Stream) -> _Claim | None:
        """None: somebody else mails this user, or was told to come back later."""
        inbox.ensure_row(user, stream)
        free = Inbox.objects.filter(
            Q(mail_after=None) | Q(mail_after__lte=Now()), user=user.pk, stream=stream
        )
        if not free.update(mail_attempt=F("mail_attempt") + 1, mail_after=_from_now(LEASE)):
            return None
        # Read when it is ours: until then, others note how far it was mailed.
        return cls(Inbox.objects.get(user=user.pk))

    def note(self, offset: int) -> bool:
        """Mailed up to `offset`. False when the lease was lost: then stop."""
        return self._write(mailed_offset=offset, mail_after=_from_now(LEASE))

    def release(self, after: timedelta | None = None) -> None:
        self._write(mail_after=None if after is None else _from_now(after))

    def _write(self, **fields: Any) -> bool:
        row = self.row
        # The stream, too: in one that was made anew, our offsets mean nothing.
        ours = Inbox.objects.filter(pk=row.pk, mail_attempt=row.mail_attempt, stream=row.stream_id)
        return bool(ours.update(**fields))


# -- What is due -------------------------------------------------------------------------------


def _due() -> QuerySet[Stream]:
    """The streams of users for whom there is something, and whom nobody is mailing."""
    free = Q(inbox__mail_after=None) | Q(inbox__mail_after__lte=Now())
    streams = Stream.objects.filter(free, name__startswith="user-")
    # Most users are done, which is cheaper to see than what they might be sent.
    behind = streams.alias(mailed=Coalesce("inbox__mailed_offset", 0)).filter(head__gt=F("mailed"))
    events = _mailable().filter(stream=OuterRef("pk"), offset__gt=OuterRef("mailed"))
    return behind.filter(Exists(events)).order_by("pk")


def _due_events(row: Inbox) -> QuerySet[Event]:
    due = _mailable().filter(stream=row.stream_id, offset__gt=row.mailed_offset)
    return due.select_related("stream").order_by("offset")


def _recently_mailed(row: Inbox) -> int:
    """How many notifications of the last hour have been mailed, at most MAX_SINGLE.

    Those that the user did not want are counted, too. Then theirs are joined sooner.
    """
    since = timezone.now() - SINGLE_WINDOW
    mailed = _mailable().filter(stream=row.stream_id, offset__lte=row.mailed_offset, at__gte=since)
    return mailed[:MAX_SINGLE].count()


def _mailable() -> QuerySet[Event]:
    young = timezone.now() - TOO_OLD
    return Event.objects.filter(type__in=types.types(mailed=True), at__gte=young)


def _user_of(stream: Stream) -> User | None:
    """Whose stream it is. None if they are gone."""
    _, _, name = stream.name.partition("-")
    people = get_user_model()._default_manager
    key: Any = access.key_of(name)
    if key is None:
        # Too long to be in the name. Few projects have such keys, and few users then.
        keys = people.values_list("pk", flat=True).iterator()
        key = next((pk for pk in keys if access.stream_of_user(pk) == stream.name), None)
    try:
        user: User | None = people.filter(pk=key).first()
    except (ValueError, ValidationError):  # No key of a user.
        return None
    return user if user is not None and access.user_stream(user) == stream.name else None


def _from_now(delay: timedelta) -> Any:
    """By the database's clock: there may be several hosts, and there is one database."""
    return ExpressionWrapper(Now() + delay, output_field=DateTimeField())
