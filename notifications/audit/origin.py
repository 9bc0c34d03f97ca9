"""Who acts, from where, and how: what `record` writes beside each action."""

from __future__ import annotations

import getpass
import sys
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from notifications.address import client_address
from notifications.audit.actions import Interface

if TYPE_CHECKING:
    from collections.abc import Iterator

    from django.contrib.auth.models import User
    from django.http import HttpRequest

# Django's command line. A process that was started by it runs a command.
COMMAND_LINES = ("manage.py", "django-admin", "django/__main__.py")


@dataclass(frozen=True)
class Origin:
    """Where an action comes from. Without a request it is this process."""

    interface: Interface
    user: User | None = None
    address: str | None = None
    user_agent: str = ""
    command: str = ""  # of Django's command line
    account: str = ""  # of the operating system


_request: ContextVar[HttpRequest | None] = ContextVar("audited_request", default=None)


@contextmanager
def answering(request: HttpRequest) -> Iterator[None]:
    """In the block, actions come from `request`. The middleware calls it."""
    token = _request.set(request)
    try:
        yield
    finally:
        _request.reset(token)


def current() -> Origin:
    """The origin of what this code does now."""
    request = _request.get()
    return _of_process() if request is None else of(request)


def of(request: HttpRequest) -> Origin:
    """The origin of what `request` does."""
    user = getattr(request, "user", None)
    return Origin(
        interface=_interface(request),
        user=user if user is not None and user.is_authenticated else None,
        address=client_address(request),
        user_agent=request.headers.get("User-Agent", ""),
    )


def _interface(request: HttpRequest) -> Interface:
    apps = request.resolver_match.app_names if request.resolver_match else []
    if "admin" in apps:
        return Interface.ADMIN
    if "ninja" in apps:
        # `auth` refuses a request whose header is not a valid token.
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
    except (KeyError, OSError):  # A container may run as a number without a name.
        return ""
