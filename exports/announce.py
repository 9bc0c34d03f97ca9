"""Tell everyone who waits for an export what it is like now.

Called last in the transaction that changed it. The export's own stream comes first, then its
team's and its owner's: streams are taken in the order of their names (notifications.publish).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db.models import F

from exports.conf import conf
from exports.models import Export
from exports.snapshot import snapshot
from notifications import publish

if TYPE_CHECKING:
    import uuid
    from collections.abc import Sequence


def announce(export: Export, event: str = "", *, lines: Sequence[dict[str, Any]] = ()) -> None:
    """Retain the snapshot of `export` on its streams; append `event` and log `lines`."""
    data = snapshot(export)
    publish.append_many(export.stream, [("log", line) for line in lines])
    for stream in export.streams:
        # The value first: whoever reacts to the event finds it there.
        publish.retain(stream, export.key, data)
        if event:
            publish.append(stream, event, {**data, **_to_translate(export)})


def _to_translate(export: Export) -> dict[str, Any]:
    """Who describes the event to its reader, perhaps much later, does it in their language."""
    found = {"labels": export.labels, "reason": export.reason}
    return {name: value for name, value in found.items() if value is not None}


def append_lines(export_id: uuid.UUID, lines: Sequence[dict[str, Any]]) -> None:
    """Append to the log of an export that somebody else holds."""
    if lines:
        export = Export.objects.only("pk", "log_lines").get(pk=export_id)
        kept = capped(export, lines)
        counted = F("log_lines") + len(lines)
        Export.objects.filter(pk=export_id).update(log_lines=counted)
        publish.append_many(export.stream, [("log", line) for line in kept])


def capped(
    export: Export, lines: Sequence[dict[str, Any]], *, keep_last: int = 0
) -> Sequence[dict[str, Any]]:
    """What of `lines` the log of `export` still takes, and one that says when it is full.

    The last `keep_last` of them are kept in any case. To be asked before `log_lines` is
    raised by the number of all of them.
    """
    room = conf.LOG_LINES - 1 - export.log_lines
    if len(lines) <= room:
        return lines
    full = {
        "level": "WARNING",
        "message": f"The log is full at {conf.LOG_LINES:,} lines. What follows is not kept.",
        "logger": __name__,
    }
    notice = [full] if room >= 0 else []
    first = max(room, 0)
    last = lines[max(first, len(lines) - keep_last) :]
    return [*lines[:first], *notice, *last]
