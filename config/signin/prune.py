"""Delete rows of django-axes that no longer count, and expired sessions."""

from __future__ import annotations

from importlib import import_module

from axes.models import AccessAttempt, AccessFailureLog, AccessLog
from django.conf import settings
from django.utils import timezone

from config.signin import limits, notice, throttle


def prune() -> None:
    """Delete old rows of django-axes. Two calls at once do no harm."""
    now = timezone.now()
    for model, age in (
        (AccessAttempt, limits.COOL_OFF),
        (AccessFailureLog, notice.KEPT),
        (AccessLog, throttle.KNOWN_FOR),
    ):
        model.objects.filter(attempt_time__lt=now - age).delete()


def prune_sessions() -> None:
    """Delete expired sessions from whatever SESSION_ENGINE keeps them in."""
    import_module(settings.SESSION_ENGINE).SessionStore.clear_expired()
