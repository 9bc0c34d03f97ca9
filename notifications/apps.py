from __future__ import annotations

from django.apps import AppConfig
from django.core import checks
from django.utils.translation import gettext_lazy as _


class NotificationsConfig(AppConfig):
    name = "notifications"
    verbose_name = _("Streams and inbox")

    def ready(self) -> None:
        from notifications.api import tokens  # noqa: PLC0415 - models are there only now
        from notifications.audit import middleware, signals  # noqa: PLC0415 - as above
        from notifications.delivery import rights_signals  # noqa: PLC0415 - models are there only now
        from notifications.inbox import (  # noqa: PLC0415 - models are there only now
            languages,
            token_warnings,  # noqa: F401 - it registers its notification
        )
        from notifications.streams import leaving  # noqa: PLC0415 - models are there only now

        languages.connect()
        leaving.connect()
        rights_signals.connect()
        signals.connect()
        checks.register(middleware.check, "notifications")
        tokens.connect()
