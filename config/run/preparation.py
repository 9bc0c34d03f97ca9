"""Prepare what the processes of `make run` need: a port, a directory, tables, data and users."""

from __future__ import annotations

import io
import shutil
import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING

from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import Error as DatabaseError
from django.db import connections

from config import embedded
from config.run import CannotRunError
from config.run.processes import HOST
from config.run.terminal import say

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LAST_PORT = 65535


def port_from(text: str) -> int:
    """Return the port number in `text`. Raise CannotRunError if it is not one."""
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= LAST_PORT):
        raise CannotRunError(f"PORT must be a number from 1 to {LAST_PORT}, not {text!r}.")
    return int(text)


def ensure_free(port: int) -> None:
    """Raise CannotRunError if another program uses the port."""
    with socket.socket() as probe:
        # As for Daphne, closed connections of an earlier run must not block the port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            other = port + 1 if port < LAST_PORT else port - 1
            raise CannotRunError(
                f"Port {port} cannot be used ({error.strerror}). Try: make run PORT={other}"
            ) from error


@contextmanager
def private_directory(path: Path) -> Iterator[None]:
    """Create a directory for sockets. Delete it afterwards, with the sockets of killed servers."""
    try:
        embedded.make_private(path)
    except PermissionError as error:
        raise CannotRunError(str(error)) from error
    try:
        yield
    finally:
        shutil.rmtree(path, ignore_errors=True)


def prepare_database() -> None:
    """Create tables, data and users. A step with nothing to do takes no time."""
    # The package has models, which need django.setup().
    from notifications.streams import push  # noqa: PLC0415 - see above

    try:
        call_command("check", stdout=io.StringIO())
        say("Migrating the database.")
        call_command("migrate", interactive=False, verbosity=0)
        call_command("load_demo")
        if settings.DEBUG:
            with push.muted():  # Valkey does not run yet, so changes of rights cannot be pushed.
                call_command("create_demo_accounts", stdout=io.StringIO())
        else:
            say("Collecting the static files.")
            call_command("collectstatic", interactive=False, verbosity=0)
    except CommandError as error:
        raise CannotRunError(str(error)) from error
    except DatabaseError as error:
        raise CannotRunError(f"The database refused: {error}") from error
    finally:
        connections.close_all()
