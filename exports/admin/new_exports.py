"""New exports since an admin list was loaded. The list's script polls for them.

No stream has the exports of all users, because few lists are open at a time. The script compares
ids, so the clocks of the hosts do not matter.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import JsonResponse
from django.urls import URLPattern, path, reverse

from exports.exceptions import InvalidSelection
from exports.spec import changelist

if TYPE_CHECKING:
    from django.contrib.admin.views.main import ChangeList
    from django.db.models import QuerySet
    from django.http import HttpRequest

    from exports.models import Export

# An export gets its time before its transaction commits. So it may appear after a newer one, but
# not later than this.
COMMITTED = timedelta(seconds=60)
MAX_IDS = 1_000  # Beyond this, the exact number of new exports does not matter.


def ids(shown: QuerySet[Export], since: int) -> list[str]:
    """Return the ids of the exports in a list that were created since a Unix time."""
    new = shown.filter(created_at__gte=datetime.fromtimestamp(since, UTC)).order_by()
    return [str(pk) for pk in new.values_list("pk", flat=True)[:MAX_IDS]]


def polling(shown: ChangeList, request: HttpRequest) -> dict[str, Any]:
    """Return the URL that the script of a list polls, and the ids that the list has."""
    newest = shown.queryset.order_by("-created_at").values_list("created_at", flat=True).first()
    moment = 0 if newest is None else int((newest - COMMITTED).timestamp())
    site = shown.model_admin.admin_site.name
    name = "admin:exports_export_news"
    url = reverse(name, args=[moment], current_app=site, query=request.GET)
    return {"url": url, "seen": ids(shown.queryset, moment)}


class News(admin.ModelAdmin):  # type: ignore[type-arg]  # Not generic when it runs.
    """Adds the URL that the script polls."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.news)
        own = path("news/<int:since>/", view, name="exports_export_news")
        return [own, *super().get_urls()]

    def news(self, request: HttpRequest, since: int) -> JsonResponse:
        """Return the ids of new exports, with the filters and the search of the list."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        try:
            found = ids(changelist.changelist_without_count(self, request).queryset, since)
        except (InvalidSelection, OverflowError, ValueError, OSError):
            found = []  # The filters or the time in the URL are invalid.
        return JsonResponse({"ids": found})
