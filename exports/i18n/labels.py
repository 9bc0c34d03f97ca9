"""What an export is called that nobody has named: in each language of the site.

It is found out when it is asked for. Later, what it was made of may be gone: a filter of the
admin's, the row that one had chosen, the exporter.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.utils import translation

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django.utils.functional import _StrPromise

LONGEST = 200


def shortened(text: str) -> str:
    """As much as a label may have."""
    return text.strip()[:LONGEST]


def in_each_language(text: str | _StrPromise) -> dict[str, str] | None:
    """`text`, which may be lazy, by language; None if it is the same in all of them."""
    found = {}
    for language, _ in settings.LANGUAGES:
        with translation.override(language):
            found[language] = shortened(str(text))
    return found if len(set(found.values())) > 1 else None


def called(label: str, labels: Mapping[str, str] | None) -> str:
    """What the reader calls an export with this `label`, and those `labels` if we named it."""
    return (labels or {}).get(language(), label)


def language() -> str:
    """The one of the site's that the reader's is a variant of: "en" for "en-us"."""
    try:
        return translation.get_supported_language_variant(translation.get_language() or "")
    except LookupError:
        return settings.LANGUAGE_CODE
