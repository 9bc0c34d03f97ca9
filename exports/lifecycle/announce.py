"""Tell everyone who waits for an export what it is like now.

Called last in the transaction that changed it, after `log.append`. The export's own stream comes
first, then its team's and its owner's: streams are locked in the order of their names
(notifications.streams.publish).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from exports.serialize import snapshot
from notifications.streams import publish

if TYPE_CHECKING:
    from exports.models import Export


def announce(export: Export, event: str = "") -> None:
    """Retain the snapshot of `export` on its streams, and append `event` to them if there is one."""
    data = snapshot(export)
    for stream in export.streams:
        # The value first: whoever reacts to the event finds it there.
        publish.retain(stream, export.key, data)
        if event:
            publish.append(stream, event, {**data, **_to_translate(export)})


def _to_translate(export: Export) -> dict[str, Any]:
    """Who describes the event to its reader, perhaps much later, does it in their language."""
    found = {"labels": export.labels, "reason": export.reason}
    return {name: value for name, value in found.items() if value is not None}
