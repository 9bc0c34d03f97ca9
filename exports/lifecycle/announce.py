"""Tell everyone who waits for an export what it is like now.

Called last in the transaction that changed it. The export's own stream comes first, then its
team's and its owner's: streams are taken in the order of their names (notifications.streams.publish).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from exports.serialize import snapshot
from notifications.streams import publish

if TYPE_CHECKING:
    from collections.abc import Sequence

    from exports.models import Export


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
