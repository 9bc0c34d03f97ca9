"""The testing ground keeps its own promise: nothing is left, however a run ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.services.environment import database_of_this_run
from tests.services.processes import ROOT, Run, ServiceError
from tests.support.waiting import wait_until

# A run with one service, which says where it is and then waits.
SCRIPT = """
from tests.services.processes import Run
from tests.services.valkey import Valkey

run = Run()
valkey = Valkey(run)
valkey.start()
print(run.directory, valkey.process.pid, flush=True)
input()
run.close()
"""


def start_run() -> tuple[subprocess.Popen[str], Path, int]:
    script = subprocess.Popen(
        [sys.executable, "-c", SCRIPT],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert script.stdout is not None
    directory, pid = script.stdout.readline().split()
    return script, Path(directory), int(pid)


def is_gone(pid: int) -> bool:
    status = Path(f"/proc/{pid}/stat")
    # Where nobody collects orphans, what was killed stays listed as a zombie.
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return status.exists() and status.read_text().rpartition(")")[2].split()[0] == "Z"


def test_orderly_end_leaves_no_service() -> None:
    script, directory, pid = start_run()

    script.communicate("\n", timeout=20)

    assert script.returncode == 0
    assert is_gone(pid)
    assert not directory.exists()


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM], ids=lambda how: how.name)
def test_killed_test_run_leaves_no_service(how: signal.Signals) -> None:
    script, directory, pid = start_run()

    script.send_signal(how)
    script.communicate(timeout=20)

    wait_until(lambda: is_gone(pid), what="the service of the killed run is gone")
    wait_until(lambda: not directory.exists(), what="its directory is gone")


def test_service_that_ends_at_once_is_reported_with_its_log() -> None:
    run = Run()
    try:
        process = run.start("broken", [sys.executable, "-c", "raise SystemExit('no such flag')"])

        with pytest.raises(ServiceError, match=r"(?s)ended with status 1.*no such flag"):
            process.wait_ready(lambda: False)
    finally:
        run.close()


def test_database_from_the_environment_is_not_emptied() -> None:
    named = "postgres://me:secret@db.example:5433/production?sslmode=require"

    ours = database_of_this_run(named)

    assert (
        ours
        == f"postgres://me:secret@db.example:5433/test_production_{os.getpid()}?sslmode=require"
    )
