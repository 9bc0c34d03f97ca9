"""Send notifications by e-mail. Each run reads the due notifications from the tables.

Beat or cron calls this, so no request, worker or transaction waits for the mail server. A message
is sent at least once. If it was sent but that could not be stored, the same bytes are sent again.
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

# Older notifications are not mailed. After a long outage, or after the first setup of e-mail, users
# would get too many.
TOO_OLD = timedelta(days=1)
# A user gets at most this many notifications of one window as single messages. Further ones are
# sent as a digest, so that nobody can fill a mailbox or use up the quota of the mail server.
MAX_SINGLE, SINGLE_WINDOW = 20, timedelta(hours=1)
# The maximum number of notifications in a digest, and the pause before the user's next message.
MAX_DIGEST, DIGEST_PAUSE = 100, timedelta(minutes=10)
# Longer than sending one message takes with a slow server.
LEASE = timedelta(minutes=5)
# The delay after a temporary refusal. Servers with greylisting refuse earlier retries.
RETRY_DELAY = timedelta(minutes=5)
# The delay for the user whose message failed when the server went down. The message may be the
# cause, so other users come first.
SERVER_DOWN_DELAY = timedelta(minutes=1)
# Seconds between attempts while the server is down. The time doubles with each failure.
FIRST_BACKOFF, MAX_BACKOFF = 10.0, 300.0


@dataclass
class SendResult:
    """How many messages a run has sent, given up because they were refused, and postponed."""

    sent: int = 0
    refused: int = 0
    postponed: int = 0


def send_due() -> SendResult:
    """Send all due messages. Raise NotSetUp or ServerDown; unsent messages stay due.

    Safe to run in several processes at once: each user is claimed by one of them.
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
    """Calls `send_due`, with growing pauses while the server is down. For a periodic thread.

    A missing setting is logged once, because settings do not change while a process runs.
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
            logger.warning("Event %s cannot be mailed to user %s: %s", last, user.pk, error)
            done.refused += 1
        except email.TryLater as error:
            logger.info("Event %s is mailed to user %s later: %s", last, user.pk, error)
            done.postponed += 1
            claim.release(RETRY_DELAY)
            return
        except email.ServerDown:
            claim.release(SERVER_DOWN_DELAY)
            raise
        if not claim.save_offset(last):
            return  # The lease has expired, and another process has claimed the user.
    claim.release(DIGEST_PAUSE if is_digest and is_sent else None)


def _mail_events(user: User, row: Inbox, events: Sequence[Event], mailer: email.Mailer) -> bool:
    """Mail `events` to `user` in one message.

    Return False if the user wants none of them, is inactive, or has no address.
    """
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
    """Return the language of a user's e-mails, or the site's language if the site lacks theirs.

    Django's own texts exist in more languages than ours. Without this check, a message could mix
    two languages.
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
    """A claim to mail one user, exclusive until its lease expires.

    Each write compares the attempt of this claim, so it fails when another process has a newer one.
    """

    def __init__(self, row: Inbox) -> None:
        self.row = row

    @classmethod
    def take(cls, user: User, stream: Stream) -> _Claim | None:
        """Claim the user. Return None if they are claimed already, or a delay has not passed."""
        inbox.ensure_row(user, stream)
        free = Inbox.objects.filter(
            Q(mail_after=None) | Q(mail_after__lte=Now()), user=user.pk, stream=stream
        )
        if not free.update(mail_attempt=F("mail_attempt") + 1, mail_after=_from_now(LEASE)):
            return None
        # Read after the claim, because the previous holder may have moved `mailed_offset`.
        return cls(Inbox.objects.get(user=user.pk))

    def save_offset(self, offset: int) -> bool:
        """Store that the user was mailed up to `offset`. Return False if the lease was lost."""
        return self._write(mailed_offset=offset, mail_after=_from_now(LEASE))

    def release(self, after: timedelta | None = None) -> None:
        self._write(mail_after=None if after is None else _from_now(after))

    def _write(self, **fields: Any) -> bool:
        row = self.row
        # The stream is compared, too, because a recreated stream has other offsets.
        ours = Inbox.objects.filter(pk=row.pk, mail_attempt=row.mail_attempt, stream=row.stream_id)
        return bool(ours.update(**fields))


# -- What is due -------------------------------------------------------------------------------


def _due() -> QuerySet[Stream]:
    """Return the streams of users who have due notifications and are not claimed."""
    free = Q(inbox__mail_after=None) | Q(inbox__mail_after__lte=Now())
    streams = Stream.objects.filter(free, name__startswith="user-")
    # Most users have no due notification. Comparing offsets excludes them without a read of events.
    behind = streams.alias(mailed=Coalesce("inbox__mailed_offset", 0)).filter(head__gt=F("mailed"))
    events = _mailable().filter(stream=OuterRef("pk"), offset__gt=OuterRef("mailed"))
    return behind.filter(Exists(events)).order_by("pk")


def _due_events(row: Inbox) -> QuerySet[Event]:
    due = _mailable().filter(stream=row.stream_id, offset__gt=row.mailed_offset)
    return due.select_related("stream").order_by("offset")


def _recently_mailed(row: Inbox) -> int:
    """Return how many notifications of the last hour have been mailed, at most MAX_SINGLE.

    The count includes notifications that the user did not want. Such users get a digest sooner.
    """
    since = timezone.now() - SINGLE_WINDOW
    mailed = _mailable().filter(stream=row.stream_id, offset__lte=row.mailed_offset, at__gte=since)
    return mailed[:MAX_SINGLE].count()


def _mailable() -> QuerySet[Event]:
    oldest = timezone.now() - TOO_OLD
    return Event.objects.filter(type__in=types.types(mailed=True), at__gte=oldest)


def _user_of(stream: Stream) -> User | None:
    """Return the user of a stream, or None if they were deleted."""
    _, _, name = stream.name.partition("-")
    users = get_user_model()._default_manager
    key: Any = access.key_of(name)
    if key is None:
        # The name has only a hash of this long key, so compare all users. Such keys are rare.
        keys = users.values_list("pk", flat=True).iterator()
        key = next((pk for pk in keys if access.stream_of_user(pk) == stream.name), None)
    try:
        user: User | None = users.filter(pk=key).first()
    except (ValueError, ValidationError):  # The text is not a valid primary key.
        return None
    return user if user is not None and access.user_stream(user) == stream.name else None


def _from_now(delay: timedelta) -> Any:
    """Return a future time by the clock of the database, which is the same for all hosts."""
    return ExpressionWrapper(Now() + delay, output_field=DateTimeField())
