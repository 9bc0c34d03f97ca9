"""The mixin: a button, an action, and the page that they lead to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.options import IS_FACETS_VAR, IS_POPUP_VAR, TO_FIELD_VAR
from django.contrib.admin.utils import model_ngettext
from django.contrib.admin.views.main import ALL_VAR, ERROR_FLAG, ORDER_VAR, PAGE_VAR
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from exports import changelist, lifecycle, registry
from exports.exceptions import (
    ExportError,
    InvalidSelection,
    NotPermitted,
    OverLimit,
    RequestError,
)
from exports.forms import SHARING, OptionsForm
from exports.http import over_limit, told_if_under_way
from exports.mixins import checks, words
from exports.models import Format
from notifications.access import teams_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.core.checks import CheckMessage
    from django.db.models import QuerySet

    Base = admin.ModelAdmin[Any]
else:
    Base = object

# What the query string of a change list says besides which rows are in it.
NOT_FILTERS = (
    *(ALL_VAR, ERROR_FLAG, IS_FACETS_VAR, ORDER_VAR, PAGE_VAR),
    *(IS_POPUP_VAR, TO_FIELD_VAR),
)


class ExportMixin(Base):
    """Adds the button "Export…" and the action "Export selected …" to a ModelAdmin.

    `exporter` names an exporter of the same model; who may run it sees both. The list's
    query string is what is stored, never its keys, save for rows ticked by hand. The worker
    reads it through the ModelAdmin that `admin.site` has for the model.
    """

    exporter: str = ""

    def has_export_permission(self, request: HttpRequest) -> bool:
        """Whether this user may see the list and run its exporter."""
        may_run = registry.get(self.exporter).has_permission
        return self.has_view_permission(request) and may_run(request.user)

    # -- The change list -------------------------------------------------------------

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        response = super().changelist_view(request, extra_context)
        if not isinstance(response, TemplateResponse) or not self.has_export_permission(request):
            return response
        context = response.context_data or {}
        if "cl" in context and not context["cl"].is_popup:
            # Around whichever template this list has: the project may have one of its own.
            context["list_template"] = response.resolve_template(response.template_name)
            context["export_url"] = self._url("export", _filters(request))
            response.template_name = "exports/admin/change_list.html"
        return response

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        actions = super().get_actions(request)
        offered = self.actions is not None and IS_POPUP_VAR not in request.GET
        if offered and self.has_export_permission(request):
            # Here and not in `actions`, which the ModelAdmin's own would replace.
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
        """Ask for the format. Rows on all pages of the list go as its query, not as keys."""
        if request.POST.get("select_across") == "1":
            return HttpResponseRedirect(self._url("export", _filters(request)))
        keys = request.POST.getlist(ACTION_CHECKBOX_NAME)
        try:
            self._refuse_too_many(keys)
        except InvalidSelection as error:
            self.message_user(request, str(error), messages.ERROR)
            return None
        return self._page(request, keys)

    # -- The page that asks for the format -----------------------------------------------

    def get_urls(self) -> list[URLPattern]:
        name = f"{self.opts.app_label}_{self.opts.model_name}_export"
        view = self.admin_site.admin_view(self.export_view)
        return [path("export/", view, name=name), *super().get_urls()]

    def export_view(self, request: HttpRequest) -> HttpResponse:
        """Say what will be exported and ask for the format; by POST, start it."""
        if not self.has_export_permission(request):
            raise PermissionDenied(_("You may not export this list."))
        keys = request.POST.getlist(ACTION_CHECKBOX_NAME)
        if request.method != "POST":
            return self._page(request, keys)
        chosen = OptionsForm(request.POST)
        try:
            self._refuse_too_many(keys)
            asked = lifecycle.request_once(
                user=request.user,  # type: ignore[arg-type]  # admin_view asks for a login.
                exporter=self.exporter,
                format=request.POST.get("format", ""),
                options=chosen.asked if chosen.is_valid() else {},
                changelist=self._selection(request, keys),
                label=self._in_words(request, keys),
                team=request.POST.get("team"),
            )
        except NotPermitted as error:
            raise PermissionDenied(str(error)) from error
        except OverLimit as error:
            return over_limit(self._page(request, keys, error), error)
        except RequestError as error:
            return self._page(request, keys, error)
        return HttpResponseRedirect(told_if_under_way(request, *asked).get_absolute_url())

    def _selection(self, request: HttpRequest, keys: Sequence[str]) -> dict[str, Any]:
        model = self.opts.label_lower
        if keys:
            # The rows themselves were ticked. One that changes before the worker reads it,
            # so that the filters would not show it any more, is still meant.
            return {"model": model, "query": "", "keys": list(dict.fromkeys(keys))}
        return {"model": model, "query": _filters(request)}

    def _refuse_too_many(self, keys: Sequence[str]) -> None:
        most = max(self.list_per_page, self.list_max_show_all)
        if len(keys) > most:
            raise InvalidSelection(
                _(
                    "At most %(most)d rows can be ticked by hand. To export more, filter the "
                    "list and choose “Export…”."
                )
                % {"most": most}
            )

    def _page(
        self, request: HttpRequest, keys: Sequence[str], error: ExportError | None = None
    ) -> HttpResponse:
        filters = _filters(request)
        what = ""
        try:
            what = self._in_words(request, keys)
        except InvalidSelection as unreadable:
            error = error or unreadable
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("Export %(name)s") % {"name": self.opts.verbose_name_plural},
            "error": error,
            "what": what,
            "keys": keys,
            "key_name": ACTION_CHECKBOX_NAME,
            "formats": Format.choices,
            "chosen_format": request.POST.get("format", Format.CSV),
            # The action of the list comes by POST, too, and without any choice.
            "options": OptionsForm(request.POST if "format" in request.POST else None),
            "teams": teams_of(request.user),  # type: ignore[arg-type]  # As above.
            "chosen_team": request.POST.get("team", ""),
            "sharing": SHARING,
            "export_url": self._url("export", filters),
            "list_url": self._url("changelist", filters),
        }
        request.current_app = self.admin_site.name
        return TemplateResponse(
            request, "exports/admin/selection.html", context, status=422 if error else 200
        )

    def _in_words(self, request: HttpRequest, keys: Sequence[str]) -> str:
        """What will be exported, for its owner to check. Nothing is counted."""
        if keys:
            count = len(set(keys))
            return ngettext("%(count)d selected %(name)s", "%(count)d selected %(name)s", count) % {
                "count": count,
                "name": model_ngettext(self.opts, count),
            }
        phrases = words.in_words(changelist.uncounted(self, request)) or [_("all of them")]
        return f"{registry.get(self.exporter).label}: {'; '.join(phrases)}"

    def _url(self, view: str, filters: str) -> str:
        name = f"admin:{self.opts.app_label}_{self.opts.model_name}_{view}"
        url = reverse(name, current_app=self.admin_site.name)
        return f"{url}?{filters}" if filters else url

    def check(self, **kwargs: Any) -> list[CheckMessage]:
        return [*super().check(**kwargs), *checks.check(self)]


def _filters(request: HttpRequest) -> str:
    """The part of the list's query string that says which rows are in it."""
    params = request.GET.copy()
    for name in NOT_FILTERS:
        params.pop(name, None)
    return params.urlencode()
