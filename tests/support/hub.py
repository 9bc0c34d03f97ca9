"""A subscriber of the hub that records its calls."""

from __future__ import annotations


class RecordingSubscriber:
    """Records the calls of the hub. `names` are the types and keys of the items that it got."""

    def __init__(self):
        self.items = []
        self.heads = []

    def on_push(self, stream, epoch, head, items):
        self.items += items

    def on_head(self, stream, head):
        self.heads.append(head)

    @property
    def names(self):
        return [item.name for item in self.items]
