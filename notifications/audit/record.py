"""Write entries of the audit trail. No other module creates or saves one.

Every text is shortened and escaped here, so an entry has at most a few kilobytes.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from django.core.serializers.json import DjangoJSONEncoder

from notifications.audit import origin as origins
from notifications.models import AuditEntry, Token
from notifications.printable import visible

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from django.contrib.auth.models import User
    from django.http import HttpRequest

    from notifications.audit_actions import Action

MAX_DETAILS_BYTES = 2048  # Bytes of the details as JSON.
MAX_TEXT = 200  # Characters of one text.
MAX_NAMES = 20  # Items of one list in the details.


class About(NamedTuple):
    """The object of an action. The key is text, so that the entry can outlive the row."""

    kind: str = ""
    key: str = ""
    label: str = ""


def about_user(user: User) -> About:
    return About("user", str(user.pk), user.get_username())


def record(
    action: Action,
    about: About = About(),  # noqa: B008 - immutable
    *,
    by: User | None = None,
    owner: User | None = None,
    request: HttpRequest | None = None,
    details: Mapping[str, Any] | None = None,
) -> None:
    """Write an entry in the transaction of the caller.

    The actor is `by`, or else the user of the request. `owner` is the owner of the object; it is
    stored if it is not the actor. `request` is for signals that pass one. The default is the
    current request, if there is one.
    """
    entry(action, about, by=by, owner=owner, request=request, details=details).save()


def record_each(action: Action, abouts: Iterable[tuple[About, Mapping[str, Any]]]) -> None:
    """Write an entry for each object, with its details, in one statement."""
    AuditEntry.objects.bulk_create(
        [entry(action, about, details=details) for about, details in abouts], batch_size=500
    )


def entry(
    action: Action,
    about: About,
    *,
    by: User | None = None,
    owner: User | None = None,
    request: HttpRequest | None = None,
    details: Mapping[str, Any] | None = None,
) -> AuditEntry:
    """Return an entry that is not saved yet. The arguments are those of `record`."""
    origin = origins.current() if request is None else origins.of(request)
    actor = by or origin.user
    other = owner if owner is not None and (actor is None or owner.pk != actor.pk) else None
    process = {"command": origin.command, "account": origin.account}
    known = {**(details or {}), **{name: value for name, value in process.items() if value}}
    return AuditEntry(
        action=action,
        actor_key=_key(actor),
        actor_name=_name(actor),
        owner_key=_key(other),
        owner_name=_name(other),
        object_kind=about.kind,
        object_key=visible(about.key, MAX_TEXT),
        object_label=visible(about.label, MAX_TEXT),
        address=origin.address,
        user_agent=visible(origin.user_agent, MAX_TEXT),
        interface=origin.interface,
        details=bounded(known),
    )


def _key(user: User | None) -> str:
    return "" if user is None else visible(str(user.pk), MAX_TEXT)


def _name(user: User | None) -> str:
    return "" if user is None else visible(user.get_username(), MAX_TEXT)


def bounded(details: Mapping[str, Any]) -> dict[str, Any]:
    """Return the details that fit in an entry. `left_out` names the first one that does not."""
    kept: dict[str, Any] = {}
    for name, value in details.items():
        more = {**kept, name: _short(value)}
        if len(json.dumps(more, cls=DjangoJSONEncoder)) > MAX_DETAILS_BYTES - 100:
            kept["left_out"] = name
            break
        kept = more
    return kept


def _short(value: Any) -> Any:
    if isinstance(value, str):
        return visible(value, MAX_TEXT)
    if isinstance(value, list | tuple):
        short = [_short(each) for each in value[:MAX_NAMES]]
        return [*short, f"… {len(value) - MAX_NAMES} more"] if len(value) > MAX_NAMES else short
    return value


def about_token(token: Token) -> About:
    """Return `token` as the object of an action."""
    return About("token", str(token.pk), token.note)
