"""Start the manager, show the output of its processes, and stop it."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING

from django.conf import settings

from config import embedded
from config.run.processes import HOST, STOP_SECONDS, config_text, processes
from config.run.readiness import wait_until_ready, welcome
from config.run.terminal import Log, say, show

if TYPE_CHECKING:
    from pathlib import Path

    from config.run.stopping import Stop

PAUSE_SECONDS = 0.2
MANAGER = "supervisor"


def serve(port: int, claimed: int, stop: Stop) -> int:
    """Run everything until `stop`. Return the exit status, which is 1 if the manager ended."""
    var_dir = settings.VAR_DIR
    log_dir = var_dir / "log"
    log_dir.mkdir(mode=0o700, exist_ok=True)
    # With REDIS_URL, another server is used.
    valkey_socket = None if "REDIS_URL" in os.environ else embedded.valkey_socket(var_dir)
    listed = processes(port, settings.LOG_LEVEL, valkey_socket)
    config = var_dir / "supervisord.conf"
    config.write_text(config_text(listed, var_dir, log_dir, embedded.manager_socket(var_dir)))
    say(f"Starting {', '.join(process.name for process in listed)}. Logs: {log_dir}")
    with ExitStack() as opened:
        logs = {
            process.name: opened.enter_context(closing(Log(process.log(log_dir), process.hidden)))
            for process in listed
            # The logs of services say nothing about exports.
            if not process.is_service
        }
        own_log = log_dir / f"{MANAGER}.log"
        stop.only_record()
        manager = start_manager(config, own_log, claimed)
        # The socket needs no password, because its directory is private.
        hidden = [" INFO ", "exit request", "HTTP authentication"]
        logs[MANAGER] = opened.enter_context(closing(Log(own_log, hidden)))
        threading.Thread(target=greet, args=(port, stop), daemon=True).start()
        while manager.poll() is None and not stop.requested:
            show(logs)
            time.sleep(PAUSE_SECONDS)
        if not stop.requested:
            show(logs)
            say(f"supervisord ended by itself (status {manager.returncode}), and all with it.")
            return 1
        say("Stopping.")
        stop_manager(manager, logs)
        say("Stopped.")
        return 0


def start_manager(config: Path, log: Path, claimed: int) -> subprocess.Popen[bytes]:
    with log.open("wb") as output:
        return subprocess.Popen(  # noqa: S603 - fixed arguments
            [sys.executable, "-m", "config.run.manager", str(config), str(os.getpid())],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            # The processes may have other working directories, so the path must be absolute.
            env={**os.environ, "VAR_DIR": str(settings.VAR_DIR)},
            # Only this process gets Ctrl-C and the end of the terminal. It stops the others.
            start_new_session=True,
            pass_fds=[claimed],
        )


def stop_manager(manager: subprocess.Popen[bytes], logs: dict[str, Log]) -> None:
    """Stop all processes, and return when they have stopped."""
    manager.terminate()
    # Services stop after the other processes, so a stop may take twice as long.
    kill_at = time.monotonic() + 2 * STOP_SECONDS + 5
    while manager.poll() is None:
        if time.monotonic() > kill_at:
            manager.kill()
        time.sleep(PAUSE_SECONDS)
        show(logs)


def greet(port: int, stop: Stop) -> None:
    """Welcome the user when everything is ready. Runs in a thread."""
    if wait_until_ready(port, settings.ALLOWED_HOSTS, lambda: stop.requested):
        say(welcome(f"http://{HOST}:{port}/", debug=settings.DEBUG))
