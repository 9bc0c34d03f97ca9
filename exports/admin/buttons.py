"""The buttons on the page of an export. Each is a POST that calls a function of `lifecycle`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from exports import lifecycle
from exports.access import may_change
from exports.exceptions import IllegalMove, LostRace, NotPermitted, OverLimit, RequestError
from exports.http import flash_if_duplicate
from exports.status import Status
from notifications.http import user_of

if TYPE_CHECKING:
    import uuid
    from collections.abc import Callable, Set

    from django.http import HttpRequest, HttpResponse
    from django.utils.functional import _StrPromise

    from exports.models import Export

REFUSALS = (IllegalMove, LostRace, NotPermitted, OverLimit, RequestError)


@dataclass(frozen=True)
class Button:
    """A button that calls `action` on an export. It is shown for exports in `statuses`."""

    name: str
    label: _StrPromise
    action: Callable[..., Any]
    statuses: Set[Status]


ACTIVE = {Status.QUEUED, Status.RUNNING}
CANCELLABLE = {Status.QUEUED, Status.RUNNING, Status.PAUSING, Status.PAUSED}
BUTTONS = (
    Button("pause", gettext_lazy("Pause"), lifecycle.pause, ACTIVE),
    Button("resume", gettext_lazy("Resume"), lifecycle.resume, {Status.PAUSED}),
    Button("cancel", gettext_lazy("Cancel export"), lifecycle.cancel, CANCELLABLE),
    Button("retry", gettext_lazy("Retry"), lifecycle.retry, {Status.FAILED, Status.CANCELLED}),
    Button("again", gettext_lazy("Run again"), lifecycle.run_again, {Status.SUCCEEDED}),
)

# The message after an action, by the new status. "Being cancelled" and "being paused" last until
# the worker that holds the export has noticed.
OUTCOMES = {
    Status.CANCELLED: gettext_lazy("The export was cancelled."),
    Status.CANCELLING: gettext_lazy("The export is being cancelled."),
    Status.PAUSED: gettext_lazy("The export was paused."),
    Status.PAUSING: gettext_lazy("The export is being paused."),
    Status.QUEUED: gettext_lazy("The export is back in the queue."),
}


class Buttons(admin.ModelAdmin):  # type: ignore[type-arg]  # Not generic when it runs.
    """Adds the buttons, for users who may change the export."""

    def buttons(self, request: HttpRequest, export: Export) -> list[tuple[str, _StrPromise]]:
        """Return the URL and the label of each button that this user may press now."""
        if not may_change(user_of(request), export):
            return []
        return [
            (self._url(button.name, export, request), button.label)
            for button in BUTTONS
            if export.status in button.statuses
        ]

    def get_urls(self) -> list[URLPattern]:
        return [*map(self._url_of, BUTTONS), *super().get_urls()]

    def _url_of(self, button: Button) -> URLPattern:
        view = self.admin_site.admin_view(partial(self._press, button))
        return path(f"<uuid:pk>/{button.name}/", view, name=f"exports_export_{button.name}")

    def _press(self, button: Button, request: HttpRequest, pk: uuid.UUID) -> HttpResponse:
        export = self.get_object(request, str(pk))
        if export is None or not self.has_view_permission(request, export):
            raise Http404(_("This export does not exist."))
        # The sign-in page redirects here with a GET, which must change nothing.
        if request.method == "POST":
            if not may_change(user_of(request), export):
                raise PermissionDenied(_("You can view this export but not change it."))
            export = self._act(button, request, export)
        return HttpResponseRedirect(self._url("change", export, request))

    def _act(self, button: Button, request: HttpRequest, export: Export) -> Export:
        """Call the action and report its outcome. Return the export to show, perhaps a new one."""
        try:
            started = button.action(export, by=user_of(request))
        except REFUSALS as error:
            self.message_user(request, error.page_message(), messages.ERROR)
            return export
        if started is None:
            self.message_user(request, str(OUTCOMES[Status(export.status)]), messages.SUCCESS)
            return export
        new, created = started
        if created:
            text = _("This is the new export. It belongs to the owner of the original.")
            self.message_user(request, text, messages.SUCCESS)
        return flash_if_duplicate(request, new, created)

    def _url(self, view: str, export: Export, request: HttpRequest) -> str:
        name, site = f"admin:exports_export_{view}", self.admin_site.name
        # The query string has the filters of the list from which the page was opened.
        return reverse(name, args=[export.pk], current_app=site, query=request.GET)
