"""The form of the dashboard, which starts an export in one step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.utils.translation import gettext_lazy as _

from exports.exporters import registry
from exports.forms.base import CARRIED, ExportForm
from exports.forms.options import OptionsForm
from exports.models import Format
from exports.spec import options

if TYPE_CHECKING:
    from collections.abc import Collection

    from django.contrib.auth.models import AnonymousUser, Group, User
    from django.http import QueryDict


class StartForm(ExportForm):
    """A form with the exporters that `user` may run and the teams of `user`."""

    # Not ChoiceFields: `build_spec` refuses unknown names with the same message as in the API.
    exporter = forms.CharField(label=_("Data"))
    format = forms.CharField(label=_("Format"), widget=forms.Select(choices=Format.choices))

    def __init__(
        self,
        data: QueryDict | None = None,
        *,
        user: User | AnonymousUser,
        teams: Collection[Group] = (),
    ) -> None:
        super().__init__(data)
        self.options = OptionsForm(data, initial=OptionsForm.preselected())
        self.exporters = registry.available(user)
        offered = [(each.name, each.label) for each in self.exporters]
        self.fields["exporter"].widget = forms.Select(choices=offered)
        self.offer_teams(teams)

    @property
    def spec_fields(self) -> dict[str, Any]:
        """The choices as parameters of `build_spec`."""
        chosen = self.cleaned_data
        return {**chosen, "options": self.options.chosen_for(chosen["format"])}

    @property
    def chosen(self) -> dict[str, str]:
        """The choices that are not defaults, for the URL of the choose page."""
        sent = {name: self.data.get(name) for name in (*CARRIED, *self.options.fields)}
        defaults = {**options.DEFAULTS, **OptionsForm.preselected()}
        return {
            name: value for name, value in sent.items() if value and value != defaults.get(name)
        }
