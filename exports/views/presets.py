"""What is done with a saved choice: it is run, or forgotten."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.translation import gettext as _

from exports import lifecycle
from exports.exceptions import NotPermitted, OverLimit, RequestError, UnknownTeam
from exports.http import card_url, flash_if_duplicate
from exports.spec import context, presets
from exports.spec.spec import build_spec
from notifications.http import SeeOther, user_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest, HttpResponse

    from exports.models import Preset


def _button(
    press: Callable[[HttpRequest, Preset], str],
) -> Callable[[HttpRequest, int], HttpResponse]:
    """A view that does one thing with what was saved, and leads to where `press` says."""

    @login_required
    def view(request: HttpRequest, pk: int) -> HttpResponse:
        if request.method != "POST":
            # Signing in leads back here with a GET.
            return SeeOther(reverse("exports:dashboard"))
        return SeeOther(press(request, get_object_or_404(presets.saved(user_of(request)), pk=pk)))

    return view


def _run(request: HttpRequest, preset: Preset) -> str:
    """Ask for it."""
    try:
        user, kept = user_of(request), context.capture(request)
        started = lifecycle.start(build_spec(user, context=kept, **presets.request(preset)))
    except (NotPermitted, OverLimit, RequestError) as error:
        lost = presets.lost_team(preset) if isinstance(error, UnknownTeam) else ""
        messages.error(request, f"{preset.name}: {lost or error.page_message()}")
        return reverse("exports:dashboard")
    return card_url(flash_if_duplicate(request, *started).key)


def _delete(request: HttpRequest, preset: Preset) -> str:
    """Forget it. Exports that were made of it stay."""
    preset.delete()
    messages.success(request, _("Deleted “%(name)s”.") % {"name": preset.name})
    return reverse("exports:dashboard")


run_preset = _button(_run)
delete_preset = _button(_delete)
