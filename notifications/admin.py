"""Streams, inboxes, tokens and the audit trail in the admin. Nearly all of it is read-only.

A token can be deleted, which revokes it. Everything else is written only by code.
"""

from __future__ import annotations

import json
from functools import cached_property
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlencode

from django.contrib import admin
from django.contrib.auth import get_user_model
from django.core.paginator import Paginator
from django.db.models import Q
from django.template.defaultfilters import truncatechars
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import number_format
from django.utils.functional import lazy
from django.utils.html import format_html
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from notifications.api import tokens
from notifications.models import AuditEntry, Event, Inbox, Retained, Stream, Token

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest
    from django.utils.functional import _StrPromise
    from django.utils.safestring import SafeString

MAX_SEARCHED = 20_000  # A search without an index reads this many of the newest events or entries.
MAX_SHOWN = 120  # Characters of the data in a list.
MAX_COUNTED = 10_000  # The list of the audit trail counts this many entries. Others have no page.
MAX_ACTORS = 50  # Actors that the filter offers.

# In the language of the page: 20,000 or 20.000.
SEARCHED_TEXT = lazy(lambda: number_format(MAX_SEARCHED, force_grouping=True), str)()


class CascadeOnlyAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # Not generic at run time.
    """For rows that are deleted only together with their user, and not on their own pages.

    When an administrator deletes a user, the admin checks the delete permission of each related
    row.
    """

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        page = request.resolver_match
        own_pages = f"{self.opts.app_label}_{self.opts.model_name}_"
        if obj is None or page is None or (page.url_name or "").startswith(own_pages):
            return False
        return admin.ModelAdmin.has_delete_permission(self, request, obj)


class MachineOwnedAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # Not generic at run time.
    """For rows that only code writes: they are read-only in the admin."""

    show_full_result_count = False  # It would count the whole table on every page.

    def has_add_permission(self, *_: Any, **__: Any) -> bool:
        return False

    def has_change_permission(self, *_: Any, **__: Any) -> bool:
        return False

    def has_delete_permission(self, *_: Any, **__: Any) -> bool:
        return False


def as_json(value: Any) -> SafeString:
    """Return a JSON value as indented text in HTML."""
    return format_html("<pre>{}</pre>", json.dumps(value, indent=2, ensure_ascii=False))


@admin.register(Stream)
class StreamAdmin(MachineOwnedAdmin):
    list_display = ["name", "head", "revision", "floor", "epoch", "events", "values"]
    search_fields = ["name"]
    search_help_text = _("Search by name or part of a name (user-42, export-…).")
    ordering = ["-pk"]

    @admin.display(description=_("events"))
    def events(self, stream: Stream) -> SafeString:
        return _link_to(stream, Event, _("Events"))

    @admin.display(description=_("retained values"))
    def values(self, stream: Stream) -> SafeString:
        return _link_to(stream, Retained, _("Retained values"))


def _link_to(stream: Stream, model: type[Event | Retained], text: _StrPromise) -> SafeString:
    """Return a link to the list of `model`, filtered by `stream`."""
    url = reverse(f"admin:notifications_{model._meta.model_name}_changelist")
    return format_html('<a href="{}?{}">{}</a>', url, urlencode({"q": stream.name}), text)


