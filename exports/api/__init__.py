"""Exports over HTTP, for programs: routes, schemas and errors.

A project adds `routes.router` to its API. The API can start and control exports like the pages, and
leaves every decision to `spec` and `lifecycle`.
"""
