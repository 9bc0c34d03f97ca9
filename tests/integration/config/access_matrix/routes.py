"""Every route of the URLconf, and the address that it has for one person and one export."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.contrib.contenttypes.models import ContentType
from django.urls import URLResolver, get_resolver

from exports.models import Export

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.integration.config.access_matrix.people import World

UNKNOWN = "00000000-0000-4000-8000-000000000000"

PARAMETER = re.compile(r"\(\?P<(\w+)>[^()]*\)|<(?:\w+:)?(\w+)>")
MODEL = re.compile(r"admin/(\w+)/(\w+)/")
# Of an export whatever they are called; and those of other things, by their names.
OF_EXPORTS = re.compile(r"exports/<|admin/exports/export/<|admin/r/<path:content_type_id>")
VALUES = {
    "name": "flights",
    "since": "0",
    "app_label": "exports",
    "url": "nowhere/",
    "_path": "nowhere",
    "_row": "1/1/",
}


@dataclass(frozen=True)
class Route:
    """One pattern of the URLconf, as Django spells it."""

    pattern: str

    @property
    def is_of_an_export(self) -> bool:
        """Whether each export has an address of its own here."""
        return bool(OF_EXPORTS.search(self.pattern))

    def address(self, world: World, export: Export | None) -> str:
        """The path of this route for `export`; without one, for one that does not exist."""

        def value(found: re.Match[str]) -> str:
            return self._value(found[1] or found[2], world, export)

        return "/" + PARAMETER.sub(value, self.pattern).replace("^", "").replace("$", "")

    def _value(self, name: str, world: World, export: Export | None) -> str:
        if name == "content_type_id":
            return str(ContentType.objects.get_for_model(Export).pk)
        if self.is_of_an_export:
            return UNKNOWN if export is None else str(export.pk)
        if "presets" in self.pattern:
            return str(world.preset.pk)
        if name in {"object_id", "id"} and (model := MODEL.match(self.pattern)):
            return str(world.rows[f"{model[1]}.{model[2]}"].pk)
        if name not in VALUES:
            raise LookupError(f"{self.pattern}: what is {name}? Give it a value in VALUES.")
        return VALUES[name]


def routes() -> list[Route]:
    """Those of the whole project, each once."""
    return [Route(pattern) for pattern in dict.fromkeys(_patterns(get_resolver(), ""))]


def _patterns(resolver: URLResolver, prefix: str) -> Iterator[str]:
    for each in resolver.url_patterns:
        pattern = prefix + str(each.pattern)
        if isinstance(each, URLResolver):
            yield from _patterns(each, pattern)
        else:
            yield pattern
