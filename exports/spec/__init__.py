"""What was asked for: who wants which rows and columns, in which format, checked.

Each face builds its request here, and a worker reads the same rows from it later. `preview` says
what a request would give, `presets` keeps it under a name, and `describe` says it in words. This
package starts nothing and writes no export.
"""
