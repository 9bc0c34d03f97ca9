"""The spec of an export: a validated request of a user for rows and columns in a format.

Pages, the API, the admin and commands build one spec for each request with `spec.build_spec`, and a
worker reads the same rows from it later. `preview` shows what a spec would give, `presets` stores
it under a name, and `describe` puts it into words. This package starts nothing and writes no
export.
"""
