"""The forms in which somebody asks for an export: fields, widgets and their errors.

A form reads what was sent and names the field of each error; `spec` decides whether the request is
valid.
"""
