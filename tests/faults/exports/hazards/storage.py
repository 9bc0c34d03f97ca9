"""A folder with places to lie in wait at: before and after a file is saved, as it is opened."""

from __future__ import annotations

import re
from pathlib import Path

from django.core.files.storage import FileSystemStorage

from tests.faults.exports.hazards.traps import spring


class TrappedStorage(FileSystemStorage):
    """Its places are `save-…`, `saved-…` and `open-…`, of `part-000001` or of the whole `file`."""

    def _save(self, name, content):
        spring(f"save-{_what(name)}")
        saved = super()._save(name, content)
        spring(f"saved-{_what(name)}")
        return saved

    def _open(self, name, mode="rb"):
        spring(f"open-{_what(name)}")
        return super()._open(name, mode)


def _what(name: str) -> str:
    part = re.match(r"part-\d+", Path(name).name)
    return part.group() if part else "file"
