"""Kill the worker of this checkout's `make run`, which is what `make kill-worker` does.

SIGKILL leaves a worker no time to give back its export, as if its machine had been lost.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any
from xmlrpc.client import ServerProxy

from django.conf import settings
from supervisor.xmlrpc import SupervisorTransport  # type: ignore[import-untyped]

from config import embedded
from config.run import CannotRunError
from config.run.terminal import say


def main() -> int:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    socket = embedded.manager_socket(settings.VAR_DIR)
    transport = SupervisorTransport(serverurl=f"unix://{socket}")
    try:
        with ServerProxy("http://localhost", transport) as manager:
            pid = worker_pid(manager.supervisor)
        # supervisord gives each child a process group of its own.
        os.killpg(pid, signal.SIGKILL)
    except (CannotRunError, ProcessLookupError) as error:
        say(f"No worker was killed: {error}")
        return 1
    say(f"Killed the worker (process {pid}). `make run` starts another at once.")
    return 0


def worker_pid(manager: Any) -> int:
    """Return the process id of the manager's worker. Raise CannotRunError if there is none."""
    try:
        pid = manager.getProcessInfo("waybill:worker")["pid"]
    except OSError as error:
        raise CannotRunError(
            "Waybill is not running in this checkout. Start it with `make run`."
        ) from error
    if not pid:
        raise CannotRunError("No worker is running at the moment. Try again in a few seconds.")
    return int(pid)


if __name__ == "__main__":
    sys.exit(main())
