"""The page between a change list and an export: says what will be exported, and asks how.

It has what the page of the exporter has, without its filters: the list has narrowed the rows.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.options import IS_FACETS_VAR, IS_POPUP_VAR, TO_FIELD_VAR
from django.contrib.admin.utils import model_ngettext
from django.contrib.admin.views.main import ALL_VAR, ERROR_FLAG, ORDER_VAR, PAGE_VAR
from django.core.exceptions import PermissionDenied
from django.http import HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.functional import lazy
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from exports import lifecycle
from exports.admin.mixin import describe
from exports.exceptions import InvalidSelection, NotPermitted, OverLimit, RequestError
from exports.exporters import registry
from exports.exporters.querysets import has_own_scope
from exports.forms.choice import ChoiceForm
from exports.http import flash_if_duplicate, over_limit
from exports.spec import changelist, presets, refusals
from exports.spec.preview import preview
from exports.spec.spec import build_spec
from notifications.streams.access import teams_of

if TYPE_CHECKING:
    from django.contrib.admin.views.main import ChangeList
    from django.contrib.auth.models import User
    from django.http import HttpRequest, HttpResponse

    from exports.admin.mixin.mixin import ExportMixin
    from exports.spec.spec import ExportSpec

# What the query string of a change list says besides which rows are in it, in what order.
NOT_FILTERS = (
    *(ALL_VAR, ERROR_FLAG, IS_FACETS_VAR, PAGE_VAR),
    *(IS_POPUP_VAR, TO_FIELD_VAR),
)


class SelectionPage:
    """The page for one request of somebody who may export the list."""

    def __init__(self, model_admin: ExportMixin, request: HttpRequest) -> None:
        self._admin = model_admin
        self._request = request
        self._exporter = registry.get(model_admin.exporter)
        self._filters = filters_of(request)
        self._user: User = request.user  # type: ignore[assignment]  # admin_view asks for a login.
        self.keys = request.POST.getlist(ACTION_CHECKBOX_NAME)

    def refuse_too_many(self) -> None:
        """Raises InvalidSelection when more rows are ticked than a list can show."""
        most = self._admin.most_ticked
        if len(self.keys) > most:
            raise InvalidSelection(
                _(
                    "You can select up to %(most)d rows. To export more, filter the list and "
                    "choose “Export…”."
                )
                % {"most": most}
            )

    # -- The request -----------------------------------------------------------------------

    @cached_property
    def _teams(self) -> list[Any]:
        return list(teams_of(self._user))

    def _sent(self) -> ChoiceForm:
        return ChoiceForm(self._exporter, self._request, self._request.POST, teams=self._teams)

    def _spec(self, form: ChoiceForm, *, is_preview: bool = False) -> ExportSpec:
        # A list that cannot be read is refused here, before `build_spec` counts refusals.
        with refusals.count_refusals(self._user, is_preview=is_preview):
            self.refuse_too_many()
            fields = {**form.spec_fields, "filters": None, "changelist": self._selection()}
        fields["default_label"] = lazy(self.in_words, str)()
        return build_spec(self._user, is_preview=is_preview, **fields)

    @cached_property
    def _list(self) -> ChangeList:
        return changelist.changelist_without_count(self._admin, self._request)

    def _selection(self) -> dict[str, Any]:
        asked: dict[str, Any] = {"model": self._admin.opts.label_lower, "query": self._filters}
        if self.keys:
            # The rows themselves were ticked. One that changes before the worker reads it,
            # so that the filters would not show it any more, is still meant.
            asked |= {"query": "", "keys": list(dict.fromkeys(self.keys))}
        return {**asked, "order": self._order} if self._order else asked

    @cached_property
    def _order(self) -> list[str]:
        return changelist.order_of(self._list, self._request)

    def in_words(self) -> str:
        """What will be exported, for its owner to check. Nothing is counted."""
        phrases = self._phrases or [_("all rows")]
        return phrases[0] if self.keys else f"{self._exporter.label}: {'; '.join(phrases)}"

    @property
    def _phrases(self) -> list[str]:
        """What narrows the list, and how it is sorted; or how many rows are ticked."""
        if not self.keys:
            return [
                *describe.in_words(self._list),
                *(describe.order(self._list) if self._order else []),
            ]
        count = len(set(self.keys))
        said = {"count": count, "name": model_ngettext(self._admin.opts, count)}
        return [
            ngettext("%(count)d selected %(name)s", "%(count)d selected %(name)s", count) % said
        ]

    # -- What is answered --------------------------------------------------------------------

    def respond(self) -> HttpResponse:
        """Ask how; by POST, do what was asked."""
        if self._request.method != "POST":
            return self.ask()
        form = self._sent()
        if "move" in self._request.POST:
            form.columns.press(self._request.POST["move"])
            return self._page(form)
        if not form.is_valid():
            return self._page(form, status=422)
        try:
            return self._do(form)
        except NotPermitted as error:
            raise PermissionDenied(error.localized()) from error
        except OverLimit as error:
            form.refuse(error)
            return over_limit(self._page(form, status=422), error)
        except RequestError as error:
            form.refuse(error)
            return self._page(form, status=422)

    def ask(self) -> HttpResponse:
        """The page, with what was chosen the last time."""
        preset = presets.last(self._user, self._exporter.name)
        return self._page(
            ChoiceForm(self._exporter, self._request, preset=preset, teams=self._teams)
        )

    def _do(self, form: ChoiceForm) -> HttpResponse:
        request = self._request
        if "look" in request.POST:
            return self._page(form, preview=preview(self._spec(form, is_preview=True)))
        spec = self._spec(form)
        if "save" in request.POST:
            preset = presets.save(spec, form.cleaned_data["preset"])
            messages.success(request, _("Saved as “%(name)s”.") % {"name": preset.name})
            return self._page(form)
        export, is_new = lifecycle.start(spec)
        presets.remember(spec)
        return HttpResponseRedirect(flash_if_duplicate(request, export, is_new).get_absolute_url())

    def look(self) -> HttpResponse:
        """What the choice would give, as the fragment of its page, for the page's script."""
        form = self._sent()
        context: dict[str, Any] = {"what": self._admin.opts}
        limited: OverLimit | None = None
        try:
            if form.is_valid():
                spec = self._spec(form, is_preview=True)
                context |= {"preview": preview(spec), "phrases": self._phrases}
            else:
                context["refusal"] = form.wrong
        except OverLimit as error:
            context |= {"refusal": error.page_message(), "is_limited": True}
            limited = error
        except (NotPermitted, RequestError) as error:
            context["refusal"] = error.page_message()
        response = TemplateResponse(self._request, "exports/choose/_preview.html", context)
        return over_limit(response, limited) if limited else response

    def _page(self, form: ChoiceForm, *, status: int = 200, **more: Any) -> HttpResponse:
        what, phrases = "", []
        try:
            what, phrases = self.in_words(), self._phrases
        except InvalidSelection as unreadable:
            status = 422
            more["unreadable"] = unreadable.localized()
        form.fields["label"].widget.attrs["placeholder"] = what
        opts = self._admin.opts
        context = {
            **self._admin.admin_site.each_context(self._request),
            "opts": opts,
            "title": _("Export %(name)s") % {"name": opts.verbose_name_plural},
            "form": form,
            "what": opts,
            "in_words": capfirst(what),
            "phrases": phrases,
            "is_sorted": bool(phrases and self._order),
            "is_scoped": has_own_scope(self._exporter),
            "keys": self.keys,
            "key_name": ACTION_CHECKBOX_NAME,
            "export_url": self.url("export"),
            "preview_url": self.url("export_preview"),
            "list_url": self.url("changelist"),
            **more,
        }
        self._request.current_app = self._admin.admin_site.name
        template = "exports/admin/selection.html"
        return TemplateResponse(self._request, template, context, status=status)

    def url(self, view: str) -> str:
        """That of a view of the list, with what narrows it."""
        opts = self._admin.opts
        name = f"admin:{opts.app_label}_{opts.model_name}_{view}"
        url = reverse(name, current_app=self._admin.admin_site.name)
        carried = filters_of(self._request, and_order=True)
        return f"{url}?{carried}" if carried else url


def filters_of(request: HttpRequest, *, and_order: bool = False) -> str:
    """The part of the list's query string that says which rows are in it, and in what order."""
    params = request.GET.copy()
    for name in NOT_FILTERS:
        params.pop(name, None)
    if not and_order:
        params.pop(ORDER_VAR, None)
    return params.urlencode()
