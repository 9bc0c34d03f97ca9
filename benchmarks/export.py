"""One way of exporting the demo's flights to CSV, in a process of its own.

    python -m benchmarks.export WAY

prints seconds, rows and the peak of memory (MiB) as JSON.
"""

from __future__ import annotations

import json
import logging
import os
import resource
import sys
import time
from typing import TYPE_CHECKING

import django

if TYPE_CHECKING:
    from collections.abc import Callable


def waybill() -> int:
    """An export from the click to the file: publish, parts, progress, checksum, protection, log.

    Here one process requests and runs it. What a worker waits for a message is not in it.
    """
    from django.contrib.auth import get_user_model

    from exports import lifecycle
    from exports.engine import runner

    user, _ = get_user_model().objects.get_or_create(username="bench", is_superuser=True)
    export = lifecycle.request(user=user, exporter="flights")
    runner.run(lifecycle.claim(export.pk, worker="bench"))
    export.refresh_from_db()  # The claim has an object of its own.
    # Whatever is left out would make it look faster than it is.
    assert export.status == "succeeded", export.error
    assert export.enqueued_at, "The broker did not take the message."
    assert export.log_lines, "The export's log is empty."
    return export.rows_done


def values_loop() -> int:
    from benchmarks import loops

    return loops.write(loops.values_rows())


def model_loop() -> int:
    from benchmarks import loops

    return loops.write(loops.model_rows())


BASE = "values_list().iterator() loop"
WAYS: dict[str, Callable[[], int]] = {
    "waybill": waybill,
    BASE: values_loop,
    "model instances loop": model_loop,
}


def main(way: str) -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    for handler in logging.getLogger().handlers:
        # The terminal is spared. Loggers keep their level: exports have logs of their own.
        handler.setLevel(logging.CRITICAL)
    start = time.perf_counter()
    rows = WAYS[way]()
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    mebibytes = peak / (1024 * 1024 if sys.platform == "darwin" else 1024)
    print(json.dumps({"seconds": seconds, "rows": rows, "mebibytes": mebibytes}))


if __name__ == "__main__":
    main(sys.argv[1])
