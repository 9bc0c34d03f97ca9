"""The admin of exports, built from one class for each part of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import admin
from django.contrib.auth import get_user_model
from django.db.models import CharField
from django.db.models.fields.json import KT
from django.db.models.functions import Coalesce
from django.utils.translation import gettext_lazy as _

from exports.access import visible_to
from exports.admin.actions import Actions
from exports.admin.change_list import Listing
from exports.admin.change_page import Page
from exports.admin.health_page import Health
from exports.admin.inlines import DownloadInline, PartInline, TaskRunInline
from exports.i18n.labels import site_language
from exports.models import RELATED, Export
from notifications.admin import CascadeOnlyAdmin, MachineOwnedAdmin
from notifications.http import user_of
from notifications.protocol.frames import MAX_STREAMS

if TYPE_CHECKING:
    from django.db.models import QuerySet
    from django.http import HttpRequest


@admin.register(Export)
class ExportAdmin(Listing, Page, Actions, Health, CascadeOnlyAdmin, MachineOwnedAdmin):
    # The most important columns come first: a small window cuts off the others.
    list_display = ["name", "state", "requested", "took", "download", "team", "exporter", "format"]
    list_select_related = RELATED
    list_filter = [
        "status",
        "exporter",
        "format",
        ("owner", admin.RelatedOnlyFieldListFilter),
        ("team", admin.RelatedOnlyFieldListFilter),
    ]
    # "called" is the name in the user's language, "label" the one in logs and the API.
    search_fields = ["id", "called", "label", f"owner__{get_user_model().USERNAME_FIELD}"]
    search_help_text = _("Search by ID, label or owner.")
    list_per_page = 50
    list_max_show_all = MAX_STREAMS  # The list follows a stream for each active export.
    actions = ["cancel", "pause", "resume", "run_again"]
    inlines = [PartInline, TaskRunInline, DownloadInline]
    readonly_fields = [
        "called",
        "page",
        "file_link",
        "settings",
        "activity",
        "failure",
        "rows",
        "speed",
        "size",
        "took",
    ]
    fieldsets = [
        (
            None,
            {
                "fields": [
                    "called",
                    "page",
                    "file_link",
                    "owner",
                    "team",
                    "exporter",
                    "format",
                    "options",
                    "settings",
                    "origin",
                ]
            },
        ),
        (
            _("Progress"),
            {"fields": ["status", "activity", "failure", "rows", "speed", "size", "took"]},
        ),
        (
            _("Times"),
            {"fields": ["created_at", "enqueued_at", "started_at", "finished_at", "expires_at"]},
        ),
        (
            _("Worker"),
            {"fields": ["worker", "attempt", "handovers", "lease_expires_at", "log_lines"]},
        ),
        (_("File"), {"fields": ["id", "file", "sha256"]}),
    ]

    class Media:
        css = {"all": ["exports/admin.css"]}

    def get_queryset(self, request: HttpRequest) -> QuerySet[Export]:
        seen: QuerySet[Export] = super().get_queryset(request) & visible_to(user_of(request))
        called = Coalesce(KT(f"labels__{site_language()}"), "label", output_field=CharField())
        return seen.alias(called=called)  # The same text as `Export.title`.
