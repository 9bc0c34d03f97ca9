"""The pages of exports: a view reads a request, calls `spec` or `lifecycle`, and renders a page.

`exports.access` decides which users may see or change an export.
"""
