"""The buttons of a preset: run it or delete it."""

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
    from django.http import HttpRequest

    from exports.models import Preset


@login_required
def run_preset(request: HttpRequest, pk: int) -> SeeOther:
    # The sign-in page redirects here with a GET, which must change nothing.
    if request.method == "POST":
        preset = _own(request, pk)
        try:
            fields = presets.spec_fields(preset)
            spec = build_spec(user_of(request), context=context.capture(request), **fields)
            export = flash_if_duplicate(request, *lifecycle.start(spec))
        except (NotPermitted, OverLimit, RequestError) as error:
            problem = presets.team_problem(preset) if isinstance(error, UnknownTeam) else ""
            messages.error(request, f"{preset.name}: {problem or error.page_message()}")
        else:
            return SeeOther(card_url(export))
    return SeeOther(reverse("exports:dashboard"))


@login_required
def delete_preset(request: HttpRequest, pk: int) -> SeeOther:
    """Delete a preset. The exports that it has started stay."""
    if request.method == "POST":
        preset = _own(request, pk)
        preset.delete()
        messages.success(request, _("Deleted “%(name)s”.") % {"name": preset.name})
    return SeeOther(reverse("exports:dashboard"))


def _own(request: HttpRequest, pk: int) -> Preset:
    return get_object_or_404(presets.saved(user_of(request)), pk=pk)
