"""`make run` as a user meets it: started in a terminal, with processes that come back."""

from __future__ import annotations

import socket
import subprocess
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.services.processes import ROOT
from tests.support.make_run import (
    MAKE_KILL_WORKER,
    NAMES,
    RUN,
    Terminal,
    clean_environment,
    copy_of,
    database,
    is_well,
)
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable


def test_first_run_loads_the_data_and_shows_its_logins(lasting: Terminal) -> None:
    assert "A push failed" not in lasting.shown
    assert "336,776 flights" in lasting.shown
    assert f"http://127.0.0.1:{lasting.port}/" in lasting.shown
    for login in ("demo/demo", "staff/staff", "guest/guest"):
        assert login in lasting.shown
    assert "insecure" in lasting.shown


def test_second_run_finds_the_data_of_the_first(terminal: Terminal) -> None:
    assert "is already loaded: 16 airlines" in terminal.shown
    assert is_well(terminal.port)


@pytest.mark.proves("dead-process-is-restarted")
@pytest.mark.parametrize("name", NAMES)
def test_killed_child_is_restarted(lasting: Terminal, name: str) -> None:
    killed = lasting.child(name)
    assert killed is not None

    killed.kill()

    def has_successor() -> bool:
        successor = lasting.child(name)
        return successor is not None and successor.pid != killed.pid

    wait_until(has_successor, 30, f"{name} is started again")
    wait_until(lambda: is_well(lasting.port), 30, f"everything answers without the old {name}")
    lasting.wait_for(f"exited: {name} (terminated by SIGKILL")


def test_make_kill_worker_kills_the_worker_with_its_children(lasting: Terminal) -> None:
    wait_until(lambda: lasting.child("worker") is not None, 30, "there is a worker")
    worker = lasting.child("worker")
    assert worker is not None
    wait_until(worker.children, 30, "the worker has children")
    killed = {worker, *worker.children()}

    done = subprocess.run(
        MAKE_KILL_WORKER,
        check=True,
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=clean_environment() | {"VAR_DIR": str(lasting.var_dir)},
        timeout=60,
    )

    assert f"Killed the worker (process {worker.pid})." in done.stdout
    wait_until(lambda: not killed & set(lasting.processes()), 10, "all of it is gone")
    lasting.wait_for("exited: worker (terminated by SIGKILL")
    wait_until(lambda: is_well(lasting.port), 60, "everything answers with another worker")


def test_second_run_of_the_same_data_names_the_first(lasting: Terminal) -> None:
    second = Terminal(RUN, lasting.var_dir)
    status = second.wait_for_end()

    assert status == 1
    assert f"runs already, at http://127.0.0.1:{lasting.port}/" in second.shown
    assert f"kill {lasting.program.pid}" in second.shown
    assert is_well(lasting.port)


def test_port_in_use_is_named(start: Callable[..., Terminal]) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as other:
        port = other.getsockname()[1]
        terminal = start(PORT=str(port))
        status = terminal.wait_for_end()

    assert status == 1
    assert f"Port {port} cannot be used" in terminal.shown
    assert f"make run PORT={port + 1}" in terminal.shown


def test_valkey_listens_on_a_private_socket_only(lasting: Terminal) -> None:
    valkey = lasting.child("valkey")
    assert valkey is not None
    directory = Path(valkey.cwd())

    assert {path.name for path in directory.iterdir()} == {"manager.sock", "valkey.sock"}
    assert (directory / "manager.sock").stat().st_mode & 0o777 == 0o700
    assert directory.stat().st_mode & 0o777 == 0o700
    assert valkey.net_connections("inet") == []


@pytest.mark.proves("no-default-secrets")
def test_default_accounts_do_not_exist_without_debug(var_dir: Path, tmp_path: Path) -> None:
    # It has the flights already, which take longest, but not yet anybody.
    new = copy_of(var_dir, tmp_path / "var")
    with closing(database(new)) as connection, connection:
        connection.execute("DELETE FROM auth_user")
    terminal = Terminal(
        RUN, new, DEBUG="0", SECRET_KEY="secret" * 10, ALLOWED_HOSTS="waybill.example"
    )
    try:
        terminal.wait_until_ready()
        with closing(database(new)) as connection:
            users = connection.execute("SELECT username FROM auth_user").fetchall()
    finally:
        terminal.close()

    assert users == []
    assert "demo/demo" not in terminal.shown
