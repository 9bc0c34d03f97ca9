"""One list made as docs/exporters.md says for django-unfold. The others are as they are."""

from __future__ import annotations

from django.contrib import admin
from unfold.admin import ModelAdmin

from demo.models import Flight
from exports.admin import ExportMixin

admin.site.unregister(Flight)


@admin.register(Flight)
class FlightAdmin(ExportMixin, ModelAdmin):
    exporter = "flights"
    list_display = ["date", "carrier", "flight", "distance"]
    list_filter = ["carrier"]
    search_fields = ["=tailnum"]
