"""A subscriber of the hub, and a publisher."""

from __future__ import annotations

from tests.support.streaming import append, in_thread


class Ear:
    """Records its calls."""

    def __init__(self):
        self.items = []
        self.heads = []

    def on_push(self, stream, epoch, head, items):
        self.items += items

    def on_head(self, stream, head):
        self.heads.append(head)

    @property
    def heard(self):
        return [item.name for item in self.items]


async def say(*events, stream="user-1"):
    await in_thread(append, stream, *events)
