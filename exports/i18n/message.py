"""Sentences that one process writes down and people read in their own languages. Pure.

raise TooLarge(Sentence("It would have %(rows)s rows.", rows=total))

The text is English, and what its translations are found by: `make messages` collects it.
`localize` says such a sentence to a reader.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Self

# Characters of a sentence, and of each text in one that is stored: each event that says how its
# export ended has it.
LONGEST = 1_000


class Sentence(str):
    """A text that remembers what it was made of.

    `values` has a name for each %(name)s in `text`. Its whole numbers are written as readers of
    the language write them, and sentences among them in that language; all else is as it is.
    """

    text: str
    values: dict[str, Any]

    def __new__(cls, text: str, /, **values: object) -> Self:
        known = {name: _kept(value) for name, value in values.items()}
        return cls.shown(filled(text, known), text, known)

    @classmethod
    def shown(cls, shown: str, text: str, values: dict[str, Any]) -> Self:
        """One that reads `shown`, as in the language of who asks."""
        self = super().__new__(cls, shown)
        self.text, self.values = text, values
        return self

    @property
    def english(self) -> str:
        return filled(self.text, self.values)

    def stored(self) -> dict[str, Any]:
        """As JSON, of which `restored` makes it again."""
        return {
            "text": storable(self.text),
            "values": {name: _plain(value) for name, value in self.values.items()},
        }

    @classmethod
    def restored(cls, stored: Any) -> Self:
        """Raises KeyError, TypeError or ValueError for what `stored` has not made."""
        if not isinstance(stored["text"], str):
            raise TypeError(stored)
        values = {
            name: cls.restored(value) if isinstance(value, dict) else value
            for name, value in dict(stored["values"]).items()
        }
        return cls(stored["text"], **values)


def filled(
    text: str,
    values: Mapping[str, Any],
    translate: Callable[[str], str] = str,
    number: Callable[[int], str] = "{:,}".format,
) -> str:
    """`text` with its values, in the language that `translate` and `number` know."""
    if not values:
        return translate(text)
    said = {name: _said(value, translate, number) for name, value in values.items()}
    return translate(text) % said


def _said(value: Any, translate: Callable[[str], str], number: Callable[[int], str]) -> str:
    if isinstance(value, Sentence):
        return filled(value.text, value.values, translate, number)
    return number(value) if _is_number(value) else str(value)


def _kept(value: object) -> Any:
    """What is sure to be JSON: whole numbers, sentences, and the text of anything else.

    A long text is cut: a refusal must not repeat all of what was sent.
    """
    return value if _is_number(value) or isinstance(value, Sentence) else shortened(str(value))


def _is_number(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _plain(value: Any) -> Any:
    if isinstance(value, Sentence):
        return value.stored()
    return value if _is_number(value) else storable(value)


def storable(text: str) -> str:
    """`text` as every database takes it: what an exporter raises may quote its data."""
    text = text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode(errors="replace").decode()
    return shortened(text)


def shortened(text: str) -> str:
    """Return the first LONGEST characters of `text`, with an ellipsis if there were more."""
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} …"
