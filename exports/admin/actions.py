"""The actions of the list of exports. Each calls a function of `lifecycle`."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from django.contrib import admin, messages
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext, ngettext_lazy

from exports import lifecycle
from exports.admin.buttons import REFUSALS
from exports.status import Status

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.contrib.auth.models import User
    from django.db.models import QuerySet
    from django.http import HttpRequest
    from django.utils.functional import _StrPromise

    from exports.models import Export


class Actions(admin.ModelAdmin):  # type: ignore[type-arg]  # Not generic when it runs.
    def has_control_permission(self, request: HttpRequest) -> bool:
        """Whether the user may stop and resume the exports of other users."""
        return request.user.has_perm("exports.change_export")

    @admin.action(
        description=_("Cancel (queued, running and paused only)"), permissions=["control"]
    )
    def cancel(self, request: HttpRequest, queryset: QuerySet[Export]) -> None:
        done = ngettext_lazy("Cancelling %d export.", "Cancelling %d exports.")
        self._each(request, queryset, lifecycle.cancel, done)

    @admin.action(description=_("Pause (queued and running only)"), permissions=["control"])
    def pause(self, request: HttpRequest, queryset: QuerySet[Export]) -> None:
        done = ngettext_lazy("Pausing %d export.", "Pausing %d exports.")
        self._each(request, queryset, lifecycle.pause, done)

    @admin.action(description=_("Resume (paused only)"), permissions=["control"])
    def resume(self, request: HttpRequest, queryset: QuerySet[Export]) -> None:
        done = ngettext_lazy("%d export is back in the queue.", "%d exports are back in the queue.")
        self._each(request, queryset, lifecycle.resume, done)

    @admin.action(
        description=_("Run again (failed, cancelled and finished)"), permissions=["control"]
    )
    def run_again(self, request: HttpRequest, queryset: QuerySet[Export]) -> None:
        done = ngettext_lazy("Started %d export again.", "Started %d exports again.")
        self._each(request, queryset, _run_again, done)

    def _each(
        self,
        request: HttpRequest,
        queryset: QuerySet[Export],
        action: Callable[..., Any],
        done: _StrPromise,
    ) -> None:
        """Call `action` on each export. Report how many were changed, and why others were not."""
        changed, refused = 0, Counter[str]()
        for export in queryset:
            try:
                action(export, by=request.user)
            except REFUSALS as error:
                refused[error.page_message()] += 1
            else:
                changed += 1
        if changed:
            self.message_user(request, done % changed, messages.SUCCESS)
        for reason, count in refused.items():
            was_not = ngettext("%d export was not changed", "%d exports were not changed", count)
            self.message_user(request, f"{was_not % count}: {reason}", messages.WARNING)


def _run_again(export: Export, *, by: User) -> None:
    succeeded = export.status == Status.SUCCEEDED
    (lifecycle.run_again if succeeded else lifecycle.retry)(export, by=by)
