"""The HTML forms that start an export: fields, widgets and their errors.

A form parses what the browser sent and shows each error at its field. `spec` decides whether a
request is valid.
"""
