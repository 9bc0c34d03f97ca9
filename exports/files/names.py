"""What a browser calls a file: safe on every system, whatever its label. Pure: no I/O."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from exports.models import Export

NOTHING_LEFT = "export"

# File systems take 255 bytes. Browsers add " (1)", and macOS may store an accent apart.
MAX_BYTES = 200

# Not printed, and so not seen: controls, halves of surrogate pairs, line separators.
_INVISIBLE = ("Cc", "Cs", "Zl", "Zp")
# They turn around what is printed: "gpj.exe" reads as "exe.jpg". And the byte order mark.
_REORDERING = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]")
# What Windows refuses in a name, and what is a path somewhere.
_FORBIDDEN = re.compile(r'[<>:"/\\|?*]+')
# Devices on Windows, whatever follows the first dot.
_RESERVED = re.compile(r"(?:con|prn|aux|nul|conin\$|conout\$|(?:com|lpt)[0-9¹²³])", re.IGNORECASE)


def filename(label: str, extension: str) -> str:
    """A name for a file that people call `label`; `extension` is whole in it."""
    stem = unicodedata.normalize("NFC", label)
    stem = "".join(char for char in stem if unicodedata.category(char) not in _INVISIBLE)
    stem = _FORBIDDEN.sub("_", _REORDERING.sub("", stem))
    # A dot in front hides a file on Unix; Windows drops dots and spaces at the end.
    stem = _cut(stem.strip(". "), MAX_BYTES - len(extension) - 1).rstrip(". ")
    if _RESERVED.fullmatch(stem.partition(".")[0].rstrip()):
        stem = f"_{stem}"
    return f"{stem or NOTHING_LEFT}.{extension}"


def filename_of(export: Export) -> str:
    """What a browser calls the file of `export`."""
    return filename(export.title, export.extension)


def attachment(label: str, extension: str) -> str:
    """The Content-Disposition (RFC 6266) that saves a file under its `filename`.

    Programs that do not know `filename*`, as curl, get a name without accents.
    """
    name = filename(label, extension)
    bare = unicodedata.normalize("NFKD", label).encode("ascii", "ignore").decode()
    # Once more: what this makes of a wide slash is a slash.
    plain = filename(bare, extension)
    if plain == name:
        return f'attachment; filename="{name}"'
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}"


def _cut(text: str, size: int) -> str:
    return text.encode()[:size].decode(errors="ignore")
