"""The pages of exports: a view reads a request, calls `spec` or `lifecycle`, and renders a page.

`access` decides who may see or change an export.
"""
