"""From a queryset to rows: how it is cut into parts, and how a part is read.

`plan` cuts a queryset into ranges of primary keys, `projection` says what the database is asked
for, and `copy` and `rows` read it. What goes wrong is told by `blame` (which column of which row)
and `retries` (whether a further attempt may help). This package knows no files and no workers.
"""
