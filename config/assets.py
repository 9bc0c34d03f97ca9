"""Static files in production: collectstatic bundles each entry with its imports.

In development, browsers load each module by itself. In production a page would wait for about
thirty modules, one after the other. After an update a browser could also mix new modules with old
ones from its cache, because the name of a file in an `import` has no hash.
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
    """Replaces entries by their bundles, before files are compressed and get hashes in their names.

    The copies without a hash in their names are not bundled.
    """

    entries = ENTRIES

    def post_process(
        self, paths: dict[str, Any], **options: Any
    ) -> Iterator[tuple[str, str | None, bool | Exception]]:
        """Bundle the entries, then process all files. collectstatic calls this with all files."""

        def read(name: str) -> str:
            storage, path = paths[name]
            with storage.open(path) as file:
                return str(file.read().decode())

        bundles = InMemoryStorage()
        for name in self.entries:
            make = bundle.stylesheet if name.endswith(".css") else bundle.script
            bundles.save(name, ContentFile(make(name, read).encode()))
        replaced = {name: (bundles, name) for name in self.entries}
        yield from super().post_process(paths | replaced, **options)
