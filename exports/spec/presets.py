"""What people have chosen: the last time, and under names, to be run again."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.db.models import BooleanField, ExpressionWrapper, Q
from django.utils.translation import gettext as _

from exports.audit.record import has_saved_often, record_saved_preset
from exports.exceptions import InvalidPreset
from exports.models import Preset
from exports.spec import sizes
from notifications.streams.access import teams_of
from notifications.writing import atomic

if TYPE_CHECKING:
    from django.contrib.auth.models import User
    from django.db.models import QuerySet

    from exports.spec.spec import ExportSpec

# For each user. A list that nobody can look through helps nobody.
MOST = 100
LONGEST_NAME = 100
# For each user. Every change is an entry of the audit trail, which is kept for a year.
MOST_SAVES, SAVES_WITHIN = 100, timedelta(hours=1)
LAST = ""  # The name of the last choice.


def remember(spec: ExportSpec) -> None:
    """Keep the choice as the last one of its owner for its exporter.

    One that comes from a list of the admin leaves the filters as they were: it has none. With
    whom it is shared is not kept: who forgets that they have shared once would share again.
    """
    params = {name: value for name, value in spec.params.items() if name != "changelist"}
    if "changelist" in spec.params and (before := last(spec.owner, spec.exporter)):
        with_filters = params | {k: v for k, v in before.params.items() if k == "filters"}
        # Each part was small enough when it was requested, but together they may be too large.
        params = with_filters if sizes.size_of(with_filters) <= sizes.MAX_PARAMS else params
    _save(replace(spec, team=None), LAST, params)


def last(owner: User, exporter: str) -> Preset | None:
    """What `owner` chose the last time."""
    return Preset.objects.filter(owner=owner, exporter=exporter, name=LAST).first()


def saved(owner: User) -> QuerySet[Preset]:
    """All that `owner` has saved under names."""
    return Preset.objects.filter(owner=owner).exclude(name=LAST).select_related("team")


def saved_for(owner: User, exporter: str) -> QuerySet[Preset]:
    """Those that the page of the exporter can show: not the rows of a list of the admin."""
    return saved(owner).filter(exporter=exporter).exclude(params__has_key="changelist")


def without_params(found: QuerySet[Preset]) -> QuerySet[Preset]:
    """Return `found` without `params`. `is_of_a_list` says whether one is of an admin list."""
    is_of_a_list = ExpressionWrapper(Q(params__has_key="changelist"), BooleanField())
    return found.defer("params").annotate(is_of_a_list=is_of_a_list)


def save(spec: ExportSpec, name: str) -> Preset:
    """Keep the choice under `name`, instead of what had it. Raises InvalidPreset.

    Without one it gets that of the export.
    """
    name = name.strip() or spec.label[:LONGEST_NAME].strip()
    if not 0 < len(name) <= LONGEST_NAME or not name.isprintable():
        raise InvalidPreset(
            _("Enter a name of 1 to %(longest)d characters.") % {"longest": LONGEST_NAME}
        )
    mine = saved(spec.owner)
    is_new = not mine.filter(exporter=spec.exporter, name=name).exists()
    if is_new and mine.count() >= MOST:
        raise InvalidPreset(
            _("You can save up to %(most)d presets. Delete one to make room.") % {"most": MOST}
        )
    if has_saved_often(spec.owner, MOST_SAVES, SAVES_WITHIN):
        raise InvalidPreset(
            _("You can save %(most)d presets an hour. Try again later.") % {"most": MOST_SAVES}
        )
    return _save(spec, name, spec.params)


def lost_team(preset: Preset) -> str:
    """Why it cannot be run as it is, if its owner has left the team that it is shared with."""
    team = preset.team
    if team is None or teams_of(preset.owner).filter(pk=team.pk).exists():
        return ""
    lost = _("You are no longer in the team “%(team)s”.") % {"team": team.name}
    if "changelist" in preset.params:  # The page of its exporter cannot show it.
        remedy = _("Delete this preset, and save a new one from the admin list.")
    else:
        remedy = _("Choose a team to share it with, and save it again.")
    return f"{lost} {remedy}"


def request(preset: Preset) -> dict[str, Any]:
    """Return the parameters of `build_spec`, apart from the user and the context."""
    return {
        "exporter": preset.exporter,
        "format": preset.format,
        "options": preset.options,
        "label": preset.name,
        "team": preset.team_id,
        **preset.params,
    }


@atomic()
def _save(spec: ExportSpec, name: str, params: dict[str, Any]) -> Preset:
    chosen = {
        "team": spec.team,
        "format": spec.format,
        "options": spec.options,
        "params": params,
    }
    key: dict[str, Any] = {"owner": spec.owner, "exporter": spec.exporter, "name": name}
    before = None
    if name != LAST:
        before = Preset.objects.select_for_update().filter(**key).first()
    preset, _is_new = Preset.objects.update_or_create(**key, defaults=chosen)
    if name != LAST:
        record_saved_preset(preset, before)
    return preset
