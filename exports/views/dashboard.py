"""The dashboard: start an export; see those that are under way, and those that were."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib.auth.mixins import LoginRequiredMixin
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.views import View

from exports import lifecycle
from exports.access import listed, own_and_shared
from exports.exceptions import NotPermitted, OverLimit, RequestError
from exports.forms.start import StartForm
from exports.http import card_url, flash_if_duplicate, over_limit, private
from exports.log.read import last_lines
from exports.serialize import queue_positions
from exports.spec import context, presets
from exports.spec.spec import build_spec
from exports.status import FINAL
from notifications.http import SeeOther, user_of
from notifications.streams import current_cursor
from notifications.streams.access import team_stream, teams_of, user_stream
from notifications.streams.backlog import heads

if TYPE_CHECKING:
    from collections.abc import Sequence

    from django.contrib.auth.models import Group
    from django.http import HttpRequest, HttpResponse


PAGE_SIZE = 25


@method_decorator(private, name="dispatch")
class Dashboard(LoginRequiredMixin, View):
    """Start an export; see those that are under way, and those that were."""

    http_method_names = ["get", "head", "post"]

    def get(self, request: HttpRequest) -> HttpResponse:
        teams = list(teams_of(user_of(request)))
        return self._render(request, StartForm(user=request.user, teams=teams), teams)

    def post(self, request: HttpRequest) -> HttpResponse:
        teams = list(teams_of(user_of(request)))
        form = StartForm(request.POST, user=request.user, teams=teams)
        exporter = request.POST.get("exporter")
        # One that is not offered is refused below, in words.
        if "choose" in request.POST and exporter in {each.name for each in form.exporters}:
            return SeeOther(f"{reverse('exports:choose', args=[exporter])}?{form.carried}")
        if form.is_valid():
            try:
                user, kept = user_of(request), context.capture(request)
                started = lifecycle.start(build_spec(user, context=kept, **form.spec_fields))
            except RequestError as error:
                form.refuse(error)
            except OverLimit as error:
                form.refuse(error)
                return over_limit(self._render(request, form, teams), error)
            except NotPermitted as error:
                raise PermissionDenied(error.localized()) from error
            else:
                return SeeOther(card_url(flash_if_duplicate(request, *started)))
        return self._render(request, form, teams, status=422)

    def _render(
        self, request: HttpRequest, form: StartForm, teams: list[Group], *, status: int = 200
    ) -> HttpResponse:
        user = user_of(request)
        streams = _cursors([user_stream(user), *(team_stream(team.pk) for team in teams)])
        visible = listed(own_and_shared(user, teams))
        finished = visible.filter(status__in=FINAL).order_by("-finished_at", "-created_at")
        history = Paginator(finished, PAGE_SIZE)
        page = history.get_page(request.GET.get("page"))
        active = list(visible.exclude(status__in=FINAL))
        shown = {
            "streams": streams,
            "made_at": timezone.now(),
            "form": form,
            "active": active,
            "positions": queue_positions(active),
            "last_lines": last_lines(page),
            "history": page,
            "presets": presets.without_params(presets.saved(user)),
        }
        return render(request, "exports/dashboard.html", shown, status=status)


def _cursors(streams: Sequence[str]) -> dict[str, str]:
    """Where these streams stand, in one query; a stream that is new is made for the page."""
    found = heads(streams)
    return {name: str(found.get(name) or current_cursor(name)) for name in streams}
