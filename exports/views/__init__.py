"""The pages of exports: a view reads a request, asks `spec` or `lifecycle`, and renders a page.

Who may see or change an export is decided in `access`.
"""
