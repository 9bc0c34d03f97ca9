"""`make run` as a person meets it: started in a terminal, killed in parts, stopped."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import select
import shlex
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import termios
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from config import embedded
from tests.services.environment import settings_in_environment
from tests.services.processes import ROOT
from tests.services.waybill import free_port
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

RUN = [sys.executable, "-m", "config.run"]
# As the Makefile has it, but with this Python, and nothing installed.
MAKE_RUN = ["make", "-o", ".venv/requirements.lock.installed", "run", f"PYTHON={sys.executable}"]
MAKE_KILL_WORKER = [*MAKE_RUN[:3], "kill-worker", MAKE_RUN[-1]]
# In a script that survives the end of its terminal, and so keeps it from us.
SCRIPT = ["sh", "-c", f"trap : HUP; {shlex.join(RUN)}; exit"]
# What a terminal does for its first program: it becomes what Ctrl-C and hanging up reach.
IN_TERMINAL = [
    sys.executable,
    "-c",
    f"import fcntl, os, sys; fcntl.ioctl(0, {termios.TIOCSCTTY}, 0); "
    f"os.execvp(sys.argv[1], sys.argv[1:])",
]
CTRL_C = b"\x03"
MANAGER = "-m config.run.manager"
# What the command line of each has that no other's has.
NAMES = {"beat": "config beat", "valkey": "valkey", "web": "daphne", "worker": "config worker"}


class Terminal:
    """A terminal in which one program runs, and what it shows."""

    def __init__(self, command: list[str], var_dir: Path, **env: str) -> None:
        self.var_dir = var_dir
        self.port = free_port()
        self.shown = ""
        self._screen, program_side = os.openpty()
        self.program = subprocess.Popen(
            [*IN_TERMINAL, *command],
            **dict.fromkeys(("stdin", "stdout", "stderr"), program_side),
            start_new_session=True,
            cwd=ROOT,
            env=clean_environment() | {"VAR_DIR": str(var_dir), "PORT": str(self.port)} | env,
        )
        os.close(program_side)

    def read(self) -> str:
        """Everything shown so far."""
        while self._screen >= 0 and select.select([self._screen], [], [], 0)[0]:
            try:
                self.shown += os.read(self._screen, 65536).decode(errors="replace")
            except OSError:  # On Linux: nobody has the other side open any more.
                break
        return self.shown

    def type(self, keys: bytes) -> None:
        os.write(self._screen, keys)

    def hang_up(self) -> None:
        """Close the window."""
        os.close(self._screen)
        self._screen = -1

    def wait_for(self, text: str, seconds: float = 60) -> None:
        def is_shown() -> bool:
            assert text in self.read() or self.program.poll() is None, self.shown
            return text in self.shown

        wait_until(is_shown, seconds, f"{text!r} is shown")

    def wait_until_ready(self) -> None:
        """Loading the data takes ten seconds, and a minute where others are at work, too."""
        self.wait_for("Waybill is ready", 240)

    def wait_for_end(self) -> int:
        """Wait until the program in the terminal has ended; its exit status."""

        def is_over() -> bool:
            self.read()
            return self.program.poll() is not None

        wait_until(is_over, 40, "the program ends")
        self.read()
        return self.program.returncode

    def processes(self) -> list[psutil.Process]:
        """All that run on its data, whoever their parents are now."""
        return [process for process in psutil.process_iter() if self._is_ours(process)]

    def managers(self) -> list[psutil.Process]:
        return [process for process in self.processes() if MANAGER in command_line(process)]

    def child(self, name: str) -> psutil.Process | None:
        """The process that the manager runs by that name, if it runs now."""
        for manager in self.managers():
            for process in manager.children():
                if NAMES[name] in command_line(process):
                    return process
        return None

    def run(self) -> psutil.Process:
        """The process of config.run itself."""
        [found] = [
            process
            for process in self.processes()
            if command_line(process).endswith(f"-m {RUN[-1]}")
        ]
        return found

    def close(self) -> None:
        if self._screen >= 0:
            self.hang_up()
        for process in self.processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        self.program.wait(timeout=15)
        # Who is killed leaves its directory to the next run; here none comes.
        shutil.rmtree(embedded.runtime_dir(self.var_dir), ignore_errors=True)

    def _is_ours(self, process: psutil.Process) -> bool:
        try:
            if process.status() == psutil.STATUS_ZOMBIE:
                return False
            # Valkey writes its title over its environment, but the title has the socket.
            return process.environ().get("VAR_DIR") == str(self.var_dir) or str(
                embedded.runtime_dir(self.var_dir)
            ) in command_line(process)
        except psutil.Error:
            return False


def command_line(process: psutil.Process) -> str:
    """Empty if it has ended meanwhile."""
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def clean_environment() -> dict[str, str]:
    """Ours, without what the tests, or a `make test` around them, have said to Django and make."""
    unwanted = {*settings_in_environment(), "MAKELEVEL", "MAKEFLAGS", "MFLAGS", "MAKEOVERRIDES"}
    return {name: value for name, value in os.environ.items() if name not in unwanted}


def health(port: int) -> dict[str, str]:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as web:
        try:
            web.request("GET", "/health/ready")
            return json.load(web.getresponse())["checks"]
        except OSError as error:
            return {"web": str(error)}


def is_well(port: int) -> bool:
    return set(health(port).values()) == {"ok"}


@pytest.fixture(scope="module")
def lasting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Terminal]:
    """The first run on an empty directory. It goes on, so leave it well."""
    terminal = Terminal(RUN, tmp_path_factory.mktemp("lasting") / "var")
    try:
        terminal.wait_until_ready()
        yield terminal
    finally:
        terminal.close()


@pytest.fixture(scope="module")
def var_dir(lasting: Terminal, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory like that of the lasting run, for runs that are stopped."""
    return copy_of(lasting.var_dir, tmp_path_factory.mktemp("copy") / "var")


