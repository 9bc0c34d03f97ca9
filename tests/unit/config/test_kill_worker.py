"""`make kill-worker` takes the worker from its own checkout's manager, and says why it cannot."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from config.run import CannotRunError, kill_worker
from config.run.kill_worker import worker_pid

if TYPE_CHECKING:
    from pathlib import Path


def manager(pid: int) -> SimpleNamespace:
    """A manager whose worker has the process id `pid`; 0 while it does not run."""
    return SimpleNamespace(getProcessInfo={"waybill:worker": {"pid": pid}}.__getitem__)


def test_worker_is_the_child_of_the_manager() -> None:
    assert worker_pid(manager(110)) == 110


def test_worker_that_is_not_running_is_not_killed() -> None:
    with pytest.raises(CannotRunError, match="at the moment"):
        worker_pid(manager(0))


@pytest.mark.parametrize("has_stale_socket", [False, True])
def test_nothing_is_killed_without_a_manager(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    *,
    has_stale_socket: bool,
) -> None:
    socket = tmp_path / "manager.sock"
    if has_stale_socket:
        socket.touch()
    monkeypatch.setattr(kill_worker.embedded, "manager_socket", lambda _: socket)

    assert kill_worker.main() == 1
    assert "not running in this checkout" in capsys.readouterr().out
