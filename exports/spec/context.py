"""The request context: the parts of an HTTP request that a worker needs to read the same rows.

The filters of an exporter and an admin list are written for a request. They use its user, the time
zone and language that a middleware activated, or an attribute of the project (`request.tenant`).
A worker has no request. So each export stores the time zone, the language, and the data that the
class in EXPORTS_REQUEST_CONTEXT saves. Access to any other attribute raises MissingContext, because a
default value might select the rows of another tenant.
"""

from __future__ import annotations

import json
import logging
from contextlib import AbstractContextManager, contextmanager
from copy import copy
from typing import TYPE_CHECKING, Any, Protocol, Self, cast
from zoneinfo import ZoneInfo

from django.conf import settings
from django.core.checks import CheckMessage, Error
from django.core.exceptions import ImproperlyConfigured
from django.core.serializers.json import DjangoJSONEncoder
from django.http import HttpRequest, QueryDict
from django.utils import timezone, translation
from django.utils.module_loading import import_string

from exports.conf import conf
from exports.exceptions import MissingContext
from exports.i18n.message import Message

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import TracebackType

    from django.contrib.auth.models import User

logger = logging.getLogger(__name__)

LANGUAGE, ZONE, PROJECT = "language", "time_zone", "project"

# HttpRequest sets these attributes itself, but their values are not stored.
NOT_STORED = (
    "path",
    "path_info",
    "META",
    "COOKIES",
    "resolver_match",
    "content_type",
    "content_params",
)
# HttpRequest computes these from other attributes, and would return a default.
COMPUTED = frozenset({"scheme", "is_secure", "body"})
# A worker knows these attributes only for an export of an admin list.
OF_ADMIN_LISTS = ("method", "GET", "POST", "FILES")
# Django reads these even if they are missing. They do not change rows.
OPTIONAL = frozenset({"current_app", "urlconf"})


class RequestContext(Protocol):
    """The interface of the class that EXPORTS_REQUEST_CONTEXT names."""

    def save(self, request: HttpRequest) -> dict[str, Any]:
        """Return the data of `request` that exports need, as JSON types, for `restore`."""
        ...

    def restore(self, request: HttpRequest, saved: Mapping[str, Any]) -> None:
        """Set the `saved` data on `request`, like the project's middleware. It has a `user`."""
        ...


class StoredRequest(HttpRequest):
    """A request with a user, the project's attributes and, for an admin list, a query string.

    Any other attribute raises MissingContext, even in hasattr() and in getattr() with a default.
    As a context manager it raises MissingContext again at the end of the block if code in the block
    caught it, because that code may have continued with a default value.
    """

    def __init__(self, user: User, query: str | None, *, has_context: bool) -> None:
        super().__init__()
        self._has_context = has_context
        self._refusal: MissingContext | None = None
        for name in NOT_STORED if query is not None else NOT_STORED + OF_ADMIN_LISTS:
            self.__dict__.pop(name, None)
        if query is not None:
            self.method = "GET"
            self.GET = cast("Any", QueryDict(query))
        self.user = user

    def __getattribute__(self, name: str) -> Any:
        if name in COMPUTED and name not in object.__getattribute__(self, "__dict__"):
            raise self._refuse(name)
        return super().__getattribute__(name)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name in OPTIONAL:
            raise AttributeError(name)
        raise self._refuse(name)

    def _refuse(self, name: str) -> MissingContext:
        self._refusal = self._refusal or _missing_context(name, has_context=self._has_context)
        return self._refusal

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: object, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        was_caught = error is None or (isinstance(error, Exception) and error is not self._refusal)
        if self._refusal is not None and was_caught:
            # A copy, because `error` may have the original as its own context.
            raise copy(self._refusal) from error


def _missing_context(name: str, *, has_context: bool) -> MissingContext:
    if not conf.REQUEST_CONTEXT:
        return MissingContext(
            Message(
                "These rows depend on request.%(name)s, which a worker does not have. Set "
                "EXPORTS_REQUEST_CONTEXT to a class that saves it with the export.",
                name=name,
            )
        )
    if has_context:
        return MissingContext(
            Message(
                "These rows depend on request.%(name)s, which a worker does not have. Make "
                "%(keeper)s save and restore it.",
                name=name,
                keeper=conf.REQUEST_CONTEXT,
            )
        )
    return MissingContext(
        Message(
            "These rows depend on request.%(name)s, and this export was started without a "
            "request. Start it on a page or over the API.",
            name=name,
        )
    )


