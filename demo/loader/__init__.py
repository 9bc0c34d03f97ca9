"""From the compressed files in `data/` into the tables, all or nothing.

`source` reads a file and refuses a damaged one, `tables` says what goes where, `load`
does it in one transaction. Rows go in as plain tuples: through model instances and
bulk_create() the same flights take five times as long.
"""
