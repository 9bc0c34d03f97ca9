"""The forms that ask for an export: in a line, and with all that can be chosen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.utils.formats import get_format
from django.utils.http import urlencode
from django.utils.translation import gettext_lazy as _

from exports.exceptions import InvalidFilter, InvalidHeader, UnknownColumn
from exports.exporters import registry
from exports.forms.columns import ColumnChoices
from exports.forms.filters import FilterFields
from exports.models import Format
from exports.spec import context, options, presets

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from django.contrib.auth.models import AnonymousUser, Group, User
    from django.http import HttpRequest, QueryDict

    from exports.exceptions import OverLimit, RequestError
    from exports.exporters import Exporter
    from exports.models import Preset


# What sharing means, beside each choice of a team.
SHARING = _(
    "Members of the team see the export and its log. Those who may run this exporter themselves "
    "may download the file, with the rows that you may see."
)


# What the form of the dashboard and that of an exporter have in common, besides the options.
CARRIED = ("format", "team")


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
    no_header = forms.BooleanField(
        label=_("No row of headers"), help_text=_("For CSV and Excel."), required=False
    )
    unprotected = forms.BooleanField(
        label=_("Leave formulas as they are"),
        help_text=_(
            "For CSV and Excel: only for programs. A spreadsheet runs text that begins with =."
        ),
        required=False,
    )
    # Said the other way round: a box that is not ticked asks for nothing.
    CONTRARY = {"no_header": "header", "unprotected": "protect"}

    @classmethod
    def by_language(cls) -> dict[str, Any]:
        """Return the preselected options for the reader's language.

        Where decimals have a comma, spreadsheets split a CSV at semicolons. Only forms know the
        reader's language; the API and the command keep the default.
        """
        return {"delimiter": ";"} if get_format("DECIMAL_SEPARATOR") == "," else {}

    @classmethod
    def of(cls, chosen: Mapping[str, Any]) -> OptionsForm:
        """The form as it is for the options of an export."""
        contrary = {name: not chosen.get(option, True) for name, option in cls.CONTRARY.items()}
        return cls(initial={**chosen, **contrary})

    @classmethod
    def fresh(cls) -> OptionsForm:
        """Return the form with the preselected options."""
        return cls(initial=cls.by_language())

    @property
    def asked(self) -> dict[str, Any]:
        """What was chosen besides the defaults."""
        ticked = {
            self.CONTRARY.get(name, name): False if name in self.CONTRARY else value
            for name, value in self.cleaned_data.items()
            if value
        }
        return {name: value for name, value in ticked.items() if value != options.DEFAULTS[name]}

    def asked_of(self, format: str) -> dict[str, Any]:  # noqa: A002 - the field's name
        """Return `asked`, without the preselected delimiter if `format` takes none."""
        untouched = {} if "delimiter" in options.BY_FORMAT.get(format, ()) else self.by_language()
        return {n: value for n, value in self.asked.items() if untouched.get(n) != value}

    @property
    def has_any(self) -> bool:
        """Whether there is more to see than the defaults: it is not to be overlooked."""
        shown = self.asked if self.is_bound and not self.errors else self.initial
        usual = self.by_language()
        return bool(self.errors) or any(v for n, v in shown.items() if usual.get(n) != v)

    def takers(self) -> Iterator[tuple[forms.BoundField, str]]:
        """Each field, and the formats that take what it asks for."""
        for field in self:
            option = self.CONTRARY.get(field.name, field.name)
            takers = [name for name, taken in options.BY_FORMAT.items() if option in taken]
            yield field, " ".join(takers)


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
        self.options = OptionsForm(*args, **{**kwargs, "initial": OptionsForm.by_language()})
        self.exporters = registry.available(user)
        select = self.fields["exporter"].widget
        assert isinstance(select, forms.Select)
        select.choices = [(each.name, each.label) for each in self.exporters]
        _offer_teams(self, teams)

    def is_valid(self) -> bool:
        return self.options.is_valid() and super().is_valid()

    @property
    def asked(self) -> dict[str, Any]:
        """What `lifecycle` is to be asked for."""
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
        """Show what `lifecycle` refused, at the field that it names."""
        field = getattr(error, "field", None)
        if field == "options":
            self.options.add_error(None, str(error))
        else:
            self.add_error(field if field in self.fields else None, error.in_words)


class ChoiceForm(forms.Form):
    """All that can be chosen for one exporter. Whether it can be had is for `lifecycle` to say.

    Besides its own fields it has `columns`, `filters` and `options`.
    """

    format = forms.CharField(
        label=_("Format"), required=False, widget=forms.RadioSelect(choices=Format.choices)
    )
    label = forms.CharField(
        label=_("Name of the export"),
        required=False,
        max_length=200,
        help_text=_("By it you find the export again, and it is the name of the file."),
    )
    team = forms.CharField(
        label=_("Share with"), required=False, widget=forms.Select, help_text=SHARING
    )
    preset = forms.CharField(
        label=_("Name of the choice"),
        required=False,
        help_text=_("Without one it gets the name of the export."),
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
        _offer_teams(self, teams)

    def start_with(self, chosen: QueryDict) -> None:
        """Fill in what was chosen on the dashboard."""
        self.initial.update({name: chosen[name] for name in CARRIED if name in chosen})
        if how := {name: chosen[name] for name in self.options.fields if name in chosen}:
            self.options = OptionsForm(initial={**OptionsForm.by_language(), **how})

    def is_valid(self) -> bool:
        return self.options.is_valid() and super().is_valid()

    @property
    def asked(self) -> dict[str, Any]:
        """What `lifecycle` is to be asked for."""
        own = {name: value for name, value in self.cleaned_data.items() if name != "preset"}
        return {
            "exporter": self.exporter.name,
            **own,
            **self.columns.asked,
            "filters": self.filters.asked,
            "options": self.options.asked_of(own["format"]),
            "context": context.kept(self._request),
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
            self.options.add_error(None, str(error))
        elif not isinstance(error, InvalidFilter) or not self.filters.refuse(error):
            self.add_error(field if field in self.fields else None, error.in_words)


def _initial(preset: Preset | None) -> dict[str, Any]:
    """What is in the fields for who has not entered anything."""
    if preset is None:
        return {"format": Format.CSV}
    # The export has no name yet: who opens a choice may be about to choose other rows.
    return {"format": preset.format, "team": preset.team_id, "preset": preset.name}


def _offer_teams(form: forms.Form, teams: Collection[Group]) -> None:
    """Let the field `team` offer them; who has none is not asked."""
    select = form.fields["team"].widget
    assert isinstance(select, forms.Select)
    select.choices = [("", _("Nobody")), *((each.pk, each.name) for each in teams)]
    # Who has left their last team since the page was made must be told that it cannot be
    # had. An export that is not shared, without a word, would be no answer to what they asked.
    if not teams and not form.data.get("team"):
        del form.fields["team"]
