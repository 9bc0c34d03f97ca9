"""What of a request an export needs, kept so that a worker reads the same rows.

An exporter's filters and an admin list are written for a request: they use its user, the time
zone and the language that a middleware has activated, or what the project has put on it
(`request.tenant`). A worker has no request. So the zone and the language are kept with the
export, and of the rest what the project's own class (EXPORTS_REQUEST_CONTEXT) keeps. Whatever
is not kept is refused in words when it is touched: a default would be a guess, and a guess may
be another tenant's rows.
"""

from __future__ import annotations

import json
import logging
from contextlib import AbstractContextManager, contextmanager, nullcontext
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
from exports.exceptions import NotKept
from exports.i18n.message import Message

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import TracebackType

    from django.contrib.auth.models import User

logger = logging.getLogger(__name__)

LANGUAGE, ZONE, PROJECT = "language", "time_zone", "project"

# What HttpRequest has from the start, and a worker cannot know.
UNKNOWN = frozenset(
    {
        *("path", "path_info", "META", "COOKIES", "resolver_match"),
        *("content_type", "content_params", "scheme", "body"),
    }
)
# What a list of the admin is asked with, which a worker knows, and nobody else is.
OF_A_LIST = frozenset({"method", "GET", "POST", "FILES"})
# Read by Django itself where it is not set, and then without effect on rows.
OPTIONAL = frozenset({"current_app", "urlconf"})


class RequestContext(Protocol):
    """The interface of the class that EXPORTS_REQUEST_CONTEXT names."""

    def save(self, request: HttpRequest) -> dict[str, Any]:
        """What exports need of `request`, as JSON types. It is stored with the export."""
        ...

    def restore(self, request: HttpRequest, saved: Mapping[str, Any]) -> None:
        """Put `saved` on `request`, which has a `user`, as the project's middleware does."""
        ...


class StoredRequest(HttpRequest):
    """A request as far as it is kept: its user, what the project restores, and of a list of the
    admin its query string.

    Anything else raises NotKept, also through hasattr() and getattr() with a default. As a
    context manager it raises NotKept at the end of its block, too, if the block's code has
    caught the first one: what that code took instead would be a guess.
    """

    def __init__(self, user: User, query: str | None, *, has_context: bool) -> None:
        super().__init__()
        self._has_context = has_context
        self._refusal: NotKept | None = None
        for name in UNKNOWN if query is not None else UNKNOWN | OF_A_LIST:
            self.__dict__.pop(name, None)
        if query is not None:
            self.method = "GET"
            self.GET = cast("Any", QueryDict(query))
        self.user = user

    def __getattribute__(self, name: str) -> Any:
        # Two that HttpRequest computes, and where it would guess.
        if name in {"scheme", "is_secure", "body"} and name not in object.__getattribute__(
            self, "__dict__"
        ):
            raise self._refuse(name)
        return super().__getattribute__(name)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name in OPTIONAL:
            raise AttributeError(name)
        raise self._refuse(name)

    def _refuse(self, name: str) -> NotKept:
        self._refusal = self._refusal or _not_kept(name, has_context=self._has_context)
        return self._refusal

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: object, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        is_other = error is None or (isinstance(error, Exception) and error is not self._refusal)
        if self._refusal is not None and is_other:
            raise copy(self._refusal) from error


def _not_kept(name: str, *, has_context: bool) -> NotKept:
    if not conf.REQUEST_CONTEXT:
        return NotKept(
            Message(
                "These rows depend on request.%(name)s, which a worker does not have. Set "
                "EXPORTS_REQUEST_CONTEXT to a class that saves it with the export.",
                name=name,
            )
        )
    if has_context:
        return NotKept(
            Message(
                "These rows depend on request.%(name)s, which a worker does not have. Make "
                "%(keeper)s save and restore it.",
                name=name,
                keeper=conf.REQUEST_CONTEXT,
            )
        )
    return NotKept(
        Message(
            "These rows depend on request.%(name)s, and this export was started without a "
            "request. Start it on a page or over the API.",
            name=name,
        )
    )


def kept(request: HttpRequest) -> dict[str, Any]:
    """What is to be stored of `request`: its time zone, its language, what the project keeps."""
    found: dict[str, Any] = {
        LANGUAGE: translation.get_language() or settings.LANGUAGE_CODE,
        ZONE: timezone.get_current_timezone_name(),
    }
    if (project := _project()) is not None:
        found[PROJECT] = _as_stored(project.save(request))
    return found


