"""How many file descriptors this process has left.

At the limit nothing works any more: no file can be opened, no database reached, no connection
accepted, and each failure is a traceback in the log. So connections are refused in three steps
before that: new sockets and streams, then sockets without a close code, then every request.
"""

from __future__ import annotations

import errno
import os
import resource

# For sockets and streams that have still to be refused, and for pages, files and the database.
RESERVED = 32
RESERVED_SHARE = 4  # Or a quarter of all, if that is more.
# Raised no further: each descriptor may cost memory, and some systems name absurd limits.
MOST = 65_536


def raise_limit() -> None:
    """Raise this process's limit to the highest that it may give itself."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST if hard == resource.RLIM_INFINITY else min(hard, MOST)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except (ValueError, OSError):
        return  # macOS has a lower limit than it says.


def limit() -> int:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MOST if soft == resource.RLIM_INFINITY else soft


def reserve() -> int:
    """How many are kept from new sockets and streams."""
    return max(RESERVED, limit() // RESERVED_SHARE)


def left() -> int:
    """How many there are at least below the limit, without counting all that are open.

    The system gives the lowest number that is free. Where earlier connections have ended, that
    is lower than the number of open descriptors; but the next connections get these numbers.
    """
    try:
        lowest = os.open(os.devnull, os.O_RDONLY)
    except OSError as error:
        if error.errno not in {errno.EMFILE, errno.ENFILE}:
            raise
        return 0
    os.close(lowest)
    return limit() - lowest
