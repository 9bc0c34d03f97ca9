"""The choose page of an exporter: its columns, filters, formats and presets, with a preview."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_http_methods, require_POST

from exports.exceptions import RequestError
from exports.exporters import registry
from exports.forms.page import ChoicePage
from exports.http import card_url, private
from exports.spec import describe, presets
from notifications.http import SeeOther, user_of

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

    from exports.forms.choice import ChoiceForm
    from exports.models import Export, Preset
    from exports.spec.spec import ExportSpec

# The number of digits of the largest id. int() raises an error for thousands of digits.
MAX_DIGITS = 19


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
@private
def choose(request: HttpRequest, name: str) -> HttpResponse:
    page = ChoosePage(request, name)
    return page.post() if request.method == "POST" else page.get()


@login_required
@require_POST
@private
def preview(request: HttpRequest, name: str) -> HttpResponse:
    """Return the preview as a fragment of the page. The page's script requests it."""
    return ChoosePage(request, name).preview_fragment()


class ChoosePage(ChoicePage):
    def __init__(self, request: HttpRequest, name: str) -> None:
        try:
            exporter = registry.offered(user_of(request), name)
        except RequestError as error:
            raise Http404(error.localized()) from error
        super().__init__(request, exporter)

    def get(self) -> HttpResponse:
        preset = self._preset()
        form = self.form(preset=preset)
        form.prefill(self.request.GET)
        if preset and (problem := presets.team_problem(preset)):
            messages.warning(self.request, problem)
        return self.render(form, preset=preset)

    def render(self, form: ChoiceForm, *, status: int = 200, **context: Any) -> HttpResponse:
        saved = presets.saved_for(self.user, self.exporter.name)
        shown = {
            "form": form,
            "exporter": self.exporter,
            "presets": presets.without_params(saved),
            **context,
        }
        return render(self.request, "exports/choose/choose.html", shown, status=status)

    def after_save(self, form: ChoiceForm, preset: Preset) -> HttpResponse:  # noqa: ARG002
        return SeeOther(f"{self.request.path}?preset={preset.pk}")

    def after_start(self, export: Export) -> HttpResponse:
        return SeeOther(card_url(export))

    def summary(self, spec: ExportSpec) -> dict[str, Any]:
        filters = spec.params.get("filters") or {}
        return {
            "what": self.exporter.queryset.model._meta,
            "phrases": describe.filters(self.exporter, self.user, filters, spec.context),
        }

    def _preset(self) -> Preset | None:
        """Return the preset in the URL; without one, the last settings unless the URL has `fresh`."""
        preset_id = self.request.GET.get("preset", "")
        if preset_id.isdecimal() and len(preset_id) <= MAX_DIGITS:
            saved = presets.saved_for(self.user, self.exporter.name)
            return get_object_or_404(saved, pk=preset_id)
        if "fresh" in self.request.GET:
            return None
        return presets.last(self.user, self.exporter.name)
