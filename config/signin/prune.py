"""Delete rows of django-axes that no longer count."""

from __future__ import annotations

from importlib import import_module

from axes.models import AccessAttempt, AccessFailureLog, AccessLog
from django.conf import settings
from django.utils import timezone

from config.signin import limits, notice, throttle


def prune() -> None:
    """Delete old rows. beat calls this each hour, and two calls at once do no harm."""
    now = timezone.now()
    for model, age in (
        (AccessAttempt, limits.COOL_OFF),
        (AccessFailureLog, notice.KEPT),
        (AccessLog, throttle.KNOWN_FOR),
    ):
        model.objects.filter(attempt_time__lt=now - age).delete()
    # Whatever keeps them. A session that expires is not deleted by itself.
    import_module(settings.SESSION_ENGINE).SessionStore.clear_expired()
