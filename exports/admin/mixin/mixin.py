"""ExportMixin: a button and an action on a change list, and the page that they open."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.contrib.admin.options import IS_POPUP_VAR
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from exports.admin.mixin import checks
from exports.admin.mixin.base import ExportableAdmin
from exports.admin.mixin.selection_page import SelectionPage
from exports.exceptions import InvalidSelection

if TYPE_CHECKING:
    from django.core.checks import CheckMessage
    from django.db.models import QuerySet


class ExportMixin(ExportableAdmin):
    """Adds the button "Export…" and the action "Export selected …" to a ModelAdmin.

    `exporter` is the name of an exporter of the same model. Users who may run it see the button and
    the action. The export stores the query string of the list, and keys only for selected rows.
    Workers read the list through the ModelAdmin that `admin.site` has for the model.
    """

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        response = super().changelist_view(request, extra_context)
        if not isinstance(response, TemplateResponse) or not self.has_export_permission(request):
            return response
        context = response.context_data or {}
        if "cl" in context and not context["cl"].is_popup:
            # This template extends the list's own template, which may be one of the project.
            context["list_template"] = response.resolve_template(response.template_name)
            context["export_url"] = SelectionPage(self, request).url("export")
            response.template_name = "exports/admin/change_list.html"
        return response

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        actions = super().get_actions(request)
        offered = self.actions is not None and IS_POPUP_VAR not in request.GET
        if offered and self.has_export_permission(request):
            # Added here and not in the attribute `actions`, which a subclass may replace.
            actions["export_selected"] = self.get_action("export_selected")
        return actions

    @admin.action(
        description=gettext_lazy("Export selected %(verbose_name_plural)s"), permissions=["export"]
    )
    def export_selected(
        self,
        request: HttpRequest,
        queryset: QuerySet[Any],  # noqa: ARG002 - Django's signature
    ) -> HttpResponse | None:
        """Open the export page for the selected rows, or for the whole list."""
        page = SelectionPage(self, request)
        if request.POST.get("select_across") == "1":
            return HttpResponseRedirect(page.url("export"))
        try:
            page.refuse_too_many()
        except InvalidSelection as error:
            self.message_user(request, error.localized(), messages.ERROR)
            return None
        return page.get()

    def get_urls(self) -> list[URLPattern]:
        name = f"{self.opts.app_label}_{self.opts.model_name}_export"
        page = self.admin_site.admin_view(self.export_view)
        preview = self.admin_site.admin_view(require_POST(self.export_preview_view))
        return [
            path("export/", page, name=name),
            path("export/preview/", preview, name=f"{name}_preview"),
            *super().get_urls(),
        ]

    def export_view(self, request: HttpRequest) -> HttpResponse:
        """Show the export page, or handle its form."""
        page = self._selection_page(request)
        return page.post() if request.method == "POST" else page.get()

    def export_preview_view(self, request: HttpRequest) -> HttpResponse:
        """Return the preview as a fragment of the page. The page's script requests it."""
        return self._selection_page(request).preview_fragment()

    def _selection_page(self, request: HttpRequest) -> SelectionPage:
        if not self.has_export_permission(request):
            raise PermissionDenied(_("You do not have permission to export this list."))
        return SelectionPage(self, request)

    def check(self, **kwargs: Any) -> list[CheckMessage]:
        return [*super().check(**kwargs), *checks.check(self)]
