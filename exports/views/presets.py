"""The buttons of a preset: run it or delete it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import messages
from django.contrib.auth.mixins import LoginRequiredMixin
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views import View

from exports import lifecycle
from exports.exceptions import NotPermitted, OverLimit, RequestError, UnknownTeam
from exports.http import card_url, flash_if_duplicate
from exports.spec import context, presets
from exports.spec.spec import build_spec
from notifications.http import SeeOther, user_of

if TYPE_CHECKING:
    from django.http import HttpRequest

    from exports.models import Preset


class PresetAction(LoginRequiredMixin, View):
    """Redirect to the dashboard. A subclass does something by POST before that."""

    http_method_names = ["get", "head", "post"]

    def get(self, *_: object, **__: object) -> SeeOther:
        # The sign-in page redirects here with a GET, which must change nothing.
        return SeeOther(reverse("exports:dashboard"))

    def preset(self, pk: int) -> Preset:
        return get_object_or_404(presets.saved(user_of(self.request)), pk=pk)


class RunPreset(PresetAction):
    def post(self, request: HttpRequest, pk: int) -> SeeOther:
        preset = self.preset(pk)
        try:
            kept = context.capture(request)
            spec = build_spec(user_of(request), context=kept, **presets.request(preset))
            started = lifecycle.start(spec)
        except (NotPermitted, OverLimit, RequestError) as error:
            lost = presets.lost_team(preset) if isinstance(error, UnknownTeam) else ""
            messages.error(request, f"{preset.name}: {lost or error.page_message()}")
            return self.get()
        return SeeOther(card_url(flash_if_duplicate(request, *started)))


class DeletePreset(PresetAction):
    """Delete a preset. The exports that it has started stay."""

    def post(self, request: HttpRequest, pk: int) -> SeeOther:
        preset = self.preset(pk)
        preset.delete()
        messages.success(request, _("Deleted “%(name)s”.") % {"name": preset.name})
        return self.get()
