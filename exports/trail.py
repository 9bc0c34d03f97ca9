"""The audit trail as an exporter: for who may view it, like any other export."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _
from django_filters import (
    CharFilter,
    FilterSet,
    IsoDateTimeFromToRangeFilter,
    MultipleChoiceFilter,
)

from exports.exporter import Exporter
from exports.registry import register as offer
from notifications.audit.actions import Action, Interface
from notifications.models import AuditEntry


class TrailFilter(FilterSet):  # type: ignore[misc]  # It has no types.
    at = IsoDateTimeFromToRangeFilter()
    action = MultipleChoiceFilter(choices=Action.choices)
    interface = MultipleChoiceFilter(choices=Interface.choices)
    actor = CharFilter("actor_name", label=_("Actor"))
    owner = CharFilter("owner_name", label=_("On behalf of"))
    key = CharFilter("object_key", label=_("Key of the object"))
    address = CharFilter("address", label=_("Address"))


class AuditTrail(Exporter):
    """Entries as they are stored. That it was exported is an entry, too."""

    name = "audit"
    label = _("Audit trail")
    queryset = AuditEntry.objects.all()
    permission = "notifications.view_auditentry"
    filterset = TrailFilter
    columns = [
        *("id", "at", "action", "actor_key", "actor_name", "owner_key", "owner_name"),
        *("object_kind", "object_key", "object_label"),
        *("address", "user_agent", "interface", "details"),
    ]


def register() -> None:
    """Offer it. Called once, when the apps are ready."""
    offer(AuditTrail)
