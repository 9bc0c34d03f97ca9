"""Exports over HTTP, for programs: routes, schemas and errors.

A project adds `routes.router` to its API. The API offers what the pages offer, and leaves every
decision to `spec` and `lifecycle`.
"""
