"""Exports from any change list of the admin, as it is filtered and searched.

    @admin.register(Flight)
    class FlightAdmin(ExportMixin, admin.ModelAdmin):
        exporter = "flights"

adds the button "Export…" and the action "Export selected flights". Both lead to a small page
that says in words what will be exported and asks for the format. `export` has the mixin,
`words` puts a change list into words, `checks` refuses a mixin that cannot work.
"""

from __future__ import annotations

from exports.mixins.export import ExportMixin

__all__ = ["ExportMixin"]
