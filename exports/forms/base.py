"""The base of the forms that start an export, and the steps of their POST."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django import forms
from django.core.exceptions import PermissionDenied
from django.utils.translation import gettext_lazy as _

from exports.exceptions import NotPermitted, OverLimit, RequestError
from exports.http import over_limit

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from django.contrib.auth.models import Group
    from django.http import HttpResponse

    from exports.forms.options import OptionsForm

# The fields that the dashboard passes to the choose page together with the options.
CARRIED = ("format", "team")


class ExportForm(forms.Form):
    """A form with a field `format`, the options of formats, and a team to share with.

    `build_spec` decides whether its values are valid.
    """

    team = forms.CharField(
        label=_("Share with"),
        required=False,
        help_text=_(
            "Everyone in the team can see this export and its log. Members with "
            "permission to export this data can download the file. It contains the rows "
            "you have access to."
        ),
    )
    options: OptionsForm

    def offer_teams(self, teams: Collection[Group]) -> None:
        """Offer `teams` in the field `team`, or remove the field if there are none."""
        offered = [("", _("No one")), *((each.pk, each.name) for each in teams)]
        self.fields["team"].widget = forms.Select(choices=offered)
        # A user may have chosen a team that they have just left. Without the field the export
        # would start unshared instead of being refused.
        if not teams and not self.data.get("team"):
            del self.fields["team"]

    def is_valid(self) -> bool:
        return self.options.is_valid() and super().is_valid()

    def show_error(self, error: RequestError | OverLimit) -> None:
        """Show `error` at the field that it names, or above the form."""
        field = getattr(error, "field", None)
        if field == "options":
            self.options.add_error(None, error.localized())
        else:
            self.add_error(field if field in self.fields else None, error.page_message())

    def handle(
        self, act: Callable[[], HttpResponse], render: Callable[..., HttpResponse]
    ) -> HttpResponse:
        """Return `act()`, or the page with the errors of this form: `render(self, status=422)`.

        Raises PermissionDenied if the user may not run the exporter.
        """
        if self.is_valid():
            try:
                return act()
            except RequestError as error:
                self.show_error(error)
            except OverLimit as error:
                self.show_error(error)
                return over_limit(render(self), error)
            except NotPermitted as error:
                raise PermissionDenied(error.localized()) from error
        return render(self, status=422)
