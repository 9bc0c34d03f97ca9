"""Bearer tokens of programs. The table has only digests, so a thief cannot use the table.

A token is valid until it expires or is deleted, until its user is deactivated, or until their
password changes. A read-only token cannot start or change anything (`auth`).
"""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db.models import Q
from django.db.models.signals import post_save
from django.utils import timezone
from django.utils.crypto import constant_time_compare, salted_hmac
from django.utils.translation import gettext_noop

from notifications.audit.record import about_token, record
from notifications.audit_actions import Action
from notifications.models import TOKEN_DAYS, Token, TokenScope
from notifications.writing import atomic

if TYPE_CHECKING:
    from django.contrib.auth.models import User

PREFIX = "waybill_"  # Secret scanners and people recognize a token by it.
MAX_DAYS = 365  # An administrator must renew the access of a program at least once a year.
WARN_BEFORE = timedelta(days=7)
# `last_used_at` helps administrators to find unused tokens. One write an hour is precise enough.
RECORD_USE_EVERY = timedelta(hours=1)


class InvalidToken(Exception):
    """The token is not valid. The message is for the client, and not translated yet."""


def create(
    user: User, note: str = "", *, days: int = TOKEN_DAYS, scope: str = TokenScope.FULL
) -> str:
    """Create a token and return its text, which is not stored.

    Raise ValueError for a lifetime outside of 1 to 365 days.
    """
    if not 1 <= days <= MAX_DAYS:
        raise ValueError(f"A token is valid for 1 to {MAX_DAYS} days, not for {days}.")
    token = PREFIX + secrets.token_urlsafe(32)
    now = timezone.now()
    lifetime = timedelta(days=days)
    with atomic():
        made = Token.objects.create(
            user=user,
            digest=_digest(token),
            password_digest=_password_digests(user)[0],
            note=note,
            scope=TokenScope(scope),
            expires_at=now + lifetime,
            # A token with a lifetime of a few days needs no warning.
            warned_at=now if lifetime <= WARN_BEFORE else None,
        )
        record(Action.TOKEN_CREATED, about_token(made), owner=user)
    return token


def find(token: str) -> Token:
    """Return the token with this text and record its use. Raise InvalidToken if it is not valid."""
    # The token has 256 random bits and cannot be guessed, so a plain hash is enough.
    found = Token.objects.select_related("user").filter(digest=_digest(token)).first()
    if found is None or not is_alive(found):
        raise InvalidToken(gettext_noop("The bearer token is not valid."))
    if found.expires_at <= timezone.now():
        raise InvalidToken(
            gettext_noop("The bearer token has expired. Ask an administrator for a new one.")
        )
    stale = Q(last_used_at=None) | Q(last_used_at__lt=timezone.now() - RECORD_USE_EVERY)
    Token.objects.filter(stale, pk=found.pk).update(last_used_at=timezone.now())
    return found


def user_of(token: str) -> User | None:
    """Return the user of a valid token, or None."""
    try:
        return find(token).user
    except InvalidToken:
        return None


def is_alive(token: Token) -> bool:
    """Return whether the user is active and has not changed their password since the creation."""
    return token.user.is_active and any(
        constant_time_compare(token.password_digest, each) for each in _password_digests(token.user)
    )


def connect() -> None:
    """Connect the signal handler. Called once, when the apps are ready."""
    post_save.connect(_user_saved, sender=get_user_model())


def _user_saved(*, instance: Any, **_: Any) -> None:
    # Deleted, so that old tokens do not become valid again when the user is reactivated.
    if not instance.is_active:
        Token.objects.filter(user=instance.pk).delete()


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _password_digests(user: User) -> list[str]:
    """Return digests of the user's password hash: with SECRET_KEY, then with each fallback."""
    keys = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    return [
        salted_hmac(
            "notifications.tokens", user.password, secret=key, algorithm="sha256"
        ).hexdigest()
        for key in keys
    ]