def capture(request: HttpRequest) -> dict[str, Any]:
    """Return the request context: time zone, language, and the data that the project saves."""
    found: dict[str, Any] = {
        LANGUAGE: translation.get_language() or settings.LANGUAGE_CODE,
        ZONE: timezone.get_current_timezone_name(),
    }
    if (project := _project()) is not None:
        found[PROJECT] = _as_stored(project.save(request))
    return found


def _as_stored(saved: Any) -> Any:
    """Return `saved` as the database returns it. Raises MissingContext if it cannot be stored."""
    try:
        text = json.dumps(saved, cls=DjangoJSONEncoder, ensure_ascii=False, allow_nan=False)
        text.encode()
    except UnicodeEncodeError:
        pass  # It contains half of a surrogate pair.
    except (TypeError, ValueError) as error:
        raise ImproperlyConfigured(
            f"{conf.REQUEST_CONTEXT}.save() has to return what JSON can hold: {error}"
        ) from error
    else:
        if "\\u0000" not in text:
            return json.loads(text)
    raise MissingContext(
        Message(
            "The request context of %(keeper)s contains a character that databases cannot store.",
            keeper=conf.REQUEST_CONTEXT,
        )
    )


def restore(
    user: User, stored: Mapping[str, Any] | None, query: str | None = None
) -> StoredRequest:
    """Return a request of `user` with the `stored` request context. Raises MissingContext.

    `query` is the query string of an admin list.
    """
    stored = stored or {}
    request = StoredRequest(user, query, has_context=PROJECT in stored)
    request.LANGUAGE_CODE = stored.get(LANGUAGE, settings.LANGUAGE_CODE)
    project = _project()
    if project is None or PROJECT not in stored:
        return request
    try:
        project.restore(request, stored[PROJECT])
    except MissingContext:
        raise
    # The project's code may raise anything, for example after a new version was deployed.
    except Exception as error:
        logger.exception("%s.restore() failed.", conf.REQUEST_CONTEXT)
        raise MissingContext(
            Message(
                "%(keeper)s cannot restore the saved request context: %(problem)s",
                keeper=conf.REQUEST_CONTEXT,
                problem=f"{type(error).__name__}: {error}",
            )
        ) from error
    return request


@contextmanager
def activate(stored: Mapping[str, Any] | None) -> Iterator[None]:
    """Activate the stored time zone and language in the block.

    Without a stored zone, the site's holds. Without a stored language, the active one stays.
    """
    stored = stored or {}
    language = stored.get(LANGUAGE) or translation.get_language()
    with timezone.override(_zone(stored.get(ZONE))), translation.override(language):
        yield


def activate_zone(stored: Mapping[str, Any]) -> AbstractContextManager[None]:
    """Activate the stored time zone in the block, and leave the language as it is."""
    return activate({name: value for name, value in stored.items() if name == ZONE})


def activate_for_file(stored: Mapping[str, Any] | None) -> AbstractContextManager[None]:
    """Activate the stored time zone and language in the block; without a language, the site's.

    So a file has the same language in a preview and in each worker.
    """
    return activate({LANGUAGE: settings.LANGUAGE_CODE, **(stored or {})})


def _zone(name: str | None) -> ZoneInfo | None:
    """Return the zone, or None for the site's. Raises MissingContext if tzdata lacks the name."""
    try:
        return None if name is None else ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise MissingContext(
            Message(
                'A worker cannot look up the time zone "%(name)s" by name. Activate a '
                "ZoneInfo with a key.",
                name=name,
            )
        ) from None


def check(**_: Any) -> list[CheckMessage]:
    """Check in Django's system checks that EXPORTS_REQUEST_CONTEXT names a usable class."""
    if not conf.REQUEST_CONTEXT:
        return []
    try:
        project = _project()
        methods = {name: getattr(project, name, None) for name in ("save", "restore")}
        missing = [name for name, method in methods.items() if not callable(method)]
        problem = f"{conf.REQUEST_CONTEXT} has no {' and no '.join(missing)}." if missing else ""
    # The project's code may raise anything.
    except Exception as error:  # noqa: BLE001 - see above
        problem = f"{conf.REQUEST_CONTEXT} cannot be used: {type(error).__name__}: {error}"
    hint = "Name a class with save(request) and restore(request, saved): see docs/exporters.md."
    where = "EXPORTS_REQUEST_CONTEXT"
    return [Error(problem, hint=hint, obj=where, id="exports.E006")] if problem else []


def _project() -> RequestContext | None:
    if not conf.REQUEST_CONTEXT:
        return None
    return cast("RequestContext", import_string(conf.REQUEST_CONTEXT)())
