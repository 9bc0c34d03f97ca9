"""Capture, store and read the log of an export.

`capture` collects everything that is logged while a worker works on an export. `append` stores
lines as long as the log has room. `read` returns the lines to pages, to downloads and to the API;
`text` formats them as plain text. This package does not interpret the lines.
"""

from __future__ import annotations

from exports.log.write import append

__all__ = ["append"]
