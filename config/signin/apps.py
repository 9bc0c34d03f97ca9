from __future__ import annotations

from django.apps import AppConfig


class SignInConfig(AppConfig):
    name = "config.signin"
    label = "signin"
    verbose_name = "Sign-in"

    def ready(self) -> None:
        from config.signin import notice  # noqa: PLC0415 - needs the models

        notice.register()
