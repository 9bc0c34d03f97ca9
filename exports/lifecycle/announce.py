"""Publish the state of an export on its streams.

`announce` is the last call in the transaction that changed the export, after `log.append`. Streams
are locked in the order of their names (`notifications.streams.publish`): the export's own stream,
then its team's, then its owner's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from exports.serialize import snapshot
from notifications.streams import publish

if TYPE_CHECKING:
    from exports.models import Export


def announce(export: Export, event: str = "") -> None:
    """Retain the JSON of `export` on its streams, and append the event to them if one is given."""
    data = snapshot(export)
    # Notifications translate these when they are read, perhaps much later.
    translatable = {"labels": export.labels, "reason": export.reason}
    payload = data | {name: value for name, value in translatable.items() if value is not None}
    for stream in export.streams:
        # First the value: clients that react to the event read it.
        publish.retain(stream, export.key, data)
        if event:
            publish.append(stream, event, payload)
