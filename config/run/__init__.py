"""Run everything in one terminal until Ctrl-C, for `make run`.

`__main__` prepares the database and starts the manager, which is supervisord. The manager starts
the processes that `processes` lists, restarts those that end, and stops all of them at a signal or
when its parent has ended. Each process writes to a log file, and `serving` shows the files in the
terminal, so a lost terminal interrupts no process. `kill_worker` kills the worker, to show that its
export continues.
"""

from __future__ import annotations


class CannotRunError(Exception):
    """`make run` cannot start or continue. The message gives the reason and the remedy."""
