"""Middleware that redirects from an admin list with invalid filters, with an error message.

It applies to every admin list, including those of other apps.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.contrib.admin.views.main import ERROR_FLAG, SEARCH_VAR
from django.core.exceptions import BadRequest
from django.db import DEFAULT_DB_ALIAS, DataError, NotSupportedError
from django.http import HttpResponseRedirect
from django.utils.deprecation import MiddlewareMixin
from django.utils.translation import gettext as _

from exports.spec import patterns

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

REGEX = ("__regex", "__iregex")
# Errors of lookup values that Django does not check. The project's own code may raise them, too,
# so each one is logged.
UNREADABLE = (DataError, IndexError, NotSupportedError, OverflowError, ValueError)

logger = logging.getLogger(__name__)


class ReadableLists(MiddlewareMixin):
    """Redirect to the unfiltered list if the database cannot compare a value in the URL.

    Django itself redirects only for lookups that it does not allow. It responds with 500 to a
    date beyond the calendar, a number beyond SQLite's range, a range of one value and an invalid
    regular expression. A regular expression that backtracks blocks the process on SQLite, and a
    search for thousands of words blocks it on any database.
    """

    def process_view(
        self, request: HttpRequest, _view: Any, _args: Any, _kwargs: Any
    ) -> HttpResponse | None:
        if _url_name(request) == "autocomplete":
            if problem := patterns.search_problem(request.GET.get("term", "")):
                raise BadRequest(problem.localized())
            return None
        if not _is_list(request):
            return None
        if problem := patterns.search_problem(request.GET.get(SEARCH_VAR, "")):
            return _redirect(request, problem.localized())
        for name, values in request.GET.lists():
            for value in values if name.endswith(REGEX) else ():
                if problem := patterns.problem_of(value, DEFAULT_DB_ALIAS):
                    return _redirect(request, f"{name}: {problem.localized()}")
        return None

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        is_unreadable = isinstance(error, UNREADABLE)
        # If the URL has no filter, it is not the cause.
        if is_unreadable and _is_list(request) and request.GET and ERROR_FLAG not in request.GET:
            logger.warning("An admin list cannot be read: %r", error)
            return _redirect(request, str(error))
        return None


def _is_list(request: HttpRequest) -> bool:
    return _url_name(request).endswith("_changelist")


def _url_name(request: HttpRequest) -> str:
    """Return the name of the admin page; "" for a page outside the admin."""
    match = request.resolver_match
    return str(match.url_name) if match is not None and match.app_name == "admin" else ""


def _redirect(request: HttpRequest, problem: str) -> HttpResponse:
    """Redirect to the unfiltered list, which shows the `problem`."""
    text = _("The filters of this list are not valid: %(problem)s") % {"problem": problem[:500]}
    messages.error(request, text)
    return HttpResponseRedirect(f"{request.path}?{ERROR_FLAG}=1")
