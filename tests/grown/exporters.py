"""One exporter: of the users."""

from __future__ import annotations

from django.contrib.auth import get_user_model

from exports.exporters import Exporter, register


@register
class People(Exporter):
    queryset = get_user_model()._default_manager.all()
    permission = get_user_model()._meta.label_lower.replace(".", ".view_")
    columns = ["pk", "is_staff"]
