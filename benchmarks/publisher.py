"""Append events to a stream like a worker: python -m benchmarks.publisher STREAM COUNT"""

from __future__ import annotations

import os
import sys

import django

BATCH = 500  # Events per transaction.


def main(stream: str, count: int) -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    from django.db import transaction

    from notifications.streams import append_many

    for begin in range(0, count, BATCH):
        with transaction.atomic():
            new = [("log", {"message": "x" * 200})] * min(BATCH, count - begin)
            append_many(stream, new)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
