"""The form that starts an export."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.utils.translation import gettext_lazy as _

from exports import options, registry
from exports.models import Format

if TYPE_CHECKING:
    from collections.abc import Collection

    from django.contrib.auth.models import AnonymousUser, Group, User

    from exports.exceptions import OverLimit, RequestError


# What sharing means, beside each choice of a team.
SHARING = _(
    "Members of the team see the export and its log. Those who may run this exporter themselves "
    "may download the file, with the rows that you may see."
)


class OptionsForm(forms.Form):
    """The options of files that people use most. Which format takes them, `lifecycle` judges."""

    delimiter = forms.CharField(
        label=_("Delimiter"),
        help_text=_("For CSV."),
        required=False,
        strip=False,  # A tab is one.
        widget=forms.Select(
            choices=[
                (",", _("Comma")),
                (";", _("Semicolon")),
                ("\t", _("Tab")),
                ("|", _("Vertical bar")),
            ]
        ),
    )
    bom = forms.BooleanField(
        label=_("Byte order mark"),
        help_text=_("For CSV: by it Excel knows that the letters are UTF-8."),
        required=False,
    )
    gzip = forms.BooleanField(
        label=_("Compress with gzip"), help_text=_("For CSV and JSON Lines."), required=False
    )

    @property
    def asked(self) -> dict[str, Any]:
        """What was chosen besides the defaults: a box that is not ticked asks for nothing."""
        return {
            name: value
            for name, value in self.cleaned_data.items()
            if value not in {"", options.DEFAULTS[name]}
        }


class StartForm(forms.Form):
    """Offers what `user` may run and may share it with.

    Whether a choice can be had is for `lifecycle` to say.
    """

    # Not ChoiceFields: a name that is not offered gets the same answer here as in the API.
    exporter = forms.CharField(label=_("What to export"), widget=forms.Select)
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
        self.options = OptionsForm(*args, **kwargs)
        self.exporters = registry.available(user)
        self._offer("exporter", [(each.name, each.label) for each in self.exporters])
        self._offer("team", [("", _("Nobody")), *((each.pk, each.name) for each in teams)])
        # Who has left their last team since the page was made must be told that it cannot be
        # had. An export that is not shared, without a word, would be no answer to what they asked.
        if not teams and not self.data.get("team"):
            del self.fields["team"]

    def _offer(self, name: str, choices: list[Any]) -> None:
        select = self.fields[name].widget
        assert isinstance(select, forms.Select)
        select.choices = choices

    def is_valid(self) -> bool:
        return self.options.is_valid() and super().is_valid()

    @property
    def asked(self) -> dict[str, Any]:
        """What `lifecycle` is to be asked for."""
        return {**self.cleaned_data, "options": self.options.asked}

    def refuse(self, error: RequestError | OverLimit) -> None:
        """Show what `lifecycle` refused, at the field that it names."""
        field = getattr(error, "field", None)
        if field == "options":
            self.options.add_error(None, str(error))
        else:
            self.add_error(field if field in self.fields else None, str(error))
