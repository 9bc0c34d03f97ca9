"""Connections that follow streams, and changes that withdraw their rights."""

from __future__ import annotations

from notifications.delivery import hub
from notifications.streams import push
from tests.support.streaming import eventually


def joined():
    """Return whether messages of other processes reach this one."""
    return push.RECHECK_GROUP in hub.current()._joined


async def followed(socket, *streams):
    for stream in streams:
        answer = await socket.subscribe({stream: None})
        assert answer["type"] == "subscribed", answer
    await eventually(joined)


def kinds(socket):
    return [each.get("event") or each.get("code") or each["type"] for each in socket.frames]


def is_deactivated(ada, browser):
    ada.is_active = False
    ada.save()


def leaves_the_team(ada, team, view_export):
    ada.groups.remove(team)
