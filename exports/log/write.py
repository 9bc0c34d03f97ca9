"""Append lines to the log of an export until it is full."""

from __future__ import annotations

from bisect import bisect_right
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from django.db.models import F

from exports.conf import conf
from exports.log.capture import LAST_LINES, line_bytes
from exports.models import Export
from notifications.streams import publish

if TYPE_CHECKING:
    from collections.abc import Sequence


TYPE = "log"  # The type of a log line in the stream of its export.


def append(export: Export, lines: Sequence[dict[str, Any]], *, is_last: bool = False) -> None:
    """Append `lines` to the log of `export`, in the caller's transaction, and count them.

    A full log takes no more lines, apart from a notice that says so. With `is_last`, the LAST_LINES
    of `lines` are kept even then: they say how the export ended.
    """
    if not lines:
        return
    sizes = list(accumulate(map(line_bytes, lines)))
    row = Export.objects.filter(pk=export.pk)
    row.update(log_lines=F("log_lines") + len(lines), log_bytes=F("log_bytes") + sizes[-1])
    # The UPDATE has locked the row, so no other process changes these counts before the commit.
    export.refresh_from_db(fields=["log_lines", "log_bytes"])
    # The last line is for the notice.
    lines_left = conf.LOG_LINES - 1 - (export.log_lines - len(lines))
    bytes_left = conf.LOG_BYTES - (export.log_bytes - sizes[-1])
    fitting = min(max(lines_left, 0), bisect_right(sizes, bytes_left))
    kept = list(lines[:fitting])
    if fitting < len(lines):
        if lines_left >= 0 and bytes_left >= 0:  # Otherwise an earlier append has added the notice.
            kept.append(_notice(is_out_of_lines=fitting >= lines_left))
        if is_last:
            kept += lines[max(fitting, len(lines) - LAST_LINES) :]
    publish.append_many(export.stream, [(TYPE, line) for line in kept])


def _notice(*, is_out_of_lines: bool) -> dict[str, Any]:
    most = f"{conf.LOG_LINES:,} lines" if is_out_of_lines else f"{conf.LOG_BYTES:,} bytes"
    message = f"The log is full at {most}. Later lines are not kept."
    return {"level": "WARNING", "message": message, "logger": __name__}
