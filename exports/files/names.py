"""File names for downloads that are safe on every system. Pure: no I/O."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from exports.models import Export

# File systems allow 255 bytes. Browsers append " (1)", and macOS may store accents separately.
MAX_BYTES = 200

# Categories of invisible characters: controls, halves of surrogate pairs, line separators.
_INVISIBLE = ("Cc", "Cs", "Zl", "Zp")
# Characters that change the direction of writing, so that "gpj.exe" looks like "exe.jpg"; and the
# byte order mark.
_REORDERING = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]")
# Characters that Windows refuses in a name, and the separators of paths.
_FORBIDDEN = re.compile(r'[<>:"/\\|?*]+')
# Names of devices on Windows, which no extension makes safe.
_RESERVED = re.compile(r"(?:con|prn|aux|nul|conin\$|conout\$|(?:com|lpt)[0-9¹²³])", re.IGNORECASE)


def filename(label: str, extension: str) -> str:
    """Return a file name from `label`. A long label is cut, the `extension` is not."""
    stem = unicodedata.normalize("NFC", label)
    stem = "".join(char for char in stem if unicodedata.category(char) not in _INVISIBLE)
    stem = _FORBIDDEN.sub("_", _REORDERING.sub("", stem))
    # On Unix a leading dot hides a file. Windows drops dots and spaces at the end.
    room = MAX_BYTES - len(extension) - 1
    stem = stem.strip(". ").encode()[:room].decode(errors="ignore").rstrip(". ")
    if _RESERVED.fullmatch(stem.partition(".")[0].rstrip()):
        stem = f"_{stem}"
    return f"{stem or 'export'}.{extension}"


def filename_of(export: Export) -> str:
    """Return the name under which a browser saves the file of `export`."""
    return filename(export.title, export.extension)


def attachment(label: str, extension: str) -> str:
    """Return the Content-Disposition (RFC 6266) of a file with this label.

    Programs without support for `filename*`, such as curl, get a name without accents.
    """
    name = filename(label, extension)
    bare = unicodedata.normalize("NFKD", label).encode("ascii", "ignore").decode()
    # `filename` cleans this name again, because NFKD turns a full-width slash into a slash.
    plain = filename(bare, extension)
    if plain == name:
        return f'attachment; filename="{name}"'
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"
