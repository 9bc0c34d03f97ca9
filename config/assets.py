"""Static files in production: collectstatic makes one file of each entry and its imports.

In development browsers load modules as they are written. In production a page would wait for
some thirty of them, one behind the other, and after an update a browser could mix new ones
with old ones that it has kept: a name in an `import` has no hash.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.files.base import ContentFile
from django.core.files.storage import InMemoryStorage
from servestatic.storage import CompressedManifestStaticFilesStorage

from config import bundle

if TYPE_CHECKING:
    from collections.abc import Iterator

# What templates name. A module that is none would be loaded with its imports, one by one.
ENTRIES = (
    "exports/page.js",
    "exports/waybill.css",
    "exports/admin.css",
)


class BundledStaticFilesStorage(CompressedManifestStaticFilesStorage):  # type: ignore[misc]
    """Before names are hashed and files compressed, entries are replaced by their bundles.

    The files without a hash in their names stay as they were written.
    """

    entries = ENTRIES

    def post_process(
        self, paths: dict[str, Any], **options: Any
    ) -> Iterator[tuple[str, str | None, bool | Exception]]:
        """Called by collectstatic: `paths` says which storage each file was found in."""

        def read(name: str) -> str:
            storage, path = paths[name]
            with storage.open(path) as file:
                return str(file.read().decode())

        bundles = InMemoryStorage()
        for name in self.entries:
            make = bundle.stylesheet if name.endswith(".css") else bundle.script
            bundles.save(name, ContentFile(make(name, read).encode()))
        instead = {name: (bundles, name) for name in self.entries}
        yield from super().post_process(paths | instead, **options)
