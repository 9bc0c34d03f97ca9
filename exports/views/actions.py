"""The buttons of an export: a POST each, and through `lifecycle`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _

from exports import lifecycle
from exports.access import may_change
from exports.exceptions import IllegalMove, NotPermitted, OverLimit, RequestError
from exports.http import card_url, flash_if_duplicate
from exports.views.export import visible
from notifications.http import SeeOther, user_of

if TYPE_CHECKING:
    import uuid
    from collections.abc import Callable

    from django.http import HttpRequest, HttpResponse

    from exports.models import Export


def _button(
    press: Callable[[HttpRequest, Export], str],
) -> Callable[[HttpRequest, uuid.UUID], HttpResponse]:
    """A view that does one thing to an export, and leads to where `press` says."""

    @login_required
    def view(request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
        export = visible(request, pk)
        if request.method != "POST":
            # Signing in leads back here with a GET.
            return SeeOther(export.get_absolute_url())
        if not may_change(user_of(request), export):
            raise PermissionDenied(_("You can view this export but not change it."))
        try:
            return SeeOther(press(request, export))
        except NotPermitted as error:
            raise PermissionDenied(error.localized()) from error
        except (IllegalMove, OverLimit, RequestError) as error:
            messages.error(request, error.page_message())
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
        new = flash_if_duplicate(request, *repeat(export, by=user_of(request)))
        return new.get_absolute_url() if "next" in request.POST else card_url(new.key)

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
    return card_url(export.key)
