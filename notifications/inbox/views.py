"""The pages of the inbox. They work without JavaScript."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe

from notifications.http import SeeOther, user_of
from notifications.inbox import inbox
from notifications.inbox.forms import MailingForm, ReadForm
from notifications.inbox.panel import latest as latest_of

if TYPE_CHECKING:
    from django.http import HttpRequest


@login_required
@require_safe
@cache_control(private=True, no_cache=True)
def inbox_page(request: HttpRequest) -> HttpResponse:
    """Show a page of notifications, newest first."""
    user = user_of(request)
    page = inbox.page(user, before=_before(request))
    context = {
        "page": page,
        "is_newest": _before(request) is None,
        "mailing": MailingForm(initial={"email": inbox.mailing(user)}),
    }
    return render(request, "notifications/inbox.html", context)


@login_required
@require_safe
@cache_control(private=True, no_cache=True)
def latest(request: HttpRequest) -> HttpResponse:
    """Render the bell's panel for the script of the page."""
    return render(request, "notifications/_latest.html", latest_of(user_of(request)))


@login_required
def read(request: HttpRequest) -> HttpResponse:
    """Mark notifications as read: up to the one in the form, or all."""
    # After a sign-in the browser returns here with a GET, which changes nothing.
    if request.method == "POST":
        form = ReadForm(request.POST)
        if not form.is_valid():
            return HttpResponse(form.errors.as_text(), status=422, content_type="text/plain")
        inbox.mark_read(user_of(request), form.cleaned_data["up_to"])
    return SeeOther(reverse("notifications:inbox"))


@login_required
def preferences(request: HttpRequest) -> HttpResponse:
    """Store which notifications the user wants by e-mail."""
    if request.method == "POST":
        form = MailingForm(request.POST)
        if not form.is_valid():
            return HttpResponse(form.errors.as_text(), status=422, content_type="text/plain")
        inbox.choose_mailing(user_of(request), form.cleaned_data["email"], get_language() or "")
        messages.success(request, _("Saved."))
    return SeeOther(reverse("notifications:inbox"))


def _before(request: HttpRequest) -> int | None:
    """Return the offset in the link to older notifications, or None without a valid offset."""
    form = ReadForm({"up_to": request.GET.get("before")})
    return form.cleaned_data["up_to"] if form.is_valid() else None
