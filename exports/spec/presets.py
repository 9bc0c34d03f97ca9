"""Presets: export settings that a user has saved under a name, and the last ones they used."""

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

MAX_PRESETS = 100  # For each user. Nobody looks through a longer list.
MAX_NAME = 100
# For each user. Each save is an entry in the audit trail, which is kept for a year.
MAX_SAVES, SAVES_WITHIN = 100, timedelta(hours=1)
LAST = ""  # The name of the preset with the last used settings.


def remember(spec: ExportSpec) -> None:
    """Save `spec` as the settings that its owner last used for its exporter.

    An export of an admin list has no filters, so the saved filters stay. The team is not saved,
    because users who forget it would share the next export by accident.
    """
    params = {name: value for name, value in spec.params.items() if name != "changelist"}
    if "changelist" in spec.params:
        before = last(spec.owner, spec.exporter)
        if before is not None and "filters" in before.params:
            with_filters = {**params, "filters": before.params["filters"]}
            # The size of each request was checked, but not that of the combination.
            params = with_filters if sizes.size_of(with_filters) <= sizes.MAX_PARAMS else params
    _save(replace(spec, team=None), LAST, params)


def last(owner: User, exporter: str) -> Preset | None:
    """Return the settings that `owner` last used for the exporter."""
    return Preset.objects.filter(owner=owner, exporter=exporter, name=LAST).first()


def saved(owner: User) -> QuerySet[Preset]:
    """Return all presets that `owner` has saved under a name."""
    return Preset.objects.filter(owner=owner).exclude(name=LAST).select_related("team")


def saved_for(owner: User, exporter: str) -> QuerySet[Preset]:
    """Return the presets for the exporter's page. It cannot show selections of admin lists."""
    return saved(owner).filter(exporter=exporter).exclude(params__has_key="changelist")


def without_params(found: QuerySet[Preset]) -> QuerySet[Preset]:
    """Return `found` without `params`. `is_of_admin_list` says whether one is of an admin list."""
    is_of_admin_list = ExpressionWrapper(Q(params__has_key="changelist"), BooleanField())
    return found.defer("params").annotate(is_of_admin_list=is_of_admin_list)


def save(spec: ExportSpec, name: str) -> Preset:
    """Save `spec` under `name`, or under its label if `name` is empty. Raises InvalidPreset.

    A preset with the same name is replaced.
    """
    name = name.strip() or spec.label[:MAX_NAME].strip()
    if not 0 < len(name) <= MAX_NAME or not name.isprintable():
        raise InvalidPreset(
            _("Enter a name of 1 to %(longest)d characters.") % {"longest": MAX_NAME}
        )
    own = saved(spec.owner)
    is_new = not own.filter(exporter=spec.exporter, name=name).exists()
    if is_new and own.count() >= MAX_PRESETS:
        raise InvalidPreset(
            _("You can save up to %(most)d presets. Delete one to make room.")
            % {"most": MAX_PRESETS}
        )
    if has_saved_often(spec.owner, MAX_SAVES, SAVES_WITHIN):
        raise InvalidPreset(
            _("You can save %(most)d presets an hour. Try again later.") % {"most": MAX_SAVES}
        )
    return _save(spec, name, spec.params)


def team_problem(preset: Preset) -> str:
    """Return why the preset cannot be used: its owner has left the team. "" if it can be used."""
    team = preset.team
    if team is None or teams_of(preset.owner).filter(pk=team.pk).exists():
        return ""
    lost = _("You are no longer in the team “%(team)s”.") % {"team": team.name}
    if "changelist" in preset.params:  # The exporter's page cannot show it.
        remedy = _("Delete this preset, and save a new one from the admin list.")
    else:
        remedy = _("Choose a team to share it with, and save it again.")
    return f"{lost} {remedy}"


def spec_fields(preset: Preset) -> dict[str, Any]:
    """Return the preset as parameters of `build_spec`, without the request context."""
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
    key: dict[str, Any] = {"owner": spec.owner, "exporter": spec.exporter, "name": name}
    values = {"team": spec.team, "format": spec.format, "options": spec.options, "params": params}
    if name == LAST:
        return Preset.objects.update_or_create(**key, defaults=values)[0]
    before = Preset.objects.select_for_update().filter(**key).first()
    preset, _created = Preset.objects.update_or_create(**key, defaults=values)
    record_saved_preset(preset, before)
    return preset
