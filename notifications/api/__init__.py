"""The common parts of all HTTP APIs of the project: authentication and errors.

`auth` authenticates browsers by their session and programs by their token. `tokens` manages the
tokens, and `problems` returns errors as problem+json. The package has no routes.
"""
