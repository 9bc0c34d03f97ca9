"""The form of the options of file formats."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.utils.formats import get_format
from django.utils.translation import gettext_lazy as _

from exports.spec import options

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


class OptionsForm(forms.Form):
    """The most common options of all formats. `build_spec` decides which a format takes."""

    delimiter = forms.CharField(
        label=_("Delimiter"),
        help_text=_("CSV only."),
        required=False,
        strip=False,  # A tab must not be stripped.
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
    # Options that are on by default. Their fields turn them off, so that an unticked box always
    # means the default.
    INVERTED = {"no_header": "header", "unprotected": "protect"}

    @classmethod
    def preselected(cls) -> dict[str, Any]:
        """Return the options that are preselected in the user's language.

        In languages with a decimal comma, spreadsheets split a CSV at semicolons. The API and the
        command do not know the user's language and keep the default.
        """
        return {"delimiter": ";"} if get_format("DECIMAL_SEPARATOR") == "," else {}

    @classmethod
    def from_options(cls, stored: Mapping[str, Any]) -> OptionsForm:
        """Return the form filled in with the stored options of a preset."""
        inverted = {name: not stored.get(option, True) for name, option in cls.INVERTED.items()}
        return cls(initial={**stored, **inverted})

    @property
    def chosen(self) -> dict[str, Any]:
        """Return the options that differ from their defaults."""
        ticked = {
            self.INVERTED.get(name, name): name not in self.INVERTED and value
            for name, value in self.cleaned_data.items()
            if value
        }
        return {name: value for name, value in ticked.items() if value != options.DEFAULTS[name]}

    def chosen_for(self, format: str) -> dict[str, Any]:  # noqa: A002 - the field's name
        """Return `chosen`, without the preselected delimiter if `format` takes none."""
        takes_delimiter = "delimiter" in options.BY_FORMAT.get(format, ())
        ignored = {} if takes_delimiter else self.preselected()
        return {name: value for name, value in self.chosen.items() if ignored.get(name) != value}

    @property
    def has_any(self) -> bool:
        """Whether an option is invalid or differs from the preselected ones.

        The page then opens the section of the options.
        """
        shown = self.chosen if self.is_bound and not self.errors else self.initial
        preselected = self.preselected()
        return bool(self.errors) or any(
            value for name, value in shown.items() if preselected.get(name) != value
        )

    def fields_with_formats(self) -> Iterator[tuple[forms.BoundField, str]]:
        """Yield each field with the names of the formats that take its option."""
        for field in self:
            option = self.INVERTED.get(field.name, field.name)
            formats = [name for name, taken in options.BY_FORMAT.items() if option in taken]
            yield field, " ".join(formats)
