"""The forms of the inbox pages."""

from __future__ import annotations

from django import forms
from django.utils.translation import gettext_lazy as _

from notifications.models import Mailing


class ReadForm(forms.Form):
    """`up_to`: the offset of the newest notification that was read. Empty: all were read."""

    up_to = forms.IntegerField(required=False, min_value=0, max_value=2**63 - 1)


class MailingForm(forms.Form):
    email = forms.ChoiceField(label=_("E-mail notifications"), choices=Mailing.choices)
