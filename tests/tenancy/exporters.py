"""Registers it, in a process with these settings: this module is found by its name."""

from __future__ import annotations

from exports.exporters import register
from tests.tenancy.scopes import TenantFlights

register(TenantFlights)
