"""What must be there before the processes start: a port, tables, data, people."""

from __future__ import annotations

import contextlib
import io
import os
import socket
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

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

LAST_PORT = 65535


def port_from(text: str) -> int:
    """The port that the environment asks for. Raises CannotRunError if it is none."""
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= LAST_PORT):
        raise CannotRunError(f"PORT must be a number from 1 to {LAST_PORT}, not {text!r}.")
    return int(text)


def ensure_free(port: int) -> None:
    """Raises CannotRunError if another program has the port."""
    with closing(socket.socket()) as probe:
        # As Daphne does: connections that an earlier run closed do not count.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            other = port + 1 if port < LAST_PORT else port - 1
            raise CannotRunError(
                f"Port {port} cannot be used ({error.strerror}). Try: make run PORT={other}"
            ) from error


@contextmanager
def valkey_directory() -> Iterator[Path | None]:
    """A private directory for our own Valkey's socket, whose path it gives, while it runs.

    Gives None if REDIS_URL is set: then a Redis runs elsewhere.
    """
    if "REDIS_URL" in os.environ:
        yield None
        return
    path = Path(urlsplit(settings.REDIS_URL).path)
    try:
        embedded.make_private(path.parent)
    except PermissionError as error:
        raise CannotRunError(str(error)) from error
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)  # There only if Valkey was killed.
        with contextlib.suppress(OSError):
            path.parent.rmdir()


def prepare_database() -> None:
    """Tables, data and accounts. Each step returns at once when there is nothing to do."""
    # Not above: the package has models, which need django.setup().
    from notifications.streams import push  # noqa: PLC0415

    try:
        call_command("check", stdout=io.StringIO())
        say("Migrating the database.")
        call_command("migrate", interactive=False, verbosity=0)
        call_command("load_demo")
        if settings.DEBUG:
            with push.muted():  # Of rights that changed: Valkey is not there yet.
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
