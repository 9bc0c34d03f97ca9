"""The pages of exports. What they do is `lifecycle`'s; what they say is in the templates.

A page reads its streams' cursors before the state that it renders, and its script
subscribes from them: nothing falls between the page and the socket.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.contrib.auth.mixins import LoginRequiredMixin
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import Http404
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.utils.decorators import method_decorator
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views import View
from django.views.decorators.http import require_safe

from exports import lifecycle
from exports.access import listed, may_change, own_and_shared, visible_to
from exports.exceptions import IllegalMove, NotPermitted, OverLimit, RequestError
from exports.files.download import NoFile, file_response
from exports.forms.start import StartForm
from exports.http import at_its_card, over_limit, private, told_if_under_way
from exports.log import read
from exports.log.read import last_lines
from exports.serialize import queue_positions, reload
from exports.spec import context, presets
from exports.spec.rights import check_download
from exports.status import FINAL
from notifications.http import SeeOther, user_of
from notifications.streams import current_cursor
from notifications.streams.access import team_stream, teams_of, user_stream
from notifications.streams.backlog import heads
from notifications.streams.cursor import Cursor

if TYPE_CHECKING:
    import uuid
    from collections.abc import Callable, Sequence

    from django.contrib.auth.models import Group
    from django.http import HttpRequest, HttpResponse
    from django.http.response import HttpResponseBase

    from exports.models import Export

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
                asked = lifecycle.request_once(
                    user=user_of(request), context=context.kept(request), **form.asked
                )
            except RequestError as error:
                form.refuse(error)
            except OverLimit as error:
                form.refuse(error)
                return over_limit(self._render(request, form, teams), error)
            except NotPermitted as error:
                raise PermissionDenied(str(error)) from error
            else:
                return SeeOther(at_its_card(told_if_under_way(request, *asked).key))
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
            "presets": presets.listed(presets.named(user)),
        }
        return render(request, "exports/dashboard.html", shown, status=status)


@login_required
@require_safe
@private
def detail(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """One export: where it stands, its file and its log."""
    export = _visible(request, pk)
    streams = {export.stream: current_cursor(export.stream)}
    reload(export)
    shown = {
        "streams": streams,
        "made_at": timezone.now(),
        "export": export,
        "log": read.tail(export, upto=Cursor.parse(streams[export.stream])),
    }
    return render(request, "exports/export/detail.html", shown)


@login_required
@require_safe
@private
def card(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
    """One export as the fragment of a page, for the page's script."""
    shown = {"export": _visible(request, pk), "is_sheet": "sheet" in request.GET}
    return render(request, "exports/export/card.html", shown)


@login_required
@require_safe
@private
def log_text(request: HttpRequest, pk: uuid.UUID) -> HttpResponseBase:
    """The whole log as a file of text, for who may see the export."""
    return read.text_response(request, _visible(request, pk))


@login_required
@require_safe
def file(request: HttpRequest, pk: uuid.UUID) -> HttpResponseBase:
    """The file, for who may still run the exporter."""
    export = _visible(request, pk)
    try:
        check_download(user_of(request), export)
        return file_response(request, export)
    except NotPermitted as error:
        raise PermissionDenied(str(error)) from error
    except RequestError as error:  # The exporter is not offered any more.
        raise Http404(str(error)) from error
    except NoFile as error:
        context = {"export": export, "reason": str(error)}
        return render(request, "exports/export/no_file.html", context, status=error.status)


def _button(
    press: Callable[[HttpRequest, Export], str],
) -> Callable[[HttpRequest, uuid.UUID], HttpResponse]:
    """A view that does one thing to an export, and leads to where `press` says."""

    @login_required
    def view(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
        export = _visible(request, pk)
        if request.method != "POST":
            # Signing in leads back here with a GET.
            return SeeOther(export.get_absolute_url())
        if not may_change(user_of(request), export):
            raise PermissionDenied(_("You may look at this export, and not change it."))
        try:
            return SeeOther(press(request, export))
        except NotPermitted as error:
            raise PermissionDenied(str(error)) from error
        except (IllegalMove, OverLimit, RequestError) as error:
            messages.error(request, error.in_words)
            return SeeOther(_next(request, export))

    return view


def _moves(move: Callable[..., None]) -> Callable[[HttpRequest, Export], str]:
    """What `lifecycle` does to an export. It leads back to where the button was."""

    def press(request: HttpRequest, export: Export) -> str:
        move(export, by=user_of(request))
        return _next(request, export)

    return press


def _repeats(repeat: Callable[..., tuple[Export, bool]]) -> Callable[[HttpRequest, Export], str]:
    """A new export of the same. It leads to that: its page from a page, its card from a card."""

    def press(request: HttpRequest, export: Export) -> str:
        new = told_if_under_way(request, *repeat(export, by=user_of(request)))
        return new.get_absolute_url() if "next" in request.POST else at_its_card(new.key)

    return press


cancel = _button(_moves(lifecycle.cancel))
pause = _button(_moves(lifecycle.pause))
resume = _button(_moves(lifecycle.resume))
retry = _button(_repeats(lifecycle.retry))
again = _button(_repeats(lifecycle.run_again))


def _next(request: HttpRequest, export: Export) -> str:
    """The page that the form names, if it is one of ours; else the dashboard, at its card."""
    url = request.POST.get("next", "")
    secure = request.is_secure()
    if url_has_allowed_host_and_scheme(url, {request.get_host()}, require_https=secure):
        return url
    return at_its_card(export.key)


def _visible(request: HttpRequest, pk: uuid.UUID) -> Export:
    return get_object_or_404(visible_to(user_of(request)), pk=pk)


def _cursors(streams: Sequence[str]) -> dict[str, str]:
    """Where these streams stand, in one query; a stream that is new is made for the page."""
    found = heads(streams)
    return {name: str(found.get(name) or current_cursor(name)) for name in streams}
