"""The page on which an export is chosen: columns, filters, format; what it would give; presets.

It works without scripts: each button is a submit button, and the page comes back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.mixins import LoginRequiredMixin
from django.core.exceptions import PermissionDenied
from django.http import Http404
from django.shortcuts import get_object_or_404, render
from django.utils.decorators import method_decorator
from django.utils.translation import gettext as _
from django.views import View
from django.views.decorators.http import require_POST

from exports import lifecycle
from exports.exceptions import NotPermitted, OverLimit, RequestError
from exports.exporters import registry
from exports.forms.choice import ChoiceForm
from exports.http import card_url, flash_if_duplicate, over_limit, private
from exports.spec import describe, presets
from exports.spec.preview import preview
from exports.spec.spec import build_spec
from notifications.http import SeeOther, user_of
from notifications.streams.access import teams_of

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from django.http import HttpRequest, HttpResponse

    from exports.exporters import Exporter
    from exports.models import Preset


# Of the number of a preset. What has more is none, and int() refuses thousands.
MOST_DIGITS = 19


@method_decorator(private, name="dispatch")
class Choose(LoginRequiredMixin, View):
    """All that can be chosen for an exporter, as it was chosen the last time."""

    http_method_names = ["get", "head", "post"]

    def get(self, request: HttpRequest, name: str) -> HttpResponse:
        exporter = _permitted(request, name)
        preset = _preset(request, exporter)
        form = ChoiceForm(exporter, request, preset=preset, teams=_teams(request))
        form.start_with(request.GET)
        if preset and (lost := presets.lost_team(preset)):
            messages.warning(request, lost)
        return _page(request, form, preset=preset)

    def post(self, request: HttpRequest, name: str) -> HttpResponse:
        exporter = _permitted(request, name)
        form = ChoiceForm(exporter, request, request.POST, teams=_teams(request))
        if "move" in request.POST:
            form.columns.press(request.POST["move"])
            return _page(request, form)
        if form.is_valid():
            try:
                return self._do(request, form)
            except RequestError as error:
                form.refuse(error)
            except OverLimit as error:
                form.refuse(error)
                return over_limit(_page(request, form), error)
            except NotPermitted as error:
                raise PermissionDenied(error.localized()) from error
        return _page(request, form, status=422)

    def _do(self, request: HttpRequest, form: ChoiceForm) -> HttpResponse:
        user = user_of(request)
        if "look" in request.POST:
            return _page(request, form, looked=_looked(user, form))
        spec = build_spec(user, **form.spec_fields)
        if "save" in request.POST:
            preset = presets.save(spec, form.cleaned_data["preset"])
            messages.success(request, _("Saved as “%(name)s”.") % {"name": preset.name})
            return SeeOther(f"{request.path}?preset={preset.pk}")
        export, is_new = lifecycle.start(spec)
        presets.remember(spec)
        return SeeOther(card_url(flash_if_duplicate(request, export, is_new)))


@login_required
@require_POST
@private
def look(request: HttpRequest, name: str) -> HttpResponse:
    """What the choice would give, as the fragment of its page, for the page's script."""
    exporter = _permitted(request, name)
    form = ChoiceForm(exporter, request, request.POST, teams=_teams(request))
    shown: dict[str, Any] = {}
    limited: OverLimit | None = None
    try:
        if form.is_valid():
            shown = _looked(user_of(request), form)
        else:
            shown["refusal"] = form.wrong
    except OverLimit as error:
        shown |= {"refusal": error.page_message(), "is_limited": True}
        limited = error
    except (NotPermitted, RequestError) as error:
        shown["refusal"] = error.page_message()
    response = render(request, "exports/choose/_preview.html", shown)
    return over_limit(response, limited) if limited else response


def _looked(user: User, form: ChoiceForm) -> dict[str, Any]:
    spec = build_spec(user, is_preview=True, **form.spec_fields)
    filters = spec.params.get("filters") or {}
    return {
        "preview": preview(spec),
        "what": form.exporter.queryset.model._meta,
        "phrases": describe.filters(form.exporter, user, filters, spec.context),
    }


def _page(
    request: HttpRequest,
    form: ChoiceForm,
    *,
    preset: Preset | None = None,
    looked: dict[str, Any] | None = None,
    status: int = 200,
) -> HttpResponse:
    user = user_of(request)
    shown = {
        "form": form,
        "exporter": form.exporter,
        "preset": preset,
        "presets": presets.without_params(presets.saved_for(user, form.exporter.name)),
        **(looked or {}),
    }
    return render(request, "exports/choose/choose.html", shown, status=status)


def _permitted(request: HttpRequest, name: str) -> Exporter:
    try:
        return registry.offered(user_of(request), name)
    except RequestError as error:
        raise Http404(error.localized()) from error


def _preset(request: HttpRequest, exporter: Exporter) -> Preset | None:
    """The one that the address names, else the last choice; none for who starts over."""
    user = user_of(request)
    chosen = request.GET.get("preset", "")
    if chosen.isdecimal() and len(chosen) <= MOST_DIGITS:
        return get_object_or_404(presets.saved_for(user, exporter.name), pk=chosen)
    return None if "fresh" in request.GET else presets.last(user, exporter.name)


def _teams(request: HttpRequest) -> list[Any]:
    return list(teams_of(user_of(request)))
