"""Exports: from a click to a complete file.

An exporter says what may be exported and by whom. An export is one requested run of it,
cut into parts that any worker can extract and none owns. `lifecycle` is the only code
that changes a status, `lifecycle.queue` the only code that sends tasks, `worker` turns a
query into a file. `notifications` carries what happens to the people who wait.
"""
