"""The page between a change list and an export: it describes the rows and offers the settings.

It has the fields of the choose page except the filters, because the list has its own filters.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.options import IS_FACETS_VAR, IS_POPUP_VAR, TO_FIELD_VAR
from django.contrib.admin.utils import model_ngettext
from django.contrib.admin.views.main import ALL_VAR, ERROR_FLAG, ORDER_VAR, PAGE_VAR
from django.http import HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.functional import lazy
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from exports.admin.mixin import describe
from exports.exceptions import InvalidSelection
from exports.exporters import registry
from exports.exporters.querysets import has_own_scope
from exports.forms.page import ChoicePage
from exports.spec import changelist, presets, refusals
from exports.spec.spec import build_spec

if TYPE_CHECKING:
    from django.contrib.admin.views.main import ChangeList
    from django.http import HttpRequest, HttpResponse, QueryDict

    from exports.admin.mixin.base import ExportableAdmin
    from exports.forms.choice import ChoiceForm
    from exports.models import Export, Preset
    from exports.spec.spec import ExportSpec

# Parameters of a change list that neither select nor sort its rows.
NOT_FILTERS = (
    ALL_VAR,
    ERROR_FLAG,
    IS_FACETS_VAR,
    IS_POPUP_VAR,
    PAGE_VAR,
    TO_FIELD_VAR,
)


class SelectionPage(ChoicePage):
    """Handles one request. The caller has checked that the user may export the list."""

    def __init__(self, model_admin: ExportableAdmin, request: HttpRequest) -> None:
        super().__init__(request, registry.get(model_admin.exporter))
        self._admin = model_admin
        self.keys = request.POST.getlist(ACTION_CHECKBOX_NAME)

    def refuse_too_many(self) -> None:
        """Raise InvalidSelection if more rows are selected than a list can show."""
        allowed = self._admin.max_selected
        if len(self.keys) > allowed:
            raise InvalidSelection(
                _(
                    "You can select up to %(most)d rows. To export more, filter the list and "
                    "choose “Export…”."
                )
                % {"most": allowed}
            )

    def build_spec(self, form: ChoiceForm, *, is_preview: bool = False) -> ExportSpec:
        # Counted here as well, because `_selection` may refuse a list before `build_spec` is called.
        with refusals.count_refusals(self.user, is_preview=is_preview):
            self.refuse_too_many()
            fields = {**form.spec_fields, "filters": None, "changelist": self._selection()}
        fields["default_label"] = lazy(self.description, str)()
        return build_spec(self.user, is_preview=is_preview, **fields)

    @cached_property
    def _list(self) -> ChangeList:
        return changelist.changelist_without_count(self._admin, self.request)

    def _selection(self) -> dict[str, Any]:
        query = self._query_without(*NOT_FILTERS, ORDER_VAR).urlencode()
        found: dict[str, Any] = {"model": self._admin.opts.label_lower, "query": query}
        if self.keys:
            # Selected rows are exported even if they no longer match the filters when a worker
            # reads them. So the query string is not stored.
            found |= {"query": "", "keys": list(dict.fromkeys(self.keys))}
        return {**found, "order": self._order} if self._order else found

    @cached_property
    def _order(self) -> list[str]:
        return changelist.order_of(self._list, self.request)

    def description(self) -> str:
        """Describe the rows of the export in the current language, without counting them."""
        phrases = self._phrases() or [_("all rows")]
        return phrases[0] if self.keys else f"{self.exporter.label}: {'; '.join(phrases)}"

    def _phrases(self) -> list[str]:
        """Describe the filters and the order of the list, or the number of selected rows."""
        if not self.keys:
            order = describe.order(self._list) if self._order else []
            return [*describe.filters(self._list), *order]
        count = len(set(self.keys))
        text = ngettext("%(count)d selected %(name)s", "%(count)d selected %(name)s", count)
        return [text % {"count": count, "name": model_ngettext(self._admin.opts, count)}]

    def get(self) -> HttpResponse:
        """Return the page, filled in with the settings that the user last used."""
        preset = presets.last(self.user, self.exporter.name)
        return self.render(self.form(preset=preset))

    def after_save(self, form: ChoiceForm, preset: Preset) -> HttpResponse:  # noqa: ARG002
        return self.render(form)

    def after_start(self, export: Export) -> HttpResponse:
        return HttpResponseRedirect(export.get_absolute_url())

    def summary(self, spec: ExportSpec) -> dict[str, Any]:  # noqa: ARG002
        return {"what": self._admin.opts, "phrases": self._phrases()}

    def render(self, form: ChoiceForm, *, status: int = 200, **context: Any) -> HttpResponse:
        description, phrases = "", []
        try:
            description, phrases = self.description(), self._phrases()
        except InvalidSelection as error:
            status = 422
            context["unreadable"] = error.localized()
        form.fields["label"].widget.attrs["placeholder"] = description
        opts = self._admin.opts
        shown = {
            **self._admin.admin_site.each_context(self.request),
            "opts": opts,
            "title": _("Export %(name)s") % {"name": opts.verbose_name_plural},
            "form": form,
            "what": opts,
            "in_words": capfirst(description),
            "phrases": phrases,
            "is_sorted": bool(phrases and self._order),
            "is_scoped": has_own_scope(self.exporter),
            "keys": self.keys,
            "key_name": ACTION_CHECKBOX_NAME,
            "export_url": self.url("export"),
            "preview_url": self.url("export_preview"),
            "list_url": self.url("changelist"),
            **context,
        }
        self.request.current_app = self._admin.admin_site.name
        template = "exports/admin/selection.html"
        return TemplateResponse(self.request, template, shown, status=status)

    def url(self, view: str) -> str:
        """Return the URL of a view of the list, with the filters and the order of the list."""
        opts = self._admin.opts
        name = f"admin:{opts.app_label}_{opts.model_name}_{view}"
        site = self._admin.admin_site.name
        return reverse(name, current_app=site, query=self._query_without(*NOT_FILTERS))

    def _query_without(self, *names: str) -> QueryDict:
        query = self.request.GET.copy()
        for name in names:
            query.pop(name, None)
        return query
