"""Exports over HTTP, for programs: routes, schemas and errors.

`routes.router` is what a project adds to its API. It offers what the pages offer, and decides
nothing that they do not.
"""
