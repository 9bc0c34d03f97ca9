"""Read the audit trail, and create clients that it distinguishes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.test import Client

from notifications.models import AuditEntry

if TYPE_CHECKING:
    from django.contrib.auth.models import User

ADDRESS, AGENT = "203.0.113.7", "Firefox/140"


def client_of(user: User | None = None, **more: Any) -> Client:
    """Return a browser with an address and a user agent, in which `user` is signed in."""
    client = Client(REMOTE_ADDR=ADDRESS, headers={"user-agent": AGENT}, **more)
    if user is not None:
        client.force_login(user)
    return client


def entries(*actions: str) -> list[AuditEntry]:
    """Return the entries of these actions, oldest first."""
    return list(AuditEntry.objects.filter(action__in=actions).order_by("pk"))


def only(action: str) -> AuditEntry:
    """Return the only entry of an action."""
    [entry] = entries(action)
    return entry


def people(entry: AuditEntry) -> tuple[str, str]:
    """Return the actor and the owner of an entry."""
    return entry.actor_name, entry.owner_name


def source(entry: AuditEntry) -> tuple[str, str | None, str]:
    """Return the interface, address and user agent of an entry."""
    return entry.interface, entry.address, entry.user_agent


BY_PAGE = ("page", ADDRESS, AGENT)
BY_ADMIN = ("admin", ADDRESS, AGENT)
BY_API = ("api", ADDRESS, AGENT)
BY_TOKEN = ("token", ADDRESS, AGENT)
BY_COMMAND = ("command", None, "")
BY_SYSTEM = ("system", None, "")
