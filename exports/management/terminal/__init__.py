"""The terminal side of the `export` command: arguments, progress, Ctrl-C, and the finished file.

It follows an export by its stream, like a page.
"""
