"""Load the compressed files of `demo/data/` into the tables, all of them or none.

`source` reads a file and refuses a damaged one, `tables` maps files to tables, and `load` writes
them in one transaction. It inserts plain tuples, because model instances with bulk_create() take
five times as long.
"""
