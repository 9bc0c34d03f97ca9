"""Registers it instead of the demo's own."""

from __future__ import annotations

from django.contrib import admin

from demo.models import Flight
from tests.tenancy.scopes import TenantFlightAdmin

admin.site.unregister(Flight)
admin.site.register(Flight, TenantFlightAdmin)
