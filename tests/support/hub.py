"""A subscriber of the hub that records its calls."""

from __future__ import annotations


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
