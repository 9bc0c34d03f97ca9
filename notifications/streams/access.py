"""Access to streams. Each kind of stream has one rule that decides who may read it.

The kind is the word before the first hyphen of the stream's name. Other apps register the rules for
their kinds in `AppConfig.ready`.
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

    # A rule takes a user and keys, which are the parts of stream names after the first hyphen. It
    # returns the keys of the streams that the user may read. It gets the keys of all streams of a
    # socket in one call, so that one query is enough.
    Rule = Callable[[User, Collection[str]], Collection[str]]

_rules: dict[str, Rule] = {}

# The names that Channels allows for groups.
NAME = re.compile(r"[A-Za-z0-9._-]{1,99}")
UNSAFE = re.compile(r"[^A-Za-z0-9_-]")
MAX_KEY_LENGTH = 90  # Characters. The kind and a hyphen may take the other 9 of 99.


def register(kind: str, rule: Rule) -> None:
    """Register the rule for streams named `<kind>-<key>`.

    `rule(user, keys)` returns the keys of the streams that `user` may read.
    """
    _rules[kind] = rule


def may_read(user: User, stream: str) -> bool:
    """Return whether `user` may follow `stream`. False for a stream that does not exist, too."""
    return stream in readable(user, [stream])


def readable(user: User, streams: Iterable[str]) -> set[str]:
    """Return the names in `streams` that `user` may follow. Calls the rule of each kind once."""
    keys: dict[str, set[str]] = {}
    for stream in filter(NAME.fullmatch, streams):
        kind, _, key = stream.partition("-")
        keys.setdefault(kind, set()).add(key)
    return {
        f"{kind}-{key}"
        for kind, requested in keys.items()
        if user.is_active and kind in _rules
        # The intersection drops keys that were not requested, if a rule returns such keys.
        for key in requested.intersection(_rules[kind](user, requested))
    }


def key_name(pk: object) -> str:
    """Encode a primary key of any type for the name of a stream. Different keys stay different.

    A character that Channels does not allow in the name of a group is replaced by its bytes in
    hexadecimal, each after a dot: "ann@example.com" becomes "ann.40example.2ecom". A key that is
    too long is replaced by two dots and its SHA-256.
    """
    text = str(pk)
    name = UNSAFE.sub(lambda found: _as_bytes(found[0]), text)
    if len(name) <= MAX_KEY_LENGTH:
        return name
    return f"..{hashlib.sha256(text.encode()).hexdigest()}"


def _as_bytes(text: str) -> str:
    return "".join(f".{byte:02x}" for byte in text.encode(errors="surrogatepass"))


def key_of(name: str) -> str | None:
    """Decode a result of `key_name`. Return None if the key was too long to be part of the name."""
    if name.startswith(".."):
        return None
    quoted = re.sub(r"\.([0-9a-f]{2})", r"%\1", name)
    return unquote(quoted)


def user_stream(user: User) -> str:
    """Return the name of the user's own stream, which all of their devices follow."""
    return stream_of_user(user.pk)


def stream_of_user(pk: object) -> str:
    """Like `user_stream`, for the primary key of a user."""
    return f"user-{key_name(pk)}"


def team_stream(team_id: object) -> str:
    """Return the name of a team's stream. The current members of the group may read it."""
    return f"team-{key_name(team_id)}"


def streams_of(user: User) -> list[str]:
    """Return the names of the user's own stream and of the streams of their teams."""
    return [user_stream(user), *map(team_stream, _team_ids(user))]


def teams_of(user: User) -> QuerySet[Group]:
    """Return the teams of `user`, ordered by name."""
    # A custom user model may lack groups.
    groups: QuerySet[Group] | None = getattr(user, "groups", None)
    return Group.objects.none() if groups is None else groups.order_by("name")


def _team_ids(user: User) -> list[Any]:
    return list(teams_of(user).order_by("pk").values_list("pk", flat=True))


def _own(user: User, keys: Collection[str]) -> set[str]:
    return {key_name(user.pk)}.intersection(keys)


def _in_team(user: User, keys: Collection[str]) -> set[str]:
    # Names are compared instead of numbers, because "team-07" is not the stream of team 7.
    return {key_name(pk) for pk in _team_ids(user)}.intersection(keys)


register("user", _own)
register("team", _in_team)
