"""A button and an action that export the rows of any change list, with its filters and search.

A ModelAdmin inherits `mixin`. `selection_page` is the page between the change list and the export,
and `describe` puts the selected rows into words. `checks` reports at start-up why a ModelAdmin
cannot work.
"""
