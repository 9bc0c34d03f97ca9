"""The page of a ChoiceForm: preview an export, save it as a preset, or start it.

It works without scripts: each button is a submit button, and the response is the page again.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.shortcuts import render
from django.utils.translation import gettext as _

from exports import lifecycle
from exports.exceptions import NotPermitted, OverLimit, RequestError
from exports.forms.choice import ChoiceForm
from exports.http import flash_if_duplicate, over_limit
from exports.spec import presets
from exports.spec.preview import preview
from exports.spec.spec import build_spec
from notifications.http import user_of
from notifications.streams.access import teams_of

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse, QueryDict

    from exports.exporters import Exporter
    from exports.models import Export, Preset
    from exports.spec.spec import ExportSpec


class ChoicePage:
    """Handles one request. Subclasses render the page, and decide where the user goes next."""

    def __init__(self, request: HttpRequest, exporter: Exporter) -> None:
        self.request = request
        self.user = user_of(request)
        self.exporter = exporter

    def render(self, form: ChoiceForm, *, status: int = 200, **context: Any) -> HttpResponse:
        raise NotImplementedError

    def after_save(self, form: ChoiceForm, preset: Preset) -> HttpResponse:
        raise NotImplementedError

    def after_start(self, export: Export) -> HttpResponse:
        raise NotImplementedError

    def summary(self, spec: ExportSpec) -> dict[str, Any]:
        """Return the context of a preview: `what`, the `_meta` of its model, and `phrases`."""
        raise NotImplementedError

    def build_spec(self, form: ChoiceForm, *, is_preview: bool = False) -> ExportSpec:
        return build_spec(self.user, is_preview=is_preview, **form.spec_fields)

    def form(self, data: QueryDict | None = None, *, preset: Preset | None = None) -> ChoiceForm:
        teams = list(teams_of(self.user))
        return ChoiceForm(self.exporter, self.request, data, preset=preset, teams=teams)

    def post(self) -> HttpResponse:
        """Handle the button that the user pressed."""
        form = self.form(self.request.POST)
        if "move" in self.request.POST:
            form.columns.press(self.request.POST["move"])
            return self.render(form)
        return form.handle(partial(self._act, form), self.render)

    def preview_fragment(self) -> HttpResponse:
        """Return the preview as a fragment of the page, for the page's script."""
        form = self.form(self.request.POST)
        limit: OverLimit | None = None
        try:
            context = self._preview(form) if form.is_valid() else {"refusal": form.error_text}
        except OverLimit as error:
            context = {"refusal": error.page_message(), "is_limited": True}
            limit = error
        except (NotPermitted, RequestError) as error:
            context = {"refusal": error.page_message()}
        response = render(self.request, "exports/choose/_preview.html", context)
        return over_limit(response, limit) if limit else response

    def _preview(self, form: ChoiceForm) -> dict[str, Any]:
        spec = self.build_spec(form, is_preview=True)
        return {"preview": preview(spec), **self.summary(spec)}

    def _act(self, form: ChoiceForm) -> HttpResponse:
        if "preview" in self.request.POST:
            return self.render(form, **self._preview(form))
        spec = self.build_spec(form)
        if "save" in self.request.POST:
            preset = presets.save(spec, form.cleaned_data["preset"])
            messages.success(self.request, _("Saved as “%(name)s”.") % {"name": preset.name})
            return self.after_save(form, preset)
        export, created = lifecycle.start(spec)
        presets.remember(spec)
        return self.after_start(flash_if_duplicate(self.request, export, created))
