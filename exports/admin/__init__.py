"""Exports in Django's admin: those of everybody, live, with buttons and actions.

A project adds `ExportMixin` to a ModelAdmin of its own to export what its change list shows. Each
action goes through `lifecycle`; the admin decides only who sees it. Importing this package
registers the admin.
"""

from __future__ import annotations

from exports.admin.export_admin import ExportAdmin
from exports.admin.mixin.mixin import ExportMixin

__all__ = ["ExportAdmin", "ExportMixin"]