def _as_stored(saved: Any) -> Any:
    """`saved` as it will come back from the database. Raises NotKept if none can store it."""
    try:
        text = json.dumps(saved, cls=DjangoJSONEncoder, ensure_ascii=False, allow_nan=False)
        text.encode()
    except UnicodeEncodeError:
        pass  # Half of a surrogate pair.
    except (TypeError, ValueError) as error:
        raise ImproperlyConfigured(
            f"{conf.REQUEST_CONTEXT}.save() has to return what JSON can hold: {error}"
        ) from error
    else:
        if "\\u0000" not in text:
            return json.loads(text)
    raise NotKept(
        Message(
            "The request context of %(keeper)s contains a character that databases cannot store.",
            keeper=conf.REQUEST_CONTEXT,
        )
    )


def restored(
    user: User, stored: Mapping[str, Any] | None, query: str | None = None
) -> StoredRequest:
    """A request of `user` with what was `stored` of the one that asked. Raises NotKept.

    `query` is the query string of a list of the admin.
    """
    stored = stored or {}
    request = StoredRequest(user, query, has_context=PROJECT in stored)
    request.LANGUAGE_CODE = stored.get(LANGUAGE, settings.LANGUAGE_CODE)
    project = _project()
    if project is None or PROJECT not in stored:
        return request
    try:
        project.restore(request, stored[PROJECT])
    except NotKept:
        raise
    # Whatever the project's code raises: what it has stored may be of another version of it.
    except Exception as error:
        logger.exception("%s.restore() failed.", conf.REQUEST_CONTEXT)
        raise NotKept(
            Message(
                "%(keeper)s cannot restore the saved request context: %(problem)s",
                keeper=conf.REQUEST_CONTEXT,
                problem=f"{type(error).__name__}: {error}",
            )
        ) from error
    return request


@contextmanager
def activated(stored: Mapping[str, Any] | None) -> Iterator[None]:
    """In the block, the time zone and the language of the request are the current ones.

    A zone that is not stored is the site's. A language that is not stored stays as it is.
    """
    stored = stored or {}
    language = stored.get(LANGUAGE)
    spoken_in = translation.override(language) if language else nullcontext()
    with timezone.override(_zone(stored.get(ZONE))), spoken_in:
        yield


def in_zone(stored: Mapping[str, Any]) -> AbstractContextManager[None]:
    """In the block, the time zone of the request is the current one; the language stays."""
    return activated({name: value for name, value in stored.items() if name == ZONE})


def with_language(stored: Mapping[str, Any]) -> dict[str, Any]:
    """`stored` with the site's language, if it has none: a file is always in the same."""
    return {LANGUAGE: settings.LANGUAGE_CODE, **stored}


def _zone(name: str | None) -> ZoneInfo | None:
    """None is the site's. A zone without a name in the database of zones cannot be stored."""
    try:
        return None if name is None else ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise NotKept(
            Message(
                'A worker cannot look up the time zone "%(name)s" by name. Activate a '
                "ZoneInfo with a key.",
                name=name,
            )
        ) from None


def check(**_: Any) -> list[CheckMessage]:
    """Django's system check: the class that keeps what a request has can be made and called."""
    if not conf.REQUEST_CONTEXT:
        return []
    try:
        project = _project()
        missing = [name for name in ("save", "restore") if not callable(getattr(project, name, 0))]
        problem = f"{conf.REQUEST_CONTEXT} has no {' and no '.join(missing)}." if missing else ""
    # Whatever the project's code raises.
    except Exception as error:  # noqa: BLE001 - see above
        problem = f"{conf.REQUEST_CONTEXT} cannot be used: {type(error).__name__}: {error}"
    hint = "Name a class with save(request) and restore(request, saved): see docs/exporters.md."
    where = "EXPORTS_REQUEST_CONTEXT"
    return [Error(problem, hint=hint, obj=where, id="exports.E006")] if problem else []


def _project() -> RequestContext | None:
    if not conf.REQUEST_CONTEXT:
        return None
    return cast("RequestContext", import_string(conf.REQUEST_CONTEXT)())
