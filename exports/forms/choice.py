"""The form with every choice for one exporter, on the choose page and in the admin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.utils.translation import gettext_lazy as _

from exports.exceptions import InvalidFilter, InvalidHeader, UnknownColumn
from exports.forms.base import CARRIED, ExportForm
from exports.forms.columns import ColumnChoices
from exports.forms.filters import FilterFields
from exports.forms.options import OptionsForm
from exports.models import Format
from exports.spec import context, presets

if TYPE_CHECKING:
    from collections.abc import Collection

    from django.contrib.auth.models import Group
    from django.http import HttpRequest, QueryDict

    from exports.exceptions import OverLimit, RequestError
    from exports.exporters import Exporter
    from exports.models import Preset


class ChoiceForm(ExportForm):
    """A form with fields of its own and three further parts: `columns`, `filters`, `options`."""

    format = forms.CharField(
        label=_("Format"), required=False, widget=forms.RadioSelect(choices=Format.choices)
    )
    label = forms.CharField(
        label=_("Export name"),
        required=False,
        max_length=200,
        help_text=_("Shown in your list and used as the file name."),
    )
    preset = forms.CharField(
        label=_("Preset name"),
        required=False,
        help_text=_("Defaults to the export name."),
        # Only a preset that is saved needs a valid name, so `presets` checks it.
        widget=forms.TextInput(attrs={"maxlength": presets.MAX_NAME, "autocomplete": "off"}),
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
        """Parse `data`. Without it, fill in `preset` or the defaults."""
        super().__init__(data, initial=_initial(preset))
        self.exporter = exporter
        self._request = request
        if data is None:
            params = preset.params if preset else {}
            self.options = (
                OptionsForm.from_options(preset.options)
                if preset
                else OptionsForm(initial=OptionsForm.preselected())
            )
            self.columns = ColumnChoices.from_params(exporter, params)
            self.filters = FilterFields.from_params(exporter, params, request)
        else:
            self.options = OptionsForm(data)
            self.columns = ColumnChoices.from_post(exporter, data)
            self.filters = FilterFields.from_post(exporter, request)
        self.fields["label"].widget.attrs["placeholder"] = exporter.label
        self.offer_teams(teams)

    def prefill(self, chosen: QueryDict) -> None:
        """Fill in the choices of the user on the dashboard: see `StartForm.chosen`."""
        self.initial.update({name: chosen[name] for name in CARRIED if name in chosen})
        if picked := {name: chosen[name] for name in self.options.fields if name in chosen}:
            self.options = OptionsForm(initial={**OptionsForm.preselected(), **picked})

    @property
    def spec_fields(self) -> dict[str, Any]:
        """The choices as parameters of `build_spec`."""
        own = {name: value for name, value in self.cleaned_data.items() if name != "preset"}
        return {
            "exporter": self.exporter.name,
            **own,
            **self.columns.spec_fields,
            "filters": self.filters.values,
            "options": self.options.chosen_for(own["format"]),
            "context": context.capture(self._request),
        }

    @property
    def error_text(self) -> str:
        """The errors of all fields in one line."""
        errors = [*self.errors.values(), *self.options.errors.values()]
        return " ".join(str(text) for each in errors for text in each)

    def show_error(self, error: RequestError | OverLimit) -> None:
        if isinstance(error, UnknownColumn | InvalidHeader):
            self.columns.show_error(error)
        elif not isinstance(error, InvalidFilter) or not self.filters.show_error(error):
            super().show_error(error)


def _initial(preset: Preset | None) -> dict[str, Any]:
    if preset is None:
        return {"format": Format.CSV}
    # The label stays empty: the user may be about to choose other rows.
    return {"format": preset.format, "team": preset.team_id, "preset": preset.name}
