"""Who may read a stream. Each kind of stream, named by the word before the first hyphen,
has one rule; other apps register theirs when they are ready.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

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


def register(kind: str, rule: Rule) -> None:
    """Let those streams named `<kind>-<rest>` be read whose rests `rule(user, rests)` returns."""
    _rules[kind] = rule


def may_read(user: User, stream: str) -> bool:
    """Whether `user` may follow `stream`. No for one that does not exist: the same answer."""
    return stream in readable(user, [stream])


def readable(user: User, streams: Iterable[str]) -> set[str]:
    """Those of `streams` that `user` may follow. Asks each kind's rule once."""
    rests: dict[str, set[str]] = {}
    for stream in filter(NAME.fullmatch, streams):
        kind, _, rest = stream.partition("-")
        rests.setdefault(kind, set()).add(rest)
    return {
        f"{kind}-{rest}"
        for kind, asked in rests.items()
        if user.is_active and kind in _rules
        # A rule that returns more than it was asked for opens no more.
        for rest in asked.intersection(_rules[kind](user, asked))
    }


def user_stream(user: User) -> str:
    """The stream that every user has: what happens to them, on all their devices."""
    return f"user-{user.pk}"


def team_stream(team_id: int) -> str:
    """The stream of a team: of those who are in that group now."""
    return f"team-{team_id}"


def streams_of(user: User) -> list[str]:
    """The streams that a user has without being told of them."""
    return [user_stream(user), *map(team_stream, _team_ids(user))]


def teams_of(user: User) -> QuerySet[Group]:
    """The teams that `user` is in, by name."""
    # A user model of a project's own need not have groups.
    groups: QuerySet[Group] | None = getattr(user, "groups", None)
    return Group.objects.none() if groups is None else groups.order_by("name")


def _team_ids(user: User) -> list[int]:
    return list(teams_of(user).order_by("pk").values_list("pk", flat=True))


def _own(user: User, rests: Collection[str]) -> set[str]:
    return {str(user.pk)}.intersection(rests)


def _in_team(user: User, rests: Collection[str]) -> set[str]:
    # One spelling: "team-07" would be another stream's name.
    return {str(pk) for pk in _team_ids(user)}.intersection(rests)


register("user", _own)
register("team", _in_team)
