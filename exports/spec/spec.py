"""The spec of an export: a validated request for rows and columns in a format.

A face builds it once, and hands it to `preview`, `presets.save` or `lifecycle.start`.

Two specs for the same file under the same name have the same fingerprint. The time zone counts,
and what the project keeps of the request; the language only where the file may depend on it.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from django.core.serializers.json import DjangoJSONEncoder
from django.utils.functional import Promise

from exports.exceptions import UnknownFormat, UnknownTeam
from exports.exporters import registry
from exports.exporters.querysets import has_own_scope
from exports.i18n.labels import in_each_language, trimmed
from exports.i18n.message import Message
from exports.models import Format
from exports.spec import options as format_options
from exports.spec import queryset, refusals, sizes
from exports.spec.columns import choose_columns
from exports.spec.context import LANGUAGE, activated, with_language
from notifications.streams.access import teams_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from django.contrib.auth.models import Group, User
    from django.utils.functional import _StrPromise

    from exports.models import Export


@dataclass(frozen=True)
class ExportSpec:
    """What an export is to contain. It is valid, so it can be saved as it is."""

    owner: User
    team: Group | None
    exporter: str
    label: str
    is_named: bool  # False for a default label, which is in the language of the request.
    labels: dict[str, str] | None  # The default label in each language; None for a given name.
    format: str
    options: dict[str, Any]
    params: dict[str, Any]
    consistency: str
    context: dict[str, Any]

    @property
    def fields(self) -> dict[str, Any]:
        """The fields of an `Export` that this spec sets."""
        own = {name: value for name, value in vars(self).items() if name != "is_named"}
        return {**own, "fingerprint": self.fingerprint}

    @property
    def _context_that_counts(self) -> dict[str, Any]:
        """Not the language of the request, where nothing in the file is said in it."""
        speaks = self._speaks
        return {name: value for name, value in self.context.items() if speaks or name != LANGUAGE}

    @property
    def _speaks(self) -> bool:
        """Whether rows or columns may depend on the language of the request.

        They may where the project's code is asked: of a filter's method nobody knows.
        """
        exporter, names = registry.get(self.exporter), self.params.get("columns")
        has_code = exporter.filterset is not None or has_own_scope(exporter)
        return (
            has_code
            or "changelist" in self.params
            or any(
                column.python is not None or isinstance(column.header, Promise)
                for column in exporter.all_columns()
                if names is None or column.name in names
            )
        )

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the spec. The order of columns counts.

        The owner is left out, since the fingerprint is stored with them; so is a default label.
        """
        hashed = {name: value for name, value in vars(self).items() if name != "labels"}
        hashed |= {
            "context": self._context_that_counts,
            "owner": None,
            "team": self.team and self.team.pk,
            "label": self.label if self.is_named else "",
        }
        text = json.dumps(hashed, cls=DjangoJSONEncoder, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


def build_spec(user: User, *, is_preview: bool = False, **request: Any) -> ExportSpec:
    """Validate what `user` requests and return its spec. No row is counted or read.

    `request` has the parameters of `_build`. Raises RequestError, which names the wrong field, or
    NotPermitted. Refusals are limited (`refusals`): after too many it raises TooManyRefusals.
    """
    with refusals.counted(user, is_preview=is_preview):
        return _build(user, **request)


def _build(
    user: User,
    *,
    exporter: str,
    format: str = Format.CSV,  # noqa: A002 - the field's name
    options: Mapping[str, Any] | None = None,
    columns: Sequence[str] | None = None,
    headers: Mapping[str, str] | None = None,
    filters: Mapping[str, Any] | None = None,
    changelist: Mapping[str, Any] | None = None,
    context: Mapping[str, Any] | None = None,
    label: str = "",
    default_label: str | _StrPromise = "",
    team: int | str | None = None,
) -> ExportSpec:
    """Build a spec without counting refusals.

    `context` is what `context.kept` has kept of the HTTP request; without it, the site's time
    zone and language hold. Without a `label` the export is named `default_label`, or after its
    exporter. A lazy `default_label` is read in the language of each reader. `team` is the id of one of
    the user's teams, which sees the export, too; the rows are still those that `user` may see.
    """
    found = registry.offered(user, exporter)
    if format not in Format.values:
        raise UnknownFormat(
            Message(
                'There is no format "%(name)s". Available: %(known)s.',
                name=format,
                known=", ".join(Format.values),
            )
        )
    given = {
        "columns": columns,
        "headers": headers or None,
        "filters": filters,
        "changelist": changelist,
    }
    sizes.check(given)  # Before anything else parses them.
    with activated(with_language(context or {})):
        # As the worker does: two headers may be the same in that language only.
        choose_columns(found, columns, headers)
    given["filters"] = queryset.narrowing_filters(found, user, given, context) or None
    params = {name: value for name, value in given.items() if value is not None}
    name, ours = trimmed(label), trimmed(str(default_label))
    unnamed = default_label if ours else found.label
    ours = ours or trimmed(str(found.label))
    is_named = bool(name) and name != ours
    return ExportSpec(
        owner=user,
        team=chosen_team(user, team),
        exporter=found.name,
        label=name or ours,
        is_named=is_named,
        labels=None if is_named else in_each_language(unnamed),
        format=str(format),
        options=format_options.checked(format, options),
        params=params,
        consistency=found.consistency,
        context=dict(context or {}),
    )


def rebuild_spec(export: Export) -> ExportSpec:
    """Build the spec of `export` again, with the rights that its owner has now.

    Raises RequestError or NotPermitted. Refusals are not counted.
    """
    # Not `offered`, which denies that the exporter exists: the user sees its name on the export.
    registry.permitted(export.owner, export.exporter)
    spec = _build(
        export.owner,
        exporter=export.exporter,
        format=export.format,
        options=export.options,
        label=export.label,
        team=export.team_id,
        context=export.context,
        **export.params,
    )
    # The label may be a default one in another language. Only the fingerprint tells.
    unnamed = replace(spec, is_named=False, labels=export.labels or spec.labels)
    return unnamed if unnamed.fingerprint == export.fingerprint else spec


def chosen_team(user: User, chosen: int | str | None) -> Group | None:
    """The team of `user` that was `chosen` to share with; None for nobody.

    Raises UnknownTeam. It says the same of a team of others as of one that is not there.
    """
    if chosen is None or chosen == "":
        return None
    teams = {str(team.pk): team for team in teams_of(user)}
    if str(chosen) not in teams:
        yours = ", ".join(f"{pk} ({team.name})" for pk, team in teams.items()) or Message("none")
        raise UnknownTeam(
            Message(
                "You are not in the team %(chosen)s. Your teams: %(yours)s.",
                chosen=str(chosen),
                yours=yours,
            )
        )
    return teams[str(chosen)]
