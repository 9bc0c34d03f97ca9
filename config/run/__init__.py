"""What `make run` does: everything in one terminal, until Ctrl-C.

`__main__` prepares the database and starts the manager, which is supervisord. The
manager starts the processes that `processes` lists, starts again what dies, and stops
all when it is told to or when its parent is gone. Each process writes to a file; this
one shows the files in the terminal, so that a lost terminal stops nothing halfway.
"""

from __future__ import annotations


class CannotRunError(Exception):
    """There is no way to go on. The message says why, and what to do."""
