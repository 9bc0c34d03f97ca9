"""System checks: whether a ModelAdmin with the ExportMixin can work, and how to mend it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import admin
from django.core.checks import CheckMessage, Error

from exports.exceptions import UnknownExporter
from exports.exporters import checks, registry

if TYPE_CHECKING:
    from exports.admin.mixin.mixin import ExportMixin


def check(model_admin: ExportMixin) -> list[CheckMessage]:
    """What is wrong with its `exporter`, and with where it is registered."""
    return [*_exporter(model_admin), *_site(model_admin)]


def _exporter(model_admin: ExportMixin) -> list[CheckMessage]:
    if not model_admin.exporter:
        return [
            Error(
                "It has the ExportMixin and names no exporter.",
                hint='Add `exporter = "name"`: one that exports this model.',
                obj=type(model_admin),
                id="exports.E002",
            )
        ]
    try:
        exporter = registry.get(model_admin.exporter)
    except UnknownExporter as error:
        return [
            Error(
                str(error),
                hint="Name one of these in `exporter`, or @register another in exporters.py.",
                obj=type(model_admin),
                id="exports.E003",
            )
        ]
    exported, shown = exporter.queryset.model._meta.label, model_admin.opts.label
    if exported != shown:
        return [
            Error(
                f'The exporter "{exporter.name}" exports {exported}, this list shows {shown}.',
                hint="Name an exporter of the same model in `exporter`.",
                obj=type(model_admin),
                id="exports.E004",
            )
        ]
    return checks.too_many_fields(exporter, model_admin.most_ticked, type(model_admin))


def _site(model_admin: ExportMixin) -> list[CheckMessage]:
    """Workers know a list by its model alone, and so read it through `admin.site`."""
    model, site = model_admin.model, admin.site
    read = site.get_model_admin(model) if site.is_registered(model) else None
    if type(read) is type(model_admin):
        return []
    return [
        Error(
            "Workers read a list through admin.site, which has "
            + (f"{type(read).__name__} for this model." if read else "nothing for this model."),
            hint=f"Register it there: @admin.register({model_admin.opts.object_name}).",
            obj=type(model_admin),
            id="exports.E005",
        )
    ]
