"""The manager's life: started, watched, its processes' words shown, stopped."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING

from django.conf import settings

from config.run.processes import HOST, STOP_SECONDS, config_text, processes
from config.run.readiness import wait_until_ready, welcome
from config.run.terminal import Log, say, show

if TYPE_CHECKING:
    from pathlib import Path

    from config.run.stopping import Stop

LOOK_SECONDS = 0.2
MANAGER = "supervisor"


def serve(port: int, valkey_socket: Path | None, claimed: int, stop: Stop) -> int:
    """Run everything until `stop`. Returns the exit status: 0 if it was asked to stop."""
    log_dir = settings.VAR_DIR / "log"
    log_dir.mkdir(mode=0o700, exist_ok=True)
    listed = processes(port, settings.LOG_LEVEL, valkey_socket)
    config = settings.VAR_DIR / "supervisord.conf"
    config.write_text(config_text(listed, settings.VAR_DIR, log_dir))
    say(f"Starting {', '.join(process.name for process in listed)}. Logs: {log_dir}")
    with ExitStack() as opened:
        logs = {
            process.name: opened.enter_context(closing(Log(process.log(log_dir), process.unshown)))
            for process in listed
            # What Valkey says means nothing to somebody who looks at exports.
            if not process.is_service
        }
        own_log = log_dir / f"{MANAGER}.log"
        stop.wait_instead()
        manager = start_manager(config, own_log, claimed)
        logs[MANAGER] = opened.enter_context(closing(Log(own_log, [" INFO ", "exit request"])))
        threading.Thread(target=greet, args=(port, stop), daemon=True).start()
        while manager.poll() is None and not stop.requested:
            show(logs)
            stop.wait(LOOK_SECONDS)
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
        return subprocess.Popen(  # noqa: S603 - our own words
            [sys.executable, "-m", "config.run.manager", str(config), str(os.getpid())],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            # What settings made absolute stays that, wherever a process changes to.
            env={**os.environ, "VAR_DIR": str(settings.VAR_DIR)},
            # Ctrl-C and a closed terminal reach us alone; we stop the others in order.
            start_new_session=True,
            pass_fds=[claimed],
        )


def stop_manager(manager: subprocess.Popen[bytes], logs: dict[str, Log]) -> None:
    """Stop everything, and return when it has stopped."""
    manager.terminate()
    # Twice: first those that use the services, then the services.
    patience = (2 * STOP_SECONDS + 5) / LOOK_SECONDS
    while manager.poll() is None:
        try:
            manager.wait(LOOK_SECONDS)
        except subprocess.TimeoutExpired:
            patience -= 1
            if patience < 0:
                manager.kill()
        show(logs)


def greet(port: int, stop: Stop) -> None:
    """Say that everything answers, once it does. Runs in a thread."""
    if wait_until_ready(port, settings.ALLOWED_HOSTS, lambda: stop.requested):
        say(welcome(f"http://{HOST}:{port}/", debug=settings.DEBUG))
