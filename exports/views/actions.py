"""The buttons of an export. Each is a POST that calls a function of `lifecycle`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.contrib.auth.mixins import LoginRequiredMixin
from django.core.exceptions import PermissionDenied
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views import View

from exports import lifecycle
from exports.access import may_change
from exports.exceptions import IllegalMove, NotPermitted, OverLimit, RequestError
from exports.http import card_url, flash_if_duplicate
from exports.views.export import visible_or_404
from notifications.http import SeeOther, user_of

if TYPE_CHECKING:
    import uuid

    from django.http import HttpRequest

    from exports.models import Export


class ExportAction(LoginRequiredMixin, View):
    """Call `action` on an export. Then redirect back, or to the new export if it started one."""

    http_method_names = ["get", "head", "post"]
    action: Any = None  # A function of `lifecycle`. Each URL sets its own.

    def get(self, request: HttpRequest, pk: uuid.UUID) -> SeeOther:
        # The sign-in page redirects here with a GET, which must change nothing.
        return SeeOther(visible_or_404(request, pk).get_absolute_url())

    def post(self, request: HttpRequest, pk: uuid.UUID) -> SeeOther:
        export = visible_or_404(request, pk)
        if not may_change(user_of(request), export):
            raise PermissionDenied(_("You can view this export but not change it."))
        try:
            started = self.action(export, by=user_of(request))
        except NotPermitted as error:
            raise PermissionDenied(error.localized()) from error
        except (IllegalMove, OverLimit, RequestError) as error:
            messages.error(request, error.page_message())
            started = None
        if started is None:
            return SeeOther(_next_url(request, export))
        new = flash_if_duplicate(request, *started)
        # Only the buttons on the page of an export send `next`.
        return SeeOther(new.get_absolute_url() if "next" in request.POST else card_url(new))


cancel = ExportAction.as_view(action=lifecycle.cancel)
pause = ExportAction.as_view(action=lifecycle.pause)
resume = ExportAction.as_view(action=lifecycle.resume)
retry = ExportAction.as_view(action=lifecycle.retry)
again = ExportAction.as_view(action=lifecycle.run_again)


def _next_url(request: HttpRequest, export: Export) -> str:
    """Return the URL in `next` if it belongs to this site, otherwise the URL of the card."""
    url = request.POST.get("next", "")
    hosts, is_secure = {request.get_host()}, request.is_secure()
    if url_has_allowed_host_and_scheme(url, hosts, require_https=is_secure):
        return url
    return card_url(export)
