"""Who may read a stream. Each kind of stream, named by the word before the first hyphen,
has one rule; other apps register theirs when they are ready.
"""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from django.contrib.auth.models import Group

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from django.contrib.auth.models import User
    from django.db.models import QuerySet

    # Given the user and what follows the hyphen in the names of streams of this kind: those
    # that the user may read. Asked for all of a socket at once, so make it one query.
    Rule = Callable[[User, Collection[str]], Collection[str]]

_rules: dict[str, Rule] = {}

# What Channels takes for the name of a group.
NAME = re.compile(r"[A-Za-z0-9._-]{1,99}")
UNSAFE = re.compile(r"[^A-Za-z0-9_-]")
MAX_KEY_LENGTH = 90  # Characters. The kind of the stream and a hyphen come before it.


def register(kind: str, rule: Rule) -> None:
    """Let those streams named `<kind>-<key>` be read whose keys `rule(user, keys)` returns."""
    _rules[kind] = rule


def may_read(user: User, stream: str) -> bool:
    """Whether `user` may follow `stream`. No for one that does not exist: the same answer."""
    return stream in readable(user, [stream])


def readable(user: User, streams: Iterable[str]) -> set[str]:
    """Those of `streams` that `user` may follow. Asks each kind's rule once."""
    keys: dict[str, set[str]] = {}
    for stream in filter(NAME.fullmatch, streams):
        kind, _, key = stream.partition("-")
        keys.setdefault(kind, set()).add(key)
    return {
        f"{kind}-{key}"
        for kind, requested in keys.items()
        if user.is_active and kind in _rules
        # A rule that returns more than it was requested for opens no more.
        for key in requested.intersection(_rules[kind](user, requested))
    }


def key_name(pk: object) -> str:
    """A primary key as part of a stream's name: another for each key, whatever its type.

    A character that Channels does not take in the name of a group becomes its bytes in
    hexadecimal, each after a dot: "ann@example.com" is "ann.40example.2ecom". A key that
    would be too long is its SHA-256, after two dots.
    """
    text = str(pk)
    name = UNSAFE.sub(lambda found: _as_bytes(found[0]), text)
    if len(name) <= MAX_KEY_LENGTH:
        return name
    return f"..{hashlib.sha256(text.encode()).hexdigest()}"


def _as_bytes(text: str) -> str:
    return "".join(f".{byte:02x}" for byte in text.encode(errors="surrogatepass"))


def key_of(name: str) -> str | None:
    """The key that `key_name` has given this name; None for one that was too long."""
    if name.startswith(".."):
        return None
    quoted = re.sub(r"\.([0-9a-f]{2})", r"%\1", name)
    return unquote(quoted)


def user_stream(user: User) -> str:
    """The stream that every user has: what happens to them, on all their devices."""
    return stream_of_user(user.pk)


def stream_of_user(pk: object) -> str:
    """That of the user with this primary key."""
    return f"user-{key_name(pk)}"


def team_stream(team_id: object) -> str:
    """The stream of a team: of those who are in that group now."""
    return f"team-{key_name(team_id)}"


def streams_of(user: User) -> list[str]:
    """The streams that a user has without being told of them."""
    return [user_stream(user), *map(team_stream, _team_ids(user))]


def teams_of(user: User) -> QuerySet[Group]:
    """The teams that `user` is in, by name."""
    # A user model of a project's own need not have groups.
    groups: QuerySet[Group] | None = getattr(user, "groups", None)
    return Group.objects.none() if groups is None else groups.order_by("name")


def _team_ids(user: User) -> list[Any]:
    return list(teams_of(user).order_by("pk").values_list("pk", flat=True))


def _own(user: User, keys: Collection[str]) -> set[str]:
    return {key_name(user.pk)}.intersection(keys)


def _in_team(user: User, keys: Collection[str]) -> set[str]:
    # One spelling: "team-07" would be another stream's name.
    return {key_name(pk) for pk in _team_ids(user)}.intersection(keys)


register("user", _own)
register("team", _in_team)
