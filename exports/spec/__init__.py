"""The spec of an export: who wants which rows and columns, in which format, validated.

Pages, the API, the admin and commands build one spec for each request with `spec.build_spec`, and a
worker reads the same rows from it later. `preview` shows what a spec would give, `presets` stores
it under a name, and `describe` puts it into words. This package starts nothing and writes no
export.
"""
