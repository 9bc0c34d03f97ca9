"""The default label of an export that its user has not named, in each language of the site.

It is computed when the export is requested. It may name a filter of the admin, the only selected
row, or the exporter, and these may be gone later.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.utils import translation

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django.utils.functional import _StrPromise

MAX_LENGTH = 200


def trimmed(text: str) -> str:
    """Return `text` without surrounding spaces, cut to MAX_LENGTH characters."""
    return text.strip()[:MAX_LENGTH]


def in_each_language(text: str | _StrPromise) -> dict[str, str] | None:
    """Return `text`, which may be lazy, by language; None if all languages have the same."""
    found = {}
    for language, _ in settings.LANGUAGES:
        with translation.override(language):
            found[language] = trimmed(str(text))
    return found if len(set(found.values())) > 1 else None


def localized_label(label: str, labels: Mapping[str, str] | None) -> str:
    """Return the label in the reader's language: from `labels` for a default one, else `label`."""
    return (labels or {}).get(site_language(), label)


def site_language() -> str:
    """Return the language of the site that is closest to the reader's: "en" for "en-us"."""
    try:
        return translation.get_supported_language_variant(translation.get_language() or "")
    except LookupError:
        return settings.LANGUAGE_CODE
