"""Delete what sign-ins have left in the database when it no longer counts."""

from __future__ import annotations

from axes.models import AccessAttempt, AccessFailureLog, AccessLog
from django.utils import timezone

from config.signin import limits, notice, throttle


def prune() -> None:
    """beat calls it each hour. Deleting twice does no harm."""
    now = timezone.now()
    for model, age in (
        (AccessAttempt, limits.COOL_OFF),
        (AccessFailureLog, notice.KEPT),
        (AccessLog, throttle.KNOWN_FOR),
    ):
        model.objects.filter(attempt_time__lt=now - age).delete()
