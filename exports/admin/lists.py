"""Lists of the admin whose address cannot be read: refused in words, whosever they are."""

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
    """Leads to the whole list from one whose address has what no database can compare.

    As Django does for a lookup that it knows to be wrong. A date beyond the calendar, a number
    beyond SQLite's and a regular expression that is none are a server's error to it, and one
    that backtracks stops the process on SQLite.
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
        # Without a filter it is no fault of the address.
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
