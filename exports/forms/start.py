"""The form of the dashboard, which asks for an export in a line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.utils.http import urlencode
from django.utils.translation import gettext_lazy as _

from exports.exporters import registry
from exports.forms.options import OptionsForm
from exports.models import Format
from exports.spec import options

if TYPE_CHECKING:
    from collections.abc import Collection

    from django.contrib.auth.models import AnonymousUser, Group, User

    from exports.exceptions import OverLimit, RequestError


# What sharing means, beside each choice of a team.
SHARING = _(
    "Everyone in the team can see this export and its log. Members with "
    "permission to export this data can download the file. It contains the rows "
    "you have access to."
)


# What the form of the dashboard and that of an exporter have in common, besides the options.
CARRIED = ("format", "team")


class StartForm(forms.Form):
    """Offers what `user` may run and may share it with.

    `build_spec` decides whether a choice is valid.
    """

    # Not ChoiceFields: a name that is not offered gets the same answer here as in the API.
    exporter = forms.CharField(label=_("Data"), widget=forms.Select)
    format = forms.CharField(label=_("Format"), widget=forms.Select(choices=Format.choices))
    team = forms.CharField(
        label=_("Share with"), required=False, widget=forms.Select, help_text=SHARING
    )

    def __init__(
        self,
        *args: Any,
        user: User | AnonymousUser,
        teams: Collection[Group] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.options = OptionsForm(*args, **{**kwargs, "initial": OptionsForm.by_language()})
        self.exporters = registry.available(user)
        select = self.fields["exporter"].widget
        assert isinstance(select, forms.Select)
        select.choices = [(each.name, each.label) for each in self.exporters]
        offer_teams(self, teams)

    def is_valid(self) -> bool:
        return self.options.is_valid() and super().is_valid()

    @property
    def spec_fields(self) -> dict[str, Any]:
        """Return what the form chooses, as parameters of `build_spec`."""
        chosen = self.cleaned_data
        return {**chosen, "options": self.options.asked_of(chosen["format"])}

    @property
    def carried(self) -> str:
        """What was chosen, for the address of the page that offers more: `start_with` there."""
        chosen = {name: self.data.get(name) for name in (*CARRIED, *self.options.fields)}
        usual = {**options.DEFAULTS, **OptionsForm.by_language()}
        others = {n: value for n, value in chosen.items() if value != usual.get(n)}
        return urlencode({name: value for name, value in others.items() if value})

    def refuse(self, error: RequestError | OverLimit) -> None:
        """Show why a request was refused, at the field that `error` names."""
        field = getattr(error, "field", None)
        if field == "options":
            self.options.add_error(None, error.localized())
        else:
            self.add_error(field if field in self.fields else None, error.page_message())


def offer_teams(form: forms.Form, teams: Collection[Group]) -> None:
    """Let the field `team` offer them; who has none is not asked."""
    select = form.fields["team"].widget
    assert isinstance(select, forms.Select)
    select.choices = [("", _("No one")), *((each.pk, each.name) for each in teams)]
    # Who has left their last team since the page was made must be told that it cannot be
    # had. An export that is not shared, without a word, would be no answer to what they asked.
    if not teams and not form.data.get("team"):
        del form.fields["team"]
