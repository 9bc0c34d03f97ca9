"""Exports in the admin: everybody's, live, to look at and to stop.

An export is written by `lifecycle` and workers alone, so nothing here is a form. Seeing them
needs `exports.view_export`; stopping, pausing, resuming and repeating them
`exports.change_export`.
"""

from __future__ import annotations

from exports.admin.export import ExportAdmin

__all__ = ["ExportAdmin"]
