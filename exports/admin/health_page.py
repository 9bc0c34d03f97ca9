"""The Health page, for superusers: the findings of `manage.py healthcheck`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.translation import gettext as _

from exports import health

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse


class Health(admin.ModelAdmin):  # type: ignore[type-arg]  # Not generic when it runs.
    """Adds the page. Only superusers may see it, because it shows hosts and error messages."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.health)
        return [path("health/", view, name="exports_export_health"), *super().get_urls()]

    def health(self, request: HttpRequest) -> HttpResponse:
        """Run all checks now. This takes some seconds, because workers get time to respond."""
        if not request.user.is_superuser:
            raise PermissionDenied(_("Only superusers can view Health."))
        began = time.monotonic()
        findings = list(health.findings(health.PROCESS_CHECKS))
        context = {
            **self.admin_site.each_context(request),
            "model": self.opts,
            "title": _("Health"),
            "findings": findings,
            "ill": sum(not finding.is_healthy for finding in findings),
            "checked_at": timezone.now(),
            "seconds": time.monotonic() - began,
        }
        request.current_app = self.admin_site.name
        return TemplateResponse(request, "exports/admin/health.html", context)
