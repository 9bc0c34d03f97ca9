"""Append lines to the log of an export, as long as it is not full."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db.models import F

from exports.conf import conf
from exports.log.capture import line_bytes
from exports.models import Export
from notifications.streams import publish

if TYPE_CHECKING:
    import uuid
    from collections.abc import Sequence


def append_lines(export_id: uuid.UUID, lines: Sequence[dict[str, Any]]) -> None:
    """Append to the log of an export that somebody else holds."""
    if lines:
        export = Export.objects.only("pk", "log_lines", "log_bytes").get(pk=export_id)
        kept = capped(export, lines)
        Export.objects.filter(pk=export_id).update(**counted(lines))
        publish.append_many(export.stream, [("log", line) for line in kept])


def counted(lines: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the fields of an UPDATE that counts `lines` in the log, dropped ones included."""
    size = sum(map(line_bytes, lines))
    return {"log_lines": F("log_lines") + len(lines), "log_bytes": F("log_bytes") + size}


def capped(
    export: Export, lines: Sequence[dict[str, Any]], *, keep_last: int = 0
) -> Sequence[dict[str, Any]]:
    """What of `lines` the log of `export` still takes, and one that says when it is full.

    The last `keep_last` of them are kept in any case. To be called before `counted` is written.
    """
    room, space = conf.LOG_LINES - 1 - export.log_lines, conf.LOG_BYTES - export.log_bytes
    was_full = room < 0 or space < 0
    first = 0
    for line in lines:
        space -= line_bytes(line)
        if first >= room or space < 0:
            break
        first += 1
    else:
        return lines
    most = f"{conf.LOG_LINES:,} lines" if first >= room else f"{conf.LOG_BYTES:,} bytes"
    full = {
        "level": "WARNING",
        "message": f"The log is full at {most}. What follows is not kept.",
        "logger": __name__,
    }
    notice = [] if was_full else [full]
    last = lines[max(first, len(lines) - keep_last) :]
    return [*lines[:first], *notice, *last]
