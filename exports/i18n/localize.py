"""Why an export failed: written down once, in English, and said to each in their language.

What was foreseen is a `Sentence`, whoever raised it. Of all else there is its text.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from django.utils import translation
from django.utils.formats import number_format
from django.utils.functional import Promise
from django.utils.translation import gettext

from exports.i18n.message import LONGEST, Sentence, filled, shortened, storable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from django.core.exceptions import ValidationError

# Characters of what translates a reason, as JSON: one with a few long values. Of a longer one
# there is the English text, which is cut.
MOST = 4 * LONGEST


def spoken(text: str, /, **values: object) -> Sentence:
    """`text` with its values, in the language that is active.

    For what is told to who asks now, and written down if a worker asks later. A lazy text
    among the values, as the label of an exporter, is said to each reader in their language.
    """
    known = {name: _told(value) for name, value in values.items()}
    english = Sentence(text, **known)
    return Sentence.shown(_in_readers(english), text, english.values)


def complaint(error: ValidationError) -> Sentence:
    """What a field of a form has said of its value; Django's own words for most of it."""
    with translation.override("en"):
        whole = shortened(error.messages[0])
        values = {name: str(value) for name, value in (error.params or {}).items()}
        try:
            english = Sentence(str(error.message), **values)
        except (KeyError, TypeError, ValueError):
            english = Sentence(whole)
        if english != whole:  # One that has a plural, or a number of a certain form.
            english = Sentence(whole)
    return Sentence.shown(shortened(error.messages[0]), english.text, english.values)


def together(sentences: Iterable[Sentence]) -> Sentence:
    """These, one after the other."""
    values = {f"sentence_{number}": each for number, each in enumerate(sentences)}
    text = " ".join(f"%({name})s" for name in values)
    return Sentence.shown(" ".join(values.values()), text, values)


def written(reason: str) -> dict[str, Any]:
    """The columns of an export that say why: `error`, and what translates it."""
    if not isinstance(reason, Sentence):
        return {"error": storable(reason), "reason": None}
    stored = reason.stored()
    is_short = len(json.dumps(stored, ensure_ascii=False)) <= MOST
    return {"error": storable(reason.english), "reason": stored if is_short else None}


def recalled(error: str, reason: Mapping[str, Any] | None) -> str:
    """What `written` was given; the error alone where it cannot be read any more."""
    try:
        return error if reason is None else Sentence.restored(reason)
    except (KeyError, TypeError, ValueError):
        return error  # Of another version: `error` says the same in English.


def said(error: str, reason: Mapping[str, Any] | None) -> str:
    """The same in the language of who reads it."""
    return said_in(error, reason)[0]


def said_in(error: str, reason: Mapping[str, Any] | None) -> tuple[str, str]:
    """That, and the language that it is in: English where it cannot be had in the reader's."""
    sentence = recalled(error, reason)
    if isinstance(sentence, Sentence):
        try:
            return storable(_in_readers(sentence)), translation.get_language() or "en"
        except (KeyError, TypeError, ValueError):
            pass  # The translation names other values than that version had.
    return error, "en"


def _in_readers(sentence: Sentence) -> str:
    return filled(sentence.text, sentence.values, gettext, _number)


def _number(value: int) -> str:
    return number_format(value, force_grouping=True)


def _told(value: object) -> object:
    if not isinstance(value, Promise):
        return value
    with translation.override("en"):
        return Sentence(str(value))