@admin.register(Event)
class EventAdmin(MachineOwnedAdmin):
    list_display = ["stream", "offset", "type", "at", "beginning"]
    list_display_links = ["offset"]
    list_select_related = ["stream"]
    search_fields = ["stream__name", "type"]  # `get_search_results` also searches the data.
    search_help_text = format_lazy(
        _(
            "Search by stream (user-42, export-…), type (export.succeeded, log) or text. "
            "A full stream name searches all events of that stream; anything else "
            "searches the newest {count} events."
        ),
        count=SEARCHED_TEXT,
    )
    ordering = ["-pk"]
    fields = ["stream", "offset", "type", "at", "contents"]
    readonly_fields = ["contents"]

    def get_search_results(
        self,
        request: HttpRequest,  # noqa: ARG002 - Django's signature
        queryset: QuerySet[Event],
        search_term: str,
    ) -> tuple[QuerySet[Event], bool]:
        """Find each word in the name of the stream, the type or the data.

        No index helps to search the data. So the search reads only the data of the streams that the
        term names in full, or else of the newest events.
        """
        words = search_term.split()
        named = Stream.objects.filter(name__in=words)
        streams = set(named.values_list("name", flat=True))
        searched = Q()
        if streams:
            queryset = queryset.filter(stream__in=named.values("pk"))
        elif words:
            newest = Event.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
            searched = Q(pk__gt=newest - MAX_SEARCHED)
        for word in words:
            if word not in streams:
                in_data = Q(data__icontains=word) | Q(data__icontains=_escaped(word))
                in_name = Q(stream__name__icontains=word) | Q(type__icontains=word)
                queryset = queryset.filter(in_name | searched & in_data)
        return queryset, False

    @admin.display(description=_("data"))
    def beginning(self, event: Event) -> str:
        """Return the message of a log line, or the beginning of the JSON of other data."""
        message = event.data.get("message") if isinstance(event.data, dict) else None
        text = message if isinstance(message, str) else json.dumps(event.data, ensure_ascii=False)
        return truncatechars(text, MAX_SHOWN)

    @admin.display(description=_("data"))
    def contents(self, event: Event) -> SafeString:
        return as_json(event.data)


def _escaped(word: str) -> str:
    """Return `word` as JSON escapes it. SQLite stores JSON as text with only ASCII characters."""
    return json.dumps(word)[1:-1]


@admin.register(Retained)
class RetainedAdmin(MachineOwnedAdmin):
    list_display = ["stream", "key", "revision", "at"]
    list_display_links = ["key"]
    list_select_related = ["stream"]
    search_fields = ["stream__name", "key"]
    search_help_text = _("Search by stream (user-42, export-…) or key.")
    ordering = ["-at"]
    fields = ["stream", "key", "revision", "at", "contents"]
    readonly_fields = ["contents"]

    @admin.display(description=_("data"))
    def contents(self, retained: Retained) -> SafeString:
        return as_json(retained.data)


@admin.register(Inbox)
class InboxAdmin(CascadeOnlyAdmin, MachineOwnedAdmin):
    # An inbox cannot be deleted alone, because the new row that replaces it would cause all
    # notifications of the last day to be mailed again.
    list_display = ["user", "read_offset", "mailed_offset", "email", "mail_after"]
    list_filter = ["email"]
    list_select_related = ["user"]
    search_fields = [f"user__{get_user_model().USERNAME_FIELD}"]
    ordering = ["-pk"]


@admin.register(Token)
class TokenAdmin(MachineOwnedAdmin):
    """Tokens. Deleting a token revokes it. `manage.py create_token` creates one and prints it."""

    list_display = [
        "note_or_number",
        "user",
        "scope",
        "is_valid",
        "created_at",
        "expires_at",
        "last_used_at",
    ]
    list_filter = ["scope"]
    list_select_related = ["user"]
    search_fields = ["note", f"user__{get_user_model().USERNAME_FIELD}"]
    ordering = ["-created_at"]
    # The digests must not be shown.
    fields = ["user", "note", "scope", "is_valid", "created_at", "expires_at", "last_used_at"]
    readonly_fields = ["is_valid"]

    @admin.display(description=_("token"), ordering="note")
    def note_or_number(self, token: Token) -> str:
        return str(token)

    @admin.display(description=_("valid"), boolean=True)
    def is_valid(self, token: Token) -> bool:
        return token.expires_at > timezone.now() and tokens.is_alive(token)

    def has_delete_permission(self, request: HttpRequest, obj: Token | None = None) -> bool:
        return admin.ModelAdmin.has_delete_permission(self, request, obj)


