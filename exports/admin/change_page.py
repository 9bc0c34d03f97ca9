"""The page of an export: a live panel with buttons, and read-only fields."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.template.defaultfilters import filesizeformat
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from exports.admin.buttons import Buttons
from exports.files.names import filename_of
from exports.i18n.message import localize
from exports.i18n.numbers import number
from notifications.admin import as_json
from notifications.streams import backlog

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse
    from django.utils.safestring import SafeString

    from exports.models import Export


class Page(Buttons):
    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        # Read before the export, so that the script follows every later change.
        name = f"export-{object_id}"
        head = backlog.heads([name]).get(name)
        streams = {name: None if head is None else str(head)}
        context = {"streams": streams, **(extra_context or {})}
        return super().change_view(request, object_id, form_url, context)

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        # `original` is always an export, because the admin has no page to add one.
        context["buttons"] = self.buttons(request, context["original"])
        return super().render_change_form(request, context, *args, **kwargs)

    def view_on_site(self, export: Export) -> str:
        return export.get_absolute_url()

    @admin.display(description=_("label"))
    def called(self, export: Export) -> str:
        return export.title

    @admin.display(description=_("export page"))
    def page(self, export: Export) -> SafeString:
        return format_html('<a href="{0}">{0}</a>', export.get_absolute_url())

    @admin.display(description=_("file"))
    def file_link(self, export: Export) -> SafeString | str:
        if not export.has_file(timezone.now()):
            return gettext("No file")
        url = reverse("exports:file", args=[export.pk])
        return format_html('<a href="{}">{}</a>', url, filename_of(export))

    @admin.display(description=_("settings"))
    def settings(self, export: Export) -> SafeString | str:
        return as_json(export.params) if export.params else gettext("All rows and columns")

    @admin.display(description=_("stage"))
    def activity(self, export: Export) -> str:
        return export.get_stage_display() or self.get_empty_value_display()

    @admin.display(description=_("error"))
    def failure(self, export: Export) -> str:
        text, _language = localize(export.error, export.reason)
        return text or self.get_empty_value_display()

    @admin.display(description=_("rate"))
    def speed(self, export: Export) -> str:
        if export.rate is None:
            return self.get_empty_value_display()
        return gettext("%(rows)s rows/s") % {"rows": number(export.rate)}

    @admin.display(description=_("size"))
    def size(self, export: Export) -> str:
        return filesizeformat(export.bytes)
