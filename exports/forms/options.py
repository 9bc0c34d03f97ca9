"""The options of files that people use most."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.utils.formats import get_format
from django.utils.translation import gettext_lazy as _

from exports.spec import options

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


class OptionsForm(forms.Form):
    """The options of files that people use most. Which format takes them, `lifecycle` judges."""

    delimiter = forms.CharField(
        label=_("Delimiter"),
        help_text=_("CSV only."),
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
        label=_("Add a byte order mark (BOM)"),
        help_text=_("CSV only. Helps Excel show accents correctly."),
        required=False,
    )
    gzip = forms.BooleanField(
        label=_("Compress with gzip"), help_text=_("CSV and JSON Lines only."), required=False
    )
    no_header = forms.BooleanField(
        label=_("Leave out the header row"), help_text=_("CSV and Excel only."), required=False
    )
    unprotected = forms.BooleanField(
        label=_("Do not escape formulas"),
        help_text=_(
            "CSV and Excel only. For files that only programs read: a spreadsheet runs "
            "text that begins with =."
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
