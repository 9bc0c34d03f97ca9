"""The one door to the audit trail: what it says, how long it may be, and that it is written."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from django.core.serializers.json import DjangoJSONEncoder

from notifications.audit import origin as origins
from notifications.models import AuditEntry

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from django.contrib.auth.models import User
    from django.http import HttpRequest

    from notifications.audit.actions import Action

MAX_DETAILS_BYTES = 2048  # of JSON
MAX_TEXT = 200  # characters of one text in it
MAX_NAMES = 20  # entries of one list in it


class About(NamedTuple):
    """What an action was done to. Its key is kept as text, and outlives the row."""

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
    """Write an entry, in the transaction of the caller.

    Who acts is `by`, else the user of the current request. `owner` is whose thing it was
    done to, and is kept where that is somebody else. `request` is for signals that come with
    one; else it is the request that is being answered, if there is one.
    """
    entry(action, about, by=by, owner=owner, request=request, details=details).save()


def record_each(action: Action, abouts: Iterable[tuple[About, Mapping[str, Any]]]) -> None:
    """Write an entry for each, with its details: one statement for all."""
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
    """An entry that is not saved yet. As `record`."""
    origin = origins.current() if request is None else origins.of(request)
    actor = by or origin.user
    other = owner if owner is not None and (actor is None or owner.pk != actor.pk) else None
    process = {"command": origin.command, "account": origin.account}
    said = {**(details or {}), **{name: value for name, value in process.items() if value}}
    return AuditEntry(
        action=action,
        actor_key=_key(actor),
        actor_name=_name(actor),
        owner_key=_key(other),
        owner_name=_name(other),
        object_kind=about.kind,
        object_key=visible(about.key),
        object_label=visible(about.label),
        address=origin.address,
        user_agent=visible(origin.user_agent),
        interface=origin.interface,
        details=bounded(said),
    )


def _key(user: User | None) -> str:
    return "" if user is None else visible(str(user.pk))


def _name(user: User | None) -> str:
    return "" if user is None else visible(user.get_username())


def visible(text: str) -> str:
    """At most 200 characters of `text`. Those that are not seen, or steer a terminal, are escaped."""
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode()
        for each in text[:MAX_TEXT]
    )[:MAX_TEXT]


def bounded(details: Mapping[str, Any]) -> dict[str, Any]:
    """As much of `details` as an entry may have; `left_out` names what it could not have."""
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
        return visible(value)
    if isinstance(value, list | tuple):
        short = [_short(each) for each in value[:MAX_NAMES]]
        return [*short, f"… {len(value) - MAX_NAMES} more"] if len(value) > MAX_NAMES else short
    return value
