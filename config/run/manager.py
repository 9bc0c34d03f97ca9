"""The manager: supervisord, which also stops when its parent is gone.

    python -m config.run.manager CONFIGURATION PARENT

It differs from the `supervisord` command in three ways, each so that nothing of it can
stay behind: SIGHUP stops it instead of starting everything anew, the end of the process
PARENT stops it, and on Linux its own violent end takes its children along.
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
    # What supervisord's own main() sets before its first, and here only, round.
    first = True
    test = False

    def setpgrp(self) -> None:
        """Called in each new child, before it becomes the program."""
        super().setpgrp()
        # Until then the child has supervisord's handlers, which only take a note. A child
        # told to stop in that moment would go on, and be killed after `stopwaitsecs`.
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        while noted := self.get_signal():
            if noted == signal.SIGTERM:
                os._exit(0)
        # The system sends it when the parent ends, however that ends. Only Linux can.
        with contextlib.suppress(OSError):
            set_pdeathsig(signal.SIGKILL)


class Manager(Supervisor):
    def __init__(self, options: Options, parent: int) -> None:
        super().__init__(options)
        self._parent = parent

    def tick(self, now: float | None = None) -> None:
        """Called once a second, and whenever something happened."""
        if os.getppid() != self._parent:
            self.options.mood = SupervisorStates.SHUTDOWN
        super().tick(now)


def main(configuration: str, parent: str) -> None:
    options: Any = Options()
    options.realize(["--configuration", configuration])
    # supervisord's main() would begin anew after SIGHUP; without its loop, that is the end.
    with contextlib.suppress(ExitNow):
        Manager(options, int(parent)).main()


if __name__ == "__main__":
    main(*sys.argv[1:])
