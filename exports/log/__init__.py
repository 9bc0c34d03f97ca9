"""The log of an export: how its lines are captured and how they are read.

`capture` collects everything that is logged while a worker works on an export. `read` gives the
lines to pages, to downloads and to the API; `text` writes them as plain text. This package does not
know what the lines mean.
"""
