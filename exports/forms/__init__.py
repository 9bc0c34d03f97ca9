"""The HTML forms that start an export: fields, widgets, errors, and the steps of a POST.

A form parses a POST and shows each error at its field. `page` is the common base of the choose page
and of the admin's export page. `spec` decides whether a request is valid.
"""
