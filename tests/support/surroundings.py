"""A program that prints what the operating system and Python gave it, and ends with status 3."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading


def main() -> None:
    umask = os.umask(0)
    os.umask(umask)
    found = {
        "arguments": sys.argv,
        "module path": sys.path[0],
        "directory": os.getcwd(),  # noqa: PTH109 - as the operating system has it
        "environment": dict(sorted(os.environ.items())),
        "leads its session": os.getsid(0) == os.getpid(),
        "mask of files": umask,
        "signals": {
            number.name: str(signal.getsignal(number)).partition(" at ")[0]
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE)
        },
        "open files": sorted(map(int, os.listdir("/proc/self/fd"))),  # noqa: PTH208 - as above
        "streams": [
            [stream.encoding, stream.errors, stream.line_buffering, stream.write_through]
            for stream in (sys.stdout, sys.stderr)
        ],
        "input": sys.stdin.read(),
        "threads": threading.active_count(),
        "has settings": "config.settings" in sys.modules,
        "has a reactor": "twisted.internet.reactor" in sys.modules,
    }
    sys.stdout.write(json.dumps(found))
    sys.exit(3)


if __name__ == "__main__":
    main()
