"""What the checks and the export page know of a ModelAdmin with the ExportMixin."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import admin

from exports.exporters import registry

if TYPE_CHECKING:
    from django.http import HttpRequest


class ExportableAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # Not generic when it runs.
    """A ModelAdmin with the name of an exporter of its model."""

    exporter: str = ""

    @property
    def max_selected(self) -> int:
        """The highest number of rows that a user can select on a page of the list."""
        return max(self.list_per_page, self.list_max_show_all)

    def has_export_permission(self, request: HttpRequest) -> bool:
        """Whether the user may view the list and run its exporter."""
        exporter = registry.get(self.exporter)
        return self.has_view_permission(request) and registry.may_run(exporter, request.user)
