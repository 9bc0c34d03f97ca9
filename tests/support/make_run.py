"""`make run` in its own terminal, and the processes that it starts."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import select
import shlex
import shutil
import sqlite3
import subprocess
import sys
import termios
from contextlib import closing
from typing import TYPE_CHECKING

import psutil

from config import embedded
from tests.services.environment import settings_in_environment
from tests.services.processes import ROOT
from tests.services.waybill import free_port
from tests.support.waiting import wait_until

if TYPE_CHECKING:
    from pathlib import Path

RUN = [sys.executable, "-m", "config.run"]
# The target of the Makefile, with this Python. `-o` skips the installation.
MAKE_RUN = ["make", "-o", ".venv/requirements.lock.installed", "run", f"PYTHON={sys.executable}"]
MAKE_KILL_WORKER = [*MAKE_RUN[:3], "kill-worker", MAKE_RUN[-1]]
# A script that ignores the end of its terminal. It does not pass on the SIGHUP.
SCRIPT = ["sh", "-c", f"trap : HUP; {shlex.join(RUN)}; exit"]
# Makes the terminal the controlling terminal of the program, so that Ctrl-C and a hang-up reach it.
IN_TERMINAL = [
    sys.executable,
    "-c",
    f"import fcntl, os, sys; fcntl.ioctl(0, {termios.TIOCSCTTY}, 0); "
    f"os.execvp(sys.argv[1], sys.argv[1:])",
]
CTRL_C = b"\x03"
MANAGER = "-m config.run.manager"
# A text that only the command line of that process contains.
NAMES = {"beat": "config beat", "valkey": "valkey", "web": "daphne", "worker": "config worker"}


class Terminal:
    """A terminal that runs one program, and records its output."""

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
        """Return the output so far."""
        while self._screen >= 0 and select.select([self._screen], [], [], 0)[0]:
            try:
                self.shown += os.read(self._screen, 65536).decode(errors="replace")
            except OSError:  # On Linux: all processes have closed the other side.
                break
        return self.shown

    def type(self, keys: bytes) -> None:
        os.write(self._screen, keys)

    def hang_up(self) -> None:
        """Close the terminal."""
        os.close(self._screen)
        self._screen = -1

    def wait_for(self, text: str, seconds: float = 60) -> None:
        def is_shown() -> bool:
            assert text in self.read() or self.program.poll() is None, self.shown
            return text in self.shown

        wait_until(is_shown, seconds, f"{text!r} is shown")

    def wait_until_ready(self) -> None:
        """Wait until Waybill is ready. Loading the data takes ten seconds, or a minute on a busy machine."""
        self.wait_for("Waybill is ready", 240)

    def wait_for_end(self) -> int:
        """Wait until the program in the terminal has ended. Return its exit status."""

        def is_over() -> bool:
            self.read()
            return self.program.poll() is not None

        wait_until(is_over, 40, "the program ends")
        self.read()
        return self.program.returncode

    def processes(self) -> list[psutil.Process]:
        """Return all processes that use its VAR_DIR, whatever their parents are now."""
        return [process for process in psutil.process_iter() if self._is_ours(process)]

    def managers(self) -> list[psutil.Process]:
        return [process for process in self.processes() if MANAGER in command_line(process)]

    def child(self, name: str) -> psutil.Process | None:
        """Return the process that the manager runs under `name`, or None if it does not run."""
        for manager in self.managers():
            for process in manager.children():
                if NAMES[name] in command_line(process):
                    return process
        return None

    def run(self) -> psutil.Process:
        """Return the process of config.run itself."""
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
        # A killed process leaves its directory for the next run to remove. Here there is none.
        shutil.rmtree(embedded.runtime_dir(self.var_dir), ignore_errors=True)

    def _is_ours(self, process: psutil.Process) -> bool:
        try:
            if process.status() == psutil.STATUS_ZOMBIE:
                return False
            # Valkey overwrites its environment with its title, which contains the path of the socket.
            return process.environ().get("VAR_DIR") == str(self.var_dir) or str(
                embedded.runtime_dir(self.var_dir)
            ) in command_line(process)
        except psutil.Error:
            return False


def command_line(process: psutil.Process) -> str:
    """Return the command line, or "" if the process has ended."""
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def clean_environment() -> dict[str, str]:
    """Return our environment without the variables of the tests and of `make test`."""
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


def copy_of(var_dir: Path, copy: Path) -> Path:
    """Copy the database of `var_dir` into the new directory `copy`, and return `copy`."""
    copy.mkdir()
    with closing(database(var_dir)) as original, closing(database(copy)) as target:
        original.backup(target)
    return copy


def database(var_dir: Path) -> sqlite3.Connection:
    return sqlite3.connect(var_dir / "waybill.sqlite3")
