from __future__ import annotations

from django.apps import AppConfig
from django.core import checks
from django.utils.module_loading import autodiscover_modules
from django.utils.translation import gettext_lazy as _


class ExportsConfig(AppConfig):
    name = "exports"
    verbose_name = _("Exports")

    def ready(self) -> None:
        # Models can be imported only now.
        from exports import access, notification_types  # noqa: PLC0415
        from exports.audit import exporter, record  # noqa: PLC0415
        from exports.exporters import checks as exporters_checks  # noqa: PLC0415
        from exports.spec import context  # noqa: PLC0415

        autodiscover_modules("exporters")
        exporter.register()
        checks.register(exporters_checks.check, "exports")
        checks.register(context.check, "exports")
        access.register()
        notification_types.register()
        record.connect()
