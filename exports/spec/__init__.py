"""The spec of an export: a validated request of a user for rows and columns in a format.

Pages, the API, the admin and commands build one spec for each request with `spec.build_spec`, and a
worker later reads the rows that it selects. `preview` shows the first rows of the file, `presets`
stores a spec under a name, and `describe` puts its filters into words. This package starts nothing
and writes no export.
"""
