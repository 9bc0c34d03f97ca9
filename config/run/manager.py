"""The manager: supervisord, which also stops when its parent ends.

    python -m config.run.manager CONFIGURATION PARENT

It differs from the `supervisord` command in three ways, so that no process is left behind. SIGHUP
stops it, instead of restarting everything. It stops when the process PARENT ends. On Linux, its
children are killed when it is killed.
"""

# supervisor has no type hints.
# mypy: disable-error-code="import-untyped, misc"

from __future__ import annotations

import contextlib
import os
import signal
import sys
from typing import Any

from billiard.util import set_pdeathsig  # type: ignore[attr-defined]
from supervisor.medusa.asyncore_25 import ExitNow
from supervisor.options import ServerOptions
from supervisor.states import SupervisorStates
from supervisor.supervisord import Supervisor


class Options(ServerOptions):
    # supervisord's own main() sets these for the first round of its loop. Here it is the only
    # round.
    first = True
    test = False

    def setpgrp(self) -> None:
        """Prepare a new child, before it runs its program. supervisord calls this in the child."""
        super().setpgrp()
        # Until now the child has supervisord's handlers, which only record a signal. Without these
        # lines, a child that gets SIGTERM now would run until `stopwaitsecs` have passed.
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        while recorded := self.get_signal():
            if recorded == signal.SIGTERM:
                os._exit(0)
        # The kernel sends this signal when the parent ends. Only Linux has it.
        with contextlib.suppress(OSError):
            set_pdeathsig(signal.SIGKILL)


class Manager(Supervisor):
    def __init__(self, options: Options, parent: int) -> None:
        super().__init__(options)
        self._parent = parent

    def tick(self, now: float | None = None) -> None:
        """Stop if the parent has ended. supervisord calls this at least once a second."""
        if os.getppid() != self._parent:
            self.options.mood = SupervisorStates.SHUTDOWN
        super().tick(now)


def main(configuration: str, parent: str) -> None:
    options: Any = Options()
    options.realize(["--configuration", configuration])
    # After SIGHUP, supervisord's own main() would start again. Without its loop, the manager ends.
    with contextlib.suppress(ExitNow):
        Manager(options, int(parent)).main()


if __name__ == "__main__":
    main(*sys.argv[1:])
