"""The dashboard: a form to start an export, the active exports, and the finished ones."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from django.contrib.auth.mixins import LoginRequiredMixin
from django.core.paginator import Paginator
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.views import View

from exports import lifecycle
from exports.access import listed, own_and_shared
from exports.forms.start import StartForm
from exports.http import card_url, flash_if_duplicate, private
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
    from django.contrib.auth.models import Group
    from django.http import HttpRequest, HttpResponse


PAGE_SIZE = 25


@method_decorator(private, name="dispatch")
class Dashboard(LoginRequiredMixin, View):
    http_method_names = ["get", "head", "post"]

    def get(self, request: HttpRequest) -> HttpResponse:
        teams = list(teams_of(user_of(request)))
        return self._page(request, teams, StartForm(user=request.user, teams=teams))

    def post(self, request: HttpRequest) -> HttpResponse:
        teams = list(teams_of(user_of(request)))
        form = StartForm(request.POST, user=request.user, teams=teams)
        exporter = request.POST.get("exporter")
        # An exporter that is not offered has no choose page. `_start` refuses it with a message.
        if "choose" in request.POST and exporter in {each.name for each in form.exporters}:
            return SeeOther(reverse("exports:choose", args=[exporter], query=form.chosen))
        return form.handle(partial(self._start, request, form), partial(self._page, request, teams))

    def _start(self, request: HttpRequest, form: StartForm) -> HttpResponse:
        spec = build_spec(user_of(request), context=context.capture(request), **form.spec_fields)
        export = flash_if_duplicate(request, *lifecycle.start(spec))
        return SeeOther(card_url(export))

    def _page(
        self, request: HttpRequest, teams: list[Group], form: StartForm, *, status: int = 200
    ) -> HttpResponse:
        user = user_of(request)
        names = [user_stream(user), *(team_stream(team.pk) for team in teams)]
        cursors = heads(names)
        # `current_cursor` creates a stream that does not exist yet.
        streams = {name: str(cursors.get(name) or current_cursor(name)) for name in names}
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
