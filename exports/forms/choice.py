"""The forms that ask for an export: in a line, and with all that can be chosen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.utils.translation import gettext_lazy as _

from exports.exceptions import InvalidFilter, InvalidHeader, UnknownColumn
from exports.forms.columns import ColumnChoices
from exports.forms.filters import FilterFields
from exports.forms.options import OptionsForm
from exports.forms.start import CARRIED, SHARING, offer_teams
from exports.models import Format
from exports.spec import context, presets

if TYPE_CHECKING:
    from collections.abc import Collection

    from django.contrib.auth.models import Group
    from django.http import HttpRequest, QueryDict

    from exports.exceptions import OverLimit, RequestError
    from exports.exporters import Exporter
    from exports.models import Preset


class ChoiceForm(forms.Form):
    """All that can be chosen for one exporter. `build_spec` decides whether it is valid.

    Besides its own fields it has `columns`, `filters` and `options`.
    """

    format = forms.CharField(
        label=_("Format"), required=False, widget=forms.RadioSelect(choices=Format.choices)
    )
    label = forms.CharField(
        label=_("Export name"),
        required=False,
        max_length=200,
        help_text=_("Shown in your list and used as the file name."),
    )
    team = forms.CharField(
        label=_("Share with"), required=False, widget=forms.Select, help_text=SHARING
    )
    preset = forms.CharField(
        label=_("Preset name"),
        required=False,
        help_text=_("Defaults to the export name."),
        # Whether it can be one, `presets` judges, and only if it is to be saved.
        widget=forms.TextInput(attrs={"maxlength": presets.LONGEST_NAME, "autocomplete": "off"}),
    )

    def __init__(
        self,
        exporter: Exporter,
        request: HttpRequest,
        data: QueryDict | None = None,
        *,
        preset: Preset | None = None,
        teams: Collection[Group] = (),
    ) -> None:
        super().__init__(data, initial=_initial(preset))
        self.exporter = exporter
        self._request = request
        params = preset.params if preset else {}
        if data is None:
            self.options = OptionsForm.of(preset.options) if preset else OptionsForm.fresh()
            self.columns = ColumnChoices.of(exporter, params)
            self.filters = FilterFields.of(exporter, params, request)
        else:
            self.options = OptionsForm(data)
            self.columns = ColumnChoices.sent(exporter, data)
            self.filters = FilterFields.sent(exporter, request)
        self.fields["label"].widget.attrs["placeholder"] = exporter.label
        offer_teams(self, teams)

    def start_with(self, chosen: QueryDict) -> None:
        """Fill in what was chosen on the dashboard."""
        self.initial.update({name: chosen[name] for name in CARRIED if name in chosen})
        if how := {name: chosen[name] for name in self.options.fields if name in chosen}:
            self.options = OptionsForm(initial={**OptionsForm.by_language(), **how})

    def is_valid(self) -> bool:
        return self.options.is_valid() and super().is_valid()

    @property
    def spec_fields(self) -> dict[str, Any]:
        """Return what the form chooses, as parameters of `build_spec`."""
        own = {name: value for name, value in self.cleaned_data.items() if name != "preset"}
        return {
            "exporter": self.exporter.name,
            **own,
            **self.columns.asked,
            "filters": self.filters.asked,
            "options": self.options.asked_of(own["format"]),
            "context": context.capture(self._request),
        }

    @property
    def wrong(self) -> str:
        """All that is wrong with its fields, in a line."""
        errors = [*self.errors.values(), *self.options.errors.values()]
        return " ".join(str(text) for each in errors for text in each)

    def refuse(self, error: RequestError | OverLimit) -> None:
        """Show what was refused, at the fields that it names."""
        field = getattr(error, "field", None)
        if isinstance(error, UnknownColumn | InvalidHeader):
            self.columns.refuse(error)
        elif field == "options":
            self.options.add_error(None, error.localized())
        elif not isinstance(error, InvalidFilter) or not self.filters.refuse(error):
            self.add_error(field if field in self.fields else None, error.page_message())


def _initial(preset: Preset | None) -> dict[str, Any]:
    """What is in the fields for who has not entered anything."""
    if preset is None:
        return {"format": Format.CSV}
    # The export has no name yet: who opens a choice may be about to choose other rows.
    return {"format": preset.format, "team": preset.team_id, "preset": preset.name}
