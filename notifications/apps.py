from __future__ import annotations

from django.apps import AppConfig
from django.core import checks
from django.utils.translation import gettext_lazy as _


class NotificationsConfig(AppConfig):
    name = "notifications"
    verbose_name = _("Streams and inbox")

    def ready(self) -> None:
        # These modules import the models, which are not loaded before this point.
        from notifications.api import tokens  # noqa: PLC0415 - see above
        from notifications.audit import middleware, signals  # noqa: PLC0415 - see above
        from notifications.delivery import rights_signals  # noqa: PLC0415 - see above
        from notifications.inbox import (  # noqa: PLC0415 - see above
            languages,
            token_warnings,  # noqa: F401 - the import registers its type of notification
        )
        from notifications.streams import leaving  # noqa: PLC0415 - see above

        languages.connect()
        leaving.connect()
        rights_signals.connect()
        signals.connect()
        checks.register(middleware.check, "notifications")
        tokens.connect()
