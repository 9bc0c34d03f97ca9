"""The spec of an export: a validated request for rows and columns in a format.

A view, an API route or a command builds it once, and passes it to `preview`, `presets.save` or
`lifecycle.start`. Specs that give the same file under the same name have the same fingerprint.
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
from exports.spec.context import LANGUAGE, activate_for_file
from notifications.streams.access import teams_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from django.contrib.auth.models import Group, User
    from django.utils.functional import _StrPromise

    from exports.models import Export


@dataclass(frozen=True)
class ExportSpec:
    """A validated request for an export. It can be saved as it is."""

    owner: User
    team: Group | None
    exporter: str
    label: str
    is_named: bool  # False: `label` is the default one, in the language of the request.
    labels: dict[str, str] | None  # The default label in each language. None if `is_named`.
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
    def _depends_on_language(self) -> bool:
        """Whether the file may depend on the language of the request.

        It may if it runs code of the project, such as a filter method: that can use the active
        language.
        """
        exporter, names = registry.get(self.exporter), self.params.get("columns")
        return (
            exporter.filterset is not None
            or has_own_scope(exporter)
            or "changelist" in self.params
            or any(
                column.python is not None or isinstance(column.header, Promise)
                for column in exporter.all_columns()
                if names is None or column.name in names
            )
        )

    @property
    def fingerprint(self) -> str:
        """The SHA-256 of the spec, including the order of columns and the request context.

        It omits a default label, and the language unless the file may depend on it.
        """
        context = dict(self.context)
        if not self._depends_on_language:
            context.pop(LANGUAGE, None)
        hashed = {name: value for name, value in vars(self).items() if name != "labels"}
        hashed |= {
            "context": context,
            "owner": None,  # An export stores its owner beside the fingerprint.
            "team": self.team and self.team.pk,
            "label": self.label if self.is_named else "",
        }
        text = json.dumps(hashed, cls=DjangoJSONEncoder, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


def build_spec(user: User, *, is_preview: bool = False, **request: Any) -> ExportSpec:
    """Validate a request of `user` and return its spec. No row is counted or read.

    `request` has the parameters of `_build`. Raises RequestError, which names the wrong field, or
    NotPermitted. After too many refused requests it raises TooManyRefusals.
    """
    with refusals.count_refusals(user, is_preview=is_preview):
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

    `context` comes from `context.capture`. Without it, the file has the time zone and the language
    of the site. Without a `label` the export has the `default_label`, or the label of its exporter;
    a lazy one is shown to each reader in their language. `team` is the id of a team of the user
    that may see the export. The rows are still those that `user` may see.
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
    sizes.check(given)
    # In the language of the file, because two headers may be equal only in that language.
    with activate_for_file(context):
        choose_columns(found, columns, headers)
    given["filters"] = queryset.narrowing_filters(found, user, given, context) or None
    params = {name: value for name, value in given.items() if value is not None}
    if not trimmed(str(default_label)):
        default_label = found.label
    name, default = trimmed(label), trimmed(str(default_label))
    is_named = bool(name) and name != default
    return ExportSpec(
        owner=user,
        team=_find_team(user, team),
        exporter=found.name,
        label=name or default,
        is_named=is_named,
        labels=None if is_named else in_each_language(default_label),
        format=str(format),
        options=format_options.validate(format, options),
        params=params,
        consistency=found.consistency,
        context=dict(context or {}),
    )


def rebuild_spec(export: Export) -> ExportSpec:
    """Build the spec of `export` again, with the current rights of its owner.

    Raises RequestError or NotPermitted. Refusals are not counted.
    """
    # `registry.offered` would deny that the exporter exists, but its name is on the export.
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
    # The stored label may be the default one in another language. The fingerprint shows whether the
    # export was named.
    unnamed = replace(spec, is_named=False, labels=export.labels or spec.labels)
    return unnamed if unnamed.fingerprint == export.fingerprint else spec


def _find_team(user: User, chosen: int | str | None) -> Group | None:
    """Return the team of `user` with the id `chosen`; None without an id.

    Raises UnknownTeam, with the same message for teams of others and for unknown ids.
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
