"""Exports that somebody has asked for since a list was made: its script asks who they are.

No stream tells of everybody's exports, and nobody needs one: a list of them is open here and
there, and says that there are new ones. Which they are is found without trusting any clock.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.core.exceptions import PermissionDenied
from django.http import JsonResponse
from django.urls import URLPattern, path, reverse

from exports.exceptions import InvalidSelection
from exports.spec import changelist

if TYPE_CHECKING:
    from django.contrib import admin
    from django.contrib.admin.views.main import ChangeList
    from django.db.models import QuerySet
    from django.http import HttpRequest

    from exports.models import Export

    Base = admin.ModelAdmin[Export]
else:
    Base = object

# An export has the time at which it was saved, and is seen when that is committed. Of those
# that are older than the newest one by more than this, none will appear any more.
COMMITTED = timedelta(seconds=60)
MOST = 1_000  # ids; who has missed more need not know how many


def since(shown: QuerySet[Export]) -> int:
    """From when on a list of `shown` may not have seen all, in seconds since 1970."""
    newest = shown.order_by("-created_at").values_list("created_at", flat=True).first()
    return 0 if newest is None else int((newest - COMMITTED).timestamp())


def ids(shown: QuerySet[Export], since: int) -> list[str]:
    """The exports of a list that were saved since then."""
    new = shown.filter(created_at__gte=datetime.fromtimestamp(since, UTC)).order_by()
    return [str(pk) for pk in new.values_list("pk", flat=True)[:MOST]]


def of(shown: ChangeList, request: HttpRequest) -> dict[str, Any]:
    """For the script of a list: where to ask, and what it has seen."""
    moment = since(shown.queryset)
    site = shown.model_admin.admin_site.name
    url = reverse("admin:exports_export_news", args=[moment], current_app=site)
    query = request.GET.urlencode()
    return {
        "url": f"{url}?{query}" if query else url,
        "seen": ids(shown.queryset, moment),
    }


class News(Base):
    """What the script asks, with the filters and the search of its list."""

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.news)
        own = path("news/<int:since>/", view, name="exports_export_news")
        return [own, *super().get_urls()]

    def news(self, request: HttpRequest, since: int) -> JsonResponse:
        """The ids of the list's exports that were saved since then."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        try:
            found = ids(changelist.changelist_without_count(self, request).queryset, since)
        except (InvalidSelection, OverflowError, ValueError, OSError):
            found = []  # No list that can be read, or no time that is one.
        return JsonResponse({"ids": found})
