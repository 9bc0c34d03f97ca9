from __future__ import annotations

from django.apps import AppConfig


class NotificationsConfig(AppConfig):
    name = "notifications"
    verbose_name = "Streams and inbox"

    def ready(self) -> None:
        from notifications import recheck  # noqa: PLC0415 - models are there only now

        recheck.connect()