def copy_of(var_dir: Path, copy: Path) -> Path:
    """Its database, in the new directory `copy`."""
    copy.mkdir()
    with closing(database(var_dir)) as original, closing(database(copy)) as target:
        original.backup(target)
    return copy


def database(var_dir: Path) -> sqlite3.Connection:
    return sqlite3.connect(var_dir / "waybill.sqlite3")


@pytest.fixture
def start(var_dir: Path) -> Iterator[Callable[..., Terminal]]:
    """Run a command on the copied data, in a terminal of its own, beside the lasting run."""
    started: list[Terminal] = []

    def start_one(command: list[str] = RUN, **env: str) -> Terminal:
        started.append(Terminal(command, var_dir, **env))
        return started[-1]

    yield start_one
    for terminal in started:
        terminal.close()


@pytest.fixture
def terminal(start: Callable[..., Terminal]) -> Terminal:
    """A run on the copied data that is ready."""
    running = start()
    running.wait_until_ready()
    return running


def test_first_run_loads_the_data_and_confesses_its_logins(lasting: Terminal) -> None:
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
def test_killed_child_comes_back(lasting: Terminal, name: str) -> None:
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


@pytest.mark.parametrize("command", [RUN, MAKE_RUN], ids=["run", "make"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signal_to_the_top_alone_stops_everything(
    start: Callable[..., Terminal], command: list[str], number: signal.Signals
) -> None:
    terminal = start(command)
    terminal.wait_until_ready()

    terminal.program.send_signal(number)
    terminal.wait_for_end()

    assert terminal.processes() == []
    assert "Stopped." in terminal.shown


@pytest.mark.proves("make-run-leaves-no-process")
def test_ctrl_c_stops_everything(start: Callable[..., Terminal]) -> None:
    terminal = start(MAKE_RUN)
    terminal.wait_until_ready()

    terminal.type(CTRL_C)
    terminal.wait_for_end()

    assert terminal.processes() == []
    assert "\nTraceback" not in terminal.shown


@pytest.mark.proves("make-run-leaves-no-process")
@pytest.mark.parametrize("command", [MAKE_RUN, SCRIPT], ids=["make", "script"])
def test_closed_terminal_stops_everything(
    start: Callable[..., Terminal], command: list[str]
) -> None:
    terminal = start(command)
    terminal.wait_until_ready()

    terminal.hang_up()
    terminal.wait_for_end()

    assert terminal.processes() == []


@pytest.mark.parametrize(
    ("moment", "number"), [("Migrating", signal.SIGINT), ("Starting", signal.SIGTERM)]
)
def test_signal_while_starting_stops_everything(
    start: Callable[..., Terminal], moment: str, number: signal.Signals
) -> None:
    terminal = start()
    terminal.wait_for(moment)

    terminal.program.send_signal(number)
    status = terminal.wait_for_end()

    assert status == 0
    assert terminal.processes() == []
    assert "Waybill is ready" not in terminal.shown
    assert "killing" not in terminal.shown


def test_signal_to_newborn_processes_stops_everything(start: Callable[..., Terminal]) -> None:
    terminal = start()
    wait_until(lambda: terminal.child("beat"), 60, "the last of the processes is there")

    terminal.program.send_signal(signal.SIGHUP)
    terminal.wait_for_end()

    assert terminal.processes() == []
    assert "Waybill is ready" not in terminal.shown
    assert "killing" not in terminal.shown


@pytest.mark.proves("make-run-leaves-no-process")
def test_run_that_is_killed_leaves_nothing(terminal: Terminal) -> None:
    terminal.run().kill()

    wait_until(lambda: not terminal.processes(), 20, "all processes end")


def test_next_run_waits_for_what_a_killed_one_left(start: Callable[..., Terminal]) -> None:
    killed = start()
    killed.wait_until_ready()
    [manager] = killed.managers()
    manager.suspend()
    killed.program.kill()
    killed.program.wait(timeout=15)

    following = start()
    following.wait_for("The last run was killed.")
    manager.resume()

    following.wait_until_ready()
    assert not manager.is_running()


def test_make_that_is_killed_leaves_nothing(start: Callable[..., Terminal]) -> None:
    terminal = start(MAKE_RUN)
    terminal.wait_until_ready()

    terminal.program.kill()

    wait_until(lambda: not terminal.processes(), 20, "all processes end")


@pytest.mark.proves("make-run-leaves-no-process")
@pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux tells a process of its parent's end"
)
def test_manager_that_is_killed_takes_everything_along(terminal: Terminal) -> None:
    [manager] = terminal.managers()

    manager.kill()
    status = terminal.wait_for_end()

    assert status == 1
    assert "supervisord ended by itself" in terminal.shown
    wait_until(lambda: not terminal.processes(), 10, "all processes end")


def test_run_whose_reader_is_gone_stops(start: Callable[..., Terminal]) -> None:
    """As in `make run | head -1`."""
    terminal = start(["sh", "-c", f"{shlex.join(RUN)} | head -1"])

    terminal.wait_for_end()

    assert terminal.processes() == []


def test_second_run_of_the_same_data_says_where_the_first_is(lasting: Terminal) -> None:
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


def test_valkey_is_behind_a_door_of_ours_alone(lasting: Terminal) -> None:
    valkey = lasting.child("valkey")
    assert valkey is not None
    directory = Path(valkey.cwd())

    assert {path.name for path in directory.iterdir()} == {"manager.sock", "valkey.sock"}
    assert (directory / "manager.sock").stat().st_mode & 0o777 == 0o700
    assert directory.stat().st_mode & 0o777 == 0o700
    assert valkey.net_connections("inet") == []


@pytest.mark.proves("no-default-secrets")
def test_without_debug_nobody_gets_a_known_password(var_dir: Path, tmp_path: Path) -> None:
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
