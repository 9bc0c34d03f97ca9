"""Read the rows of a queryset: split it into parts, and read each part.

`plan` splits a queryset into ranges of primary keys, `projection` chooses what the database
returns, and `copy` and `rows` read it. `blame` finds the column and the row of an error, and
`retries` decides whether another attempt may help. This package knows no files and no workers.
"""
