"""Write the message catalogues, which is what `make messages` does.

It collects every string that a page may show from templates and Python, writes the catalogues
(`locale/*/LC_MESSAGES/django.po`) and compiles them (`.mo`), without the programs of gettext. It
keeps translations, drops unused messages, and lists messages without a translation. The repository
has both kinds of files, so a machine that runs Waybill needs no tools for them.
"""

from __future__ import annotations

import sys
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from babel.messages.catalog import Catalog
from babel.messages.extract import extract, extract_python
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po
from django.utils.translation.template import templatize

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
    from typing import IO

    from babel.messages.catalog import Message

ROOT = Path(__file__).resolve().parent.parent

# The languages besides English. The source has English texts.
LANGUAGES = ("de",)
# The owner of each catalogue, and the folders whose strings it has. Each app has its own, which is
# copied with the app. All other strings of the project are in that of `templates` (LOCALE_PATHS).
CATALOGUES = {
    "exports": ("exports",),
    "notifications": ("notifications",),
    "demo": ("demo",),
    "templates": ("templates", "config"),
}
# Functions, and which of their arguments are messages. "c" marks a context.
_KEYWORDS: dict[str, Any] = {
    **dict.fromkeys(("_", "gettext", "gettext_lazy", "gettext_noop"), None),
    "Message": (1,),  # exports.i18n.message
    **dict.fromkeys(("ngettext", "ngettext_lazy"), (1, 2)),
    **dict.fromkeys(("pgettext", "pgettext_lazy"), ((1, "c"), 2)),
    **dict.fromkeys(("npgettext", "npgettext_lazy"), ((1, "c"), 2, 3)),
}


class _Catalogue(Catalog):
    """A catalogue without dates and names in its header, so equal messages make equal files."""

    _HEADERS = (
        "Language",
        "Plural-Forms",
        "MIME-Version",
        "Content-Type",
        "Content-Transfer-Encoding",
    )

    @property
    def mime_headers(self) -> list[tuple[str, str]]:
        known = dict(self._get_mime_headers())
        return [(name, known[name]) for name in self._HEADERS]

    @mime_headers.setter
    def mime_headers(self, headers: Iterable[tuple[str, str]]) -> None:
        self._set_mime_headers(headers)


def path_of(owner: str, language: str) -> Path:
    """Return the path of a catalogue. The compiled file is beside it."""
    return ROOT / owner / "locale" / language / "LC_MESSAGES" / "django.po"


def extracted(owner: str, language: str) -> Catalog:
    """Return a catalogue with all messages in the source of `owner`, without translations."""
    catalogue = _new(language)
    for folder in CATALOGUES[owner]:
        for path in sorted((ROOT / folder).rglob("*")):
            name = path.relative_to(ROOT).as_posix()
            for text, context in _strings(path):
                catalogue.add(text, locations=[(name, 0)], context=context)
    return catalogue


def stored(owner: str, language: str) -> Catalog:
    """Return the catalogue of `owner` that is in the repository, or an empty one."""
    catalogue, path = _new(language), path_of(owner, language)
    if path.exists():
        with path.open("rb") as file:
            for message in read_po(file, locale=language, abort_invalid=True):
                if message.id:
                    catalogue[message.id] = message
    return catalogue


def _new(language: str) -> Catalog:
    return _Catalogue(locale=language, header_comment="", fuzzy=False)


def compiled(catalogue: Catalog) -> bytes:
    """Return the file that gettext reads."""
    file = BytesIO()
    write_mo(file, catalogue)
    return file.getvalue()


def untranslated(catalogue: Catalog) -> list[Message]:
    """Return the messages whose translation is missing, incomplete or fuzzy."""
    return [
        each for each in catalogue if each.id and (each.fuzzy or not all(texts_of(each.string)))
    ]


def texts_of(value: str | Sequence[str] | None) -> Sequence[str]:
    """Return a list with the translation, or with its singular and plural."""
    return [value or ""] if value is None or isinstance(value, str) else value


def update(owner: str, language: str) -> Catalog:
    """Write and compile the catalogue of `owner`. Return it."""
    catalogue = stored(owner, language)
    catalogue.update(extracted(owner, language), no_fuzzy_matching=True)
    path = path_of(owner, language)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        write_po(file, catalogue, width=96, include_lineno=False, ignore_obsolete=True)
    path.with_suffix(".mo").write_bytes(compiled(catalogue))
    return catalogue


def _strings(path: Path) -> Iterator[tuple[str | tuple[str, ...], str | None]]:
    """Yield each message of a file, or its singular and plural, with its context."""
    if path.suffix == ".py" and "migrations" not in path.parts:
        method: Any = extract_python
    elif path.suffix in {".html", ".txt"} and "templates" in path.parts:
        method = _extract_template
    else:
        return
    with path.open("rb") as file:
        for _line, text, _comments, context in extract(method, file, _KEYWORDS):
            yield text, context


def _extract_template(
    file: IO[bytes], keywords: Mapping[str, Any], tags: Collection[str], options: Any
) -> Iterable[Any]:
    """Extract from a template as `extract_python` does from Python."""
    # templatize() replaces tags by calls, whose indentation Python would refuse.
    lines = templatize(file.read().decode()).splitlines()
    source = BytesIO("\n".join(line.strip() for line in lines).encode())
    return extract_python(source, keywords, tags, options)


def main() -> str | None:
    """Update all catalogues. Return a text that lists messages without a translation, or None."""
    missing = [
        f"{path_of(owner, language).relative_to(ROOT)}: {message.id!r} is not translated."
        for owner in CATALOGUES
        for language in LANGUAGES
        for message in untranslated(update(owner, language))
    ]
    missing_help = "Translate these in the .po files, and run this again."
    return "\n".join([*missing, missing_help]) if missing else None


if __name__ == "__main__":
    sys.exit(main())
