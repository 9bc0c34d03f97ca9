"""The languages of the pages: what is translatable, and the catalogues of its translations.

    make messages

reads every string that a page may show out of templates and Python, writes the catalogues
(`locale/*/LC_MESSAGES/django.po`) anew and compiles them (`.mo`), without gettext's own tools.
What is translated stays; what is not used any more goes; what is new is there with an empty
translation, and is named. Both files are in the repository: a machine that runs Waybill needs
nothing to read them.
"""

from __future__ import annotations

import sys
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_python
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po
from django.utils.translation.template import templatize

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from babel.messages.catalog import Message

ROOT = Path(__file__).resolve().parent.parent

# Besides the one that the strings themselves are in.
LANGUAGES = ("de",)
# Who has a catalogue, and whose strings are in it. An app travels with its own; the rest of
# the project's are with its templates (LOCALE_PATHS).
CATALOGUES = {
    "exports": ("exports",),
    "notifications": ("notifications",),
    "demo": ("demo",),
    "templates": ("templates", "config"),
}
# Functions, and which of their arguments are texts ("c": the context of one).
_FUNCTIONS: dict[str, tuple[int | tuple[int, str], ...]] = {
    **dict.fromkeys(("_", "gettext", "gettext_lazy", "gettext_noop"), (1,)),
    "Message": (1,),  # exports.i18n.message
    **dict.fromkeys(("ngettext", "ngettext_lazy"), (1, 2)),
    **dict.fromkeys(("pgettext", "pgettext_lazy"), ((1, "c"), 2)),
    **dict.fromkeys(("npgettext", "npgettext_lazy"), ((1, "c"), 2, 3)),
}


class _Catalogue(Catalog):
    """One whose head has no dates and no names: the same strings make the same file."""

    _HEAD = (
        *("Language", "Plural-Forms"),
        *("MIME-Version", "Content-Type", "Content-Transfer-Encoding"),
    )

    @property
    def mime_headers(self) -> list[tuple[str, str]]:
        known = dict(self._get_mime_headers())
        return [(name, known[name]) for name in self._HEAD]

    @mime_headers.setter
    def mime_headers(self, headers: Iterable[tuple[str, str]]) -> None:
        self._set_mime_headers(headers)


def path_of(owner: str, language: str) -> Path:
    """Where the catalogue of `owner` is. The compiled one is beside it."""
    return ROOT / owner / "locale" / language / "LC_MESSAGES" / "django.po"


def extracted(owner: str, language: str) -> Catalog:
    """The catalogue of `owner` with every string that is translatable now, none translated."""
    catalogue = _new(language)
    for folder in CATALOGUES[owner]:
        for path in sorted((ROOT / folder).rglob("*")):
            name = path.relative_to(ROOT).as_posix()
            for text, context in _strings(path):
                catalogue.add(text, locations=[(name, 0)], context=context)
    return catalogue


def stored(owner: str, language: str) -> Catalog:
    """The catalogue of `owner` as it is in the repository."""
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
    """What gettext reads."""
    file = BytesIO()
    write_mo(file, catalogue)
    return file.getvalue()


def untranslated(catalogue: Catalog) -> list[Message]:
    """The messages that a reader would meet in English, or in part, or as a guess."""
    return [
        each for each in catalogue if each.id and (each.fuzzy or not all(texts_of(each.string)))
    ]


def texts_of(value: str | Sequence[str] | None) -> Sequence[str]:
    """One text; or those of singular and plural."""
    return [value or ""] if value is None or isinstance(value, str) else value


def update(owner: str, language: str) -> Catalog:
    """Write the catalogue of `owner` anew, and compile it."""
    catalogue, old = extracted(owner, language), stored(owner, language)
    for message in catalogue:
        before = old.get(message.id, message.context) if message.id else None
        # One that has got a plural is another message.
        if before is not None and before.pluralizable == message.pluralizable:
            message.string = before.string
            message.flags |= before.flags & {"fuzzy"}
            message.user_comments = before.user_comments
    path = path_of(owner, language)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        write_po(file, catalogue, width=96, include_lineno=False)
    path.with_suffix(".mo").write_bytes(compiled(catalogue))
    return catalogue


def _strings(path: Path) -> Iterator[tuple[str | tuple[str, str], str | None]]:
    """Each translatable string of a file, or singular and plural, with its context."""
    if path.suffix == ".py" and "migrations" not in path.parts:
        source = path.read_bytes()
    elif path.suffix in {".html", ".txt"} and "templates" in path.parts:
        # It has calls in the places of tags, and neither indentation nor blocks of Python.
        lines = templatize(path.read_text()).splitlines()
        source = "\n".join(line.strip() for line in lines).encode()
    else:
        return
    found = extract_python(BytesIO(source), _FUNCTIONS, [], {"encoding": "utf-8"})
    for _line, function, arguments, _comments in found:
        given: Any = arguments
        if given is None or isinstance(given, str):  # No text, or nothing else.
            given = [given]
        places = _FUNCTIONS[str(function)]
        context = given[0] if isinstance(places[0], tuple) else None
        texts = [given[place - 1] for place in places if isinstance(place, int)]
        if all(isinstance(text, str) for text in texts):
            yield (texts[0] if len(texts) == 1 else (texts[0], texts[1])), context


def main() -> int:
    missing = 0
    for owner in CATALOGUES:
        for language in LANGUAGES:
            catalogue = update(owner, language)
            name = path_of(owner, language).relative_to(ROOT)
            for message in untranslated(catalogue):
                sys.stderr.write(f"{name}: {message.id!r} is not translated.\n")
                missing += 1
    if missing:
        sys.stderr.write("Translate these in the .po files, and run this again.\n")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
