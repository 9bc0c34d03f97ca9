"""Middleware: refuse addresses of admin lists that have invalid filters, with an error message.

It holds for every list of the admin, also for models of other apps.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.contrib.admin.views.main import ERROR_FLAG
from django.db import DEFAULT_DB_ALIAS, DataError
from django.http import HttpResponseRedirect
from django.utils.deprecation import MiddlewareMixin
from django.utils.translation import gettext as _

from exports import patterns

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

REGEX = ("__regex", "__iregex")


class ReadableLists(MiddlewareMixin):
    """Redirect to the unfiltered list if the database cannot compare a value in the address.

    Django does so for lookups that it knows to be wrong. It answers 500 for a date beyond the
    calendar, a number beyond SQLite's range and an invalid regular expression; and a regular
    expression that backtracks stops the process on SQLite.
    """

    def process_view(
        self, request: HttpRequest, _view: Any, _args: Any, _kwargs: Any
    ) -> HttpResponse | None:
        if not _is_list(request):
            return None
        for name, values in request.GET.lists():
            for value in values if name.endswith(REGEX) else ():
                if problem := patterns.problem_of(value, DEFAULT_DB_ALIAS):
                    return _whole_list(request, f"{name}: {problem}")
        return None

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        is_unreadable = isinstance(error, DataError | OverflowError)
        # Without a filter the address is not at fault.
        if is_unreadable and _is_list(request) and request.GET and ERROR_FLAG not in request.GET:
            return _whole_list(request, str(error))
        return None


def _is_list(request: HttpRequest) -> bool:
    match = request.resolver_match
    if match is None or match.app_name != "admin":
        return False
    return str(match.url_name).endswith("_changelist")


def _whole_list(request: HttpRequest, problem: str) -> HttpResponse:
    refusal = _("The list's filters cannot be read: %(problem)s") % {"problem": problem[:500]}
    messages.error(request, refusal)
    return HttpResponseRedirect(f"{request.path}?{ERROR_FLAG}=1")
