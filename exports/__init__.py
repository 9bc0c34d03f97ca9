"""Exports: from a click to a complete file.

An exporter declares what may be exported and by whom. An export is one requested run of it, cut
into parts that any worker can extract. Only `lifecycle` changes statuses, and `worker` turns a
query into a file. `notifications` carries the progress to users and programs.
"""
