"""What the `export` command does on a terminal: arguments, a bar, Ctrl-C, the finished file.

It follows an export by its stream, like a page.
"""
