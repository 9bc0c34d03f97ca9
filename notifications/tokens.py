"""Bearer tokens of programs. The table keeps a digest, so a stolen table opens nothing."""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta
from typing import TYPE_CHECKING

from django.db.models import Q
from django.utils import timezone

from notifications.audit.actions import Action
from notifications.audit.record import About, record
from notifications.models import Token
from notifications.writing import atomic

if TYPE_CHECKING:
    from django.contrib.auth.models import User

PREFIX = "waybill_"  # So that secret scanners, and people, know one when they see it.
# `last_used_at` is for people who look for stale tokens; a write an hour is enough.
NOTE_USE_EVERY = timedelta(hours=1)


def create(user: User, note: str = "") -> str:
    """Make a token and return it. It cannot be shown again."""
    token = PREFIX + secrets.token_urlsafe(32)
    with atomic():
        made = Token.objects.create(user=user, digest=_digest(token), note=note)
        record(Action.TOKEN_CREATED, about_token(made), owner=user)
    return token


def about_token(token: Token) -> About:
    """A token as the audit trail names it."""
    return About("token", str(token.pk), token.note)


def user_of(token: str) -> User | None:
    """The active user whose token this is."""
    # The token has 256 random bits, so a plain hash is enough: there is nothing to guess.
    found = Token.objects.select_related("user").filter(digest=_digest(token)).first()
    if found is None or not found.user.is_active:
        return None
    stale = Q(last_used_at=None) | Q(last_used_at__lt=timezone.now() - NOTE_USE_EVERY)
    Token.objects.filter(stale, pk=found.pk).update(last_used_at=timezone.now())
    return found.user


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
