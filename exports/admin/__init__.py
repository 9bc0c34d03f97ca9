"""Exports in Django's admin: the exports of all users, live, with buttons and actions.

A project adds `ExportMixin` to a ModelAdmin of its own, to export the rows of its change list.
Every action calls `lifecycle`; the admin decides only which users see it. Importing this package
registers the admin.
"""

from __future__ import annotations

from exports.admin.export_admin import ExportAdmin
from exports.admin.mixin.mixin import ExportMixin

__all__ = ["ExportAdmin", "ExportMixin"]
