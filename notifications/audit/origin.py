"""The origin of an action: the user, the client's address, the interface or the command."""

from __future__ import annotations

import getpass
import sys
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from notifications.audit_actions import Interface
from notifications.client_address import client_address

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.contrib.auth.models import User
    from django.http import HttpRequest

# The programs of Django's command line. A process with one of these names runs a command.
COMMAND_LINES = ("manage.py", "django-admin", "django/__main__.py")


@dataclass(frozen=True)
class Origin:
    """The origin of an action: a request, or else this process."""

    interface: Interface
    user: User | None = None
    address: str | None = None
    user_agent: str = ""
    command: str = ""  # The name of the Django command.
    account: str = ""  # The user of the operating system.


_request: ContextVar[HttpRequest | None] = ContextVar("audited_request", default=None)


@contextmanager
def handling(request: HttpRequest) -> Iterator[None]:
    """Make `request` the origin of every action in the block. The middleware calls this."""
    token = _request.set(request)
    try:
        yield
    finally:
        _request.reset(token)


def current() -> Origin:
    """Return the origin of an action that happens at this moment."""
    request = _request.get()
    return _of_process() if request is None else of(request)


def of(request: HttpRequest) -> Origin:
    """Return the origin of actions in `request`."""
    user = getattr(request, "user", None)
    return Origin(
        interface=_interface(request),
        user=user if user is not None and user.is_authenticated else None,
        address=client_address(request),
        user_agent=request.headers.get("User-Agent", ""),
    )


def _interface(request: HttpRequest) -> Interface:
    # Django's URLconf has no WebSockets, so the type of the connection is checked first.
    if getattr(request, "scope", {}).get("type") == "websocket":
        return Interface.SOCKET
    apps = request.resolver_match.app_names if request.resolver_match else []
    if "admin" in apps:
        return Interface.ADMIN
    if "ninja" in apps:
        # Requests with a wrong token in this header are refused (`api.auth`).
        return Interface.TOKEN if "Authorization" in request.headers else Interface.API
    return Interface.PAGE


def _of_process() -> Origin:
    program, *words = sys.argv
    if not any(Path(program).match(each) for each in COMMAND_LINES):
        return Origin(Interface.SYSTEM)
    return Origin(Interface.COMMAND, command=" ".join(words[:1]), account=_account())


def _account() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # A container may run with a user id that has no name.
        return ""
