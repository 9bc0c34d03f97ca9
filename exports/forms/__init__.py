"""The HTML forms that start an export: fields, widgets, errors, and the steps of a POST.

A form parses what the browser sent and shows each error at its field. `page` has what the choose
page and the admin's export page share. `spec` decides whether a request is valid.
"""
