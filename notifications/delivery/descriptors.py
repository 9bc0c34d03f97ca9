"""Estimate how many file descriptors this process has left.

At the limit, the process cannot open a file, reach the database or accept a connection, and each
failure logs a traceback. A web process refuses work before that, in three steps: first it refuses
new sockets and streams, then it refuses them without a close code, then it refuses every request.
"""

from __future__ import annotations

import errno
import os
import resource

# The reserve of descriptors for pages, files, the database and refusals: this number, or a quarter
# of the limit if that is more.
RESERVED = 32
RESERVED_SHARE = 4
# The soft limit is raised to at most this number, because descriptors cost memory and some systems
# have a hard limit of a billion.
MAX_LIMIT = 65_536


def raise_limit() -> None:
    """Raise this process's soft limit to the hard limit, or to MAX_LIMIT if that is lower."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_LIMIT if hard == resource.RLIM_INFINITY else min(hard, MAX_LIMIT)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except (ValueError, OSError):
        return  # macOS refuses values below the hard limit that it reports.


def limit() -> int:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MAX_LIMIT if soft == resource.RLIM_INFINITY else soft


def reserve() -> int:
    """Return how many descriptors new sockets and streams must leave."""
    return max(RESERVED, limit() // RESERVED_SHARE)


def left() -> int:
    """Estimate how many descriptors are left, without counting the open ones.

    The system gives a new file the lowest free number, and the estimate is the limit minus that
    number. When early connections have ended, the estimate is too high until new connections have
    taken their numbers.
    """
    try:
        lowest = os.open(os.devnull, os.O_RDONLY)
    except OSError as error:
        if error.errno not in {errno.EMFILE, errno.ENFILE}:
            raise
        return 0
    os.close(lowest)
    return limit() - lowest
