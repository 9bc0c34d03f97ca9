"""A stream and its stored rows."""

from __future__ import annotations

from notifications.models import Event

STREAM = "user-1"


def offsets(stream=STREAM):
    return list(Event.objects.filter(stream__name=stream).values_list("offset", flat=True))
