"""The form that starts an export."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.utils.translation import gettext_lazy as _

from exports import registry
from exports.models import Format

if TYPE_CHECKING:
    from django.contrib.auth.models import AnonymousUser, User

    from exports.exceptions import RequestError


class StartForm(forms.Form):
    """Offers what `user` may run. Whether a choice can be had is for `lifecycle` to say."""

    # Not ChoiceFields: a name that is not offered gets the same answer here as in the API.
    exporter = forms.CharField(label=_("What to export"), widget=forms.Select)
    format = forms.CharField(label=_("Format"), widget=forms.Select(choices=Format.choices))

    def __init__(self, *args: Any, user: User | AnonymousUser, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.exporters = registry.available(user)
        select = self.fields["exporter"].widget
        assert isinstance(select, forms.Select)
        select.choices = [(exporter.name, exporter.label) for exporter in self.exporters]

    def refuse(self, error: RequestError) -> None:
        """Show what `lifecycle` refused, at the field that it names."""
        self.add_error(error.field if error.field in self.fields else None, str(error))
