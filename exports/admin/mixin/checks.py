"""System checks for a ModelAdmin with the ExportMixin."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import admin
from django.core.checks import CheckMessage, Error

from exports.exceptions import UnknownExporter
from exports.exporters import checks, registry

if TYPE_CHECKING:
    from exports.admin.mixin.base import ExportableAdmin


def check(model_admin: ExportableAdmin) -> list[CheckMessage]:
    """Check the `exporter` of a ModelAdmin, and the site that it is registered on."""
    return [*_check_exporter(model_admin), *_check_site(model_admin)]


def _check_exporter(model_admin: ExportableAdmin) -> list[CheckMessage]:
    if not model_admin.exporter:
        return _error(
            model_admin,
            "E002",
            "It has the ExportMixin and names no exporter.",
            'Add `exporter = "name"`: one that exports this model.',
        )
    try:
        exporter = registry.get(model_admin.exporter)
    except UnknownExporter as error:
        hint = "Name one of these in `exporter`, or @register another in exporters.py."
        return _error(model_admin, "E003", str(error), hint)
    exported, shown = exporter.queryset.model._meta.label, model_admin.opts.label
    if exported != shown:
        return _error(
            model_admin,
            "E004",
            f'The exporter "{exporter.name}" exports {exported}, this list shows {shown}.',
            "Name an exporter of the same model in `exporter`.",
        )
    return checks.too_many_fields(exporter, model_admin.max_selected, type(model_admin))


def _check_site(model_admin: ExportableAdmin) -> list[CheckMessage]:
    # An export stores only the model of the list. Workers look up its ModelAdmin in `admin.site`.
    model, site = model_admin.model, admin.site
    found = site.get_model_admin(model) if site.is_registered(model) else None
    if type(found) is type(model_admin):
        return []
    there = f"{type(found).__name__} for this model." if found else "nothing for this model."
    return _error(
        model_admin,
        "E005",
        f"Workers read a list through admin.site, which has {there}",
        f"Register it there: @admin.register({model_admin.opts.object_name}).",
    )


def _error(
    model_admin: ExportableAdmin, number: str, message: str, hint: str
) -> list[CheckMessage]:
    return [Error(message, hint=hint, obj=type(model_admin), id=f"exports.{number}")]