class BoundedPaginator(Paginator):  # type: ignore[type-arg]  # Not generic at run time.
    """Counts at most MAX_COUNTED rows. Further rows have no pages."""

    @cached_property
    def count(self) -> int:
        rows = cast("QuerySet[Any]", self.object_list)
        return rows.order_by().values("pk")[:MAX_COUNTED].count()


def _newest() -> QuerySet[AuditEntry]:
    """Return the newest entries. They are few enough to search without an index."""
    last = AuditEntry.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
    return AuditEntry.objects.filter(pk__gt=last - MAX_SEARCHED)


class ActorFilter(admin.SimpleListFilter):
    """Offers the actors of the newest entries. The search finds other actors by their full name."""

    title = _("actor")
    parameter_name = "actor"

    def lookups(self, *_: Any) -> list[tuple[str, str]]:
        names = _newest().exclude(actor_name="").order_by("actor_name")
        found = list(names.values_list("actor_name", flat=True).distinct()[:MAX_ACTORS])
        return [(name, name) for name in found]

    def queryset(
        self,
        request: HttpRequest,  # noqa: ARG002 - Django's signature
        queryset: QuerySet[AuditEntry],
    ) -> QuerySet[AuditEntry]:
        name = self.value()
        return queryset if name is None else queryset.filter(actor_name=name)


@admin.register(AuditEntry)
class AuditEntryAdmin(MachineOwnedAdmin):
    """The audit trail, for users with the permission to view it. Nobody may change it."""

    list_display = [
        "at",
        "action",
        "actor_name",
        "owner_name",
        "object_name",
        "address",
        "interface",
        "beginning",
    ]
    list_filter = ["action", "interface", ActorFilter, "at"]
    list_per_page = 50
    paginator = BoundedPaginator
    show_facets = admin.ShowFacets.NEVER  # Each facet would count all entries.
    search_fields = ["actor_name", "object_key", "address"]  # See `get_search_results`.
    search_help_text = format_lazy(
        _(
            "Search by full actor name, object key or address. Parts of a name, an "
            "object or a user agent are found in the newest {count} entries only."
        ),
        count=SEARCHED_TEXT,
    )
    ordering = ["-pk"]
    sortable_by = ()  # Other orders would sort the whole table.
    fields = [
        "at",
        "action",
        "actor_name",
        "actor_key",
        "owner_name",
        "owner_key",
        "object_kind",
        "object_key",
        "object_label",
        "address",
        "user_agent",
        "interface",
        "contents",
    ]
    readonly_fields = ["at", "contents"]

    def get_search_results(
        self,
        request: HttpRequest,  # noqa: ARG002 - Django's signature
        queryset: QuerySet[AuditEntry],
        search_term: str,
    ) -> tuple[QuerySet[AuditEntry], bool]:
        """Find each word as a whole value by an index, or within texts of the newest entries."""
        for word in search_term.split():
            known = Q(actor_name=word) | Q(object_key=word)
            if _is_address(word):
                known |= Q(address=word)
            parts = Q()
            for field in ("actor_name", "owner_name", "object_label", "user_agent"):
                parts |= Q(**{f"{field}__icontains": word})
            queryset = queryset.filter(known | Q(pk__in=_newest().filter(parts).values("pk")))
        return queryset, False

    @admin.display(description=_("object"))
    def object_name(self, entry: AuditEntry) -> str:
        return " ".join(filter(None, [entry.object_kind, entry.object_label or entry.object_key]))

    @admin.display(description=_("details"))
    def beginning(self, entry: AuditEntry) -> str:
        text = json.dumps(entry.details, ensure_ascii=False) if entry.details else ""
        return truncatechars(text, MAX_SHOWN)

    @admin.display(description=_("details"))
    def contents(self, entry: AuditEntry) -> SafeString:
        return as_json(entry.details)


def _is_address(word: str) -> bool:
    try:
        ip_address(word)
    except ValueError:
        return False
    return True
