"""A button and an action that export the rows of any change list, with its filters and search.

A ModelAdmin inherits from `mixin.ExportMixin`; `base` has what the other modules need of it.
`selection_page` is the page between the change list and the export. `describe` describes the rows
to the user. `checks` has the system checks.
"""
