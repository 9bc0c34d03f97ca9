"""Static files in production: collectstatic bundles each entry with its imports.

In development, browsers load the modules as they are. In production a page would wait for about
thirty modules, one after the other. After an update a browser could also mix new modules with old
ones from its cache, because a name in an `import` has no hash.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.core.files.base import ContentFile
from django.core.files.storage import InMemoryStorage
from servestatic.storage import CompressedManifestStaticFilesStorage

from config import bundle

if TYPE_CHECKING:
    from collections.abc import Iterator

# The scripts and stylesheets that templates name.
ENTRIES = (
    "exports/page.js",
    "exports/waybill.css",
    "exports/admin.css",
)


class BundledStaticFilesStorage(CompressedManifestStaticFilesStorage):  # type: ignore[misc]
    """Replaces entries by their bundles, before names get hashes and files are compressed.

    The files without a hash in their names stay as they are.
    """

    entries = ENTRIES

    def post_process(
        self, paths: dict[str, Any], **options: Any
    ) -> Iterator[tuple[str, str | None, bool | Exception]]:
        """Bundle, then process. collectstatic calls this with the storage of each file in `paths`."""

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
