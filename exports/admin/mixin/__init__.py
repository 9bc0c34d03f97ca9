"""A button and an action that export the rows of any change list, as it is filtered and searched.

`mixin` is what a ModelAdmin inherits, and `selection_page` the page between the change list and the
export. `checks` says at start-up why a ModelAdmin cannot work.
"""
