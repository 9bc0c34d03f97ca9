"""What of a request an export needs, kept so that a worker can ask the same question.

An exporter's filters and an admin list are written for a request: they use its user, the time
zone and the language that a middleware has activated, or what the project has put on it
(`request.tenant`). A worker has no request. So the zone and the language are kept with the
export, and of the rest what the project's own class (EXPORTS_REQUEST_CONTEXT) keeps. Whatever
is not kept is refused in words when it is touched: a default would be a guess, and a guess may
be another tenant's rows.
"""

from __future__ import annotations

import json
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, Protocol, cast
from zoneinfo import ZoneInfo

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.serializers.json import DjangoJSONEncoder
from django.http import HttpRequest, QueryDict
from django.utils import timezone, translation
from django.utils.module_loading import import_string

from exports.conf import conf
from exports.exceptions import NotKept
from exports.reasons import spoken

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from django.contrib.auth.models import User

LANGUAGE, ZONE, PROJECT = "language", "time_zone", "project"

# What HttpRequest has from the start, and a worker cannot know.
UNKNOWN = frozenset(
    {
        *("path", "path_info", "META", "COOKIES", "resolver_match"),
        *("content_type", "content_params", "scheme", "body"),
    }
)
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
    """A request as far as it is kept: its user, its query string, what the project restores.

    Anything else raises NotKept, also through hasattr() and getattr() with a default.
    """

    def __init__(self, user: User, query: str = "") -> None:
        super().__init__()
        for name in UNKNOWN:
            self.__dict__.pop(name, None)
        self.method = "GET"
        self.GET = cast("Any", QueryDict(query))
        self.user = user

    def __getattribute__(self, name: str) -> Any:
        # Two that HttpRequest computes, and where it would guess.
        if name in {"scheme", "is_secure", "body"} and name not in object.__getattribute__(
            self, "__dict__"
        ):
            raise _not_kept(name)
        return super().__getattribute__(name)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name in OPTIONAL:
            raise AttributeError(name)
        raise _not_kept(name)


def _not_kept(name: str) -> NotKept:
    return NotKept(
        spoken(
            "These rows depend on request.%(name)s, which a worker does not have. Let a class "
            "keep it with the export, and name the class in EXPORTS_REQUEST_CONTEXT.",
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
        saved = project.save(request)
        try:
            # As it will come back from the database.
            found[PROJECT] = json.loads(json.dumps(saved, cls=DjangoJSONEncoder))
        except (TypeError, ValueError) as error:
            raise ImproperlyConfigured(
                f"{conf.REQUEST_CONTEXT}.save() has to return what JSON can hold: {error}"
            ) from error
    return found


def restored(user: User, stored: Mapping[str, Any] | None, query: str = "") -> StoredRequest:
    """A request of `user` with what was `stored` of the one that asked."""
    request = StoredRequest(user, query)
    stored = stored or {}
    request.LANGUAGE_CODE = stored.get(LANGUAGE, settings.LANGUAGE_CODE)
    project = _project()
    if project is not None and PROJECT in stored:
        project.restore(request, stored[PROJECT])
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


def with_language(stored: Mapping[str, Any]) -> dict[str, Any]:
    """`stored` with the site's language, if it has none: a file is always in the same."""
    return {LANGUAGE: settings.LANGUAGE_CODE, **stored}


def _zone(name: str | None) -> ZoneInfo | None:
    """None is the site's. A zone without a name in the database of zones cannot be stored."""
    try:
        return None if name is None else ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise NotKept(
            spoken(
                'The time zone "%(name)s" has no name that a worker could look up. Activate '
                "a ZoneInfo with a key.",
                name=name,
            )
        ) from None


def _project() -> RequestContext | None:
    if not conf.REQUEST_CONTEXT:
        return None
    return cast("RequestContext", import_string(conf.REQUEST_CONTEXT)())
