"""Streams in the admin: to look at. Only `publish` writes them, and `tokens` its own."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.auth import get_user_model
from django.utils.html import format_html

from notifications.models import Event, Inbox, Retained, Stream, Token

if TYPE_CHECKING:
    from django.http import HttpRequest
    from django.utils.safestring import SafeString


class MachineOwnedAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # Not generic when it runs.
    """For rows that code writes: nobody adds, changes or deletes them by hand."""

    show_full_result_count = False  # Counts the whole table on every page.

    def has_add_permission(self, *_: Any, **__: Any) -> bool:
        return False

    def has_change_permission(self, *_: Any, **__: Any) -> bool:
        return False

    def has_delete_permission(self, *_: Any, **__: Any) -> bool:
        return False


def as_json(value: Any) -> SafeString:
    """A JSON value as people read it."""
    return format_html("<pre>{}</pre>", json.dumps(value, indent=2, ensure_ascii=False))


@admin.register(Stream)
class StreamAdmin(MachineOwnedAdmin):
    list_display = ["name", "head", "revision", "floor", "epoch"]
    search_fields = ["name"]
    ordering = ["-pk"]


@admin.register(Event)
class EventAdmin(MachineOwnedAdmin):
    list_display = ["stream", "offset", "type", "at"]
    list_display_links = ["offset"]
    list_select_related = ["stream"]
    search_fields = ["stream__name", "type"]
    search_help_text = "A stream (user-42, export-…) or a type (export.succeeded, log)."
    ordering = ["-pk"]
    fields = ["stream", "offset", "type", "at", "contents"]
    readonly_fields = ["contents"]

    @admin.display(description="data")
    def contents(self, event: Event) -> SafeString:
        return as_json(event.data)


@admin.register(Retained)
class RetainedAdmin(MachineOwnedAdmin):
    list_display = ["stream", "key", "revision", "at"]
    list_display_links = ["key"]
    list_select_related = ["stream"]
    search_fields = ["stream__name", "key"]
    search_help_text = "A stream (user-42, export-…) or a key."
    ordering = ["-at"]
    fields = ["stream", "key", "revision", "at", "contents"]
    readonly_fields = ["contents"]

    @admin.display(description="data")
    def contents(self, retained: Retained) -> SafeString:
        return as_json(retained.data)


@admin.register(Inbox)
class InboxAdmin(MachineOwnedAdmin):
    list_display = ["user", "read_offset", "mailed_offset", "email", "mail_after"]
    list_filter = ["email"]
    list_select_related = ["user"]
    search_fields = [f"user__{get_user_model().USERNAME_FIELD}"]
    ordering = ["-pk"]

    def has_delete_permission(self, request: HttpRequest, obj: Inbox | None = None) -> bool:
        # It goes with its user, on whose pages the admin asks of each row that would go, too.
        # On its own it stays: made anew, it would have all of the last day mailed again.
        page = request.resolver_match
        own_pages = f"{self.opts.app_label}_{self.opts.model_name}_"
        if obj is None or page is None or (page.url_name or "").startswith(own_pages):
            return False
        return admin.ModelAdmin.has_delete_permission(self, request, obj)


@admin.register(Token)
class TokenAdmin(MachineOwnedAdmin):
    """Deleting a token revokes it. `manage.py create_token` makes one, and shows it once."""

    list_display = ["note_or_number", "user", "created_at", "last_used_at"]
    list_select_related = ["user"]
    search_fields = ["note", f"user__{get_user_model().USERNAME_FIELD}"]
    ordering = ["-created_at"]
    fields = ["user", "note", "created_at", "last_used_at"]  # Never the digest.

    @admin.display(description="token", ordering="note")
    def note_or_number(self, token: Token) -> str:
        return str(token)

    def has_delete_permission(self, request: HttpRequest, obj: Token | None = None) -> bool:
        return admin.ModelAdmin.has_delete_permission(self, request, obj)
