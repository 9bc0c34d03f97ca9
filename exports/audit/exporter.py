"""The exporter of the audit trail, for users who may view the trail."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _
from django_filters import CharFilter, FilterSet, IsoDateTimeFromToRangeFilter, MultipleChoiceFilter

from exports.exporters import Exporter, registry
from notifications.audit_actions import Action, Interface
from notifications.models import AuditEntry


class TrailFilter(FilterSet):  # type: ignore[misc]  # django-filter has no types.
    at = IsoDateTimeFromToRangeFilter()
    action = MultipleChoiceFilter(choices=Action.choices)
    interface = MultipleChoiceFilter(choices=Interface.choices)
    actor = CharFilter("actor_name", label=_("Actor"))
    owner = CharFilter("owner_name", label=_("On behalf of"))
    key = CharFilter("object_key", label=_("Key of the object"))
    address = CharFilter("address", label=_("Address"))


class AuditTrail(Exporter):
    """The entries of the audit trail, as stored. This export is itself recorded in the trail."""

    name = "audit"
    label = _("Audit trail")
    queryset = AuditEntry.objects.all()
    permission = "notifications.view_auditentry"
    filterset = TrailFilter
    columns = [
        "id",
        "at",
        "action",
        "actor_key",
        "actor_name",
        "owner_key",
        "owner_name",
        "object_kind",
        "object_key",
        "object_label",
        "address",
        "user_agent",
        "interface",
        "details",
    ]


def register() -> None:
    """Register the exporter. Django calls it once, when the apps are ready."""
    registry.register(AuditTrail)
