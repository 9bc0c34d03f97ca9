"""A text with parameters that is English in logs, and in the reader's language on pages.

    raise TooLarge(Message("This export has %(rows)s rows.", rows=total))

`make messages` collects the texts. When an export fails, its message is stored: a worker writes
it, and each reader gets it in their own language.
"""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from django.utils import translation
from django.utils.functional import Promise
from django.utils.translation import gettext

from exports.i18n.numbers import number
from notifications.printable import storable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Self

    from django.core.exceptions import ValidationError

# Characters of a parameter, and of a stored text. Events that say how an export ended contain it.
MAX_LENGTH = 1_000
# Characters of a stored message as JSON: enough for a few long parameters. Of a longer message
# only the English text is stored, and cut.
MAX_JSON = 4 * MAX_LENGTH


class Message(str):
    """A translatable text. As a string it is in English.

    `params` has a value for each %(name)s in `msgid`. Whole numbers, messages and lazy texts
    are localized with the text. Everything else is shown as it is, cut to MAX_LENGTH.
    """

    msgid: str
    params: dict[str, Any]

    def __new__(cls, msgid: str, /, **params: object) -> Self:
        known = {name: _parameter(value) for name, value in params.items()}
        english = {name: f"{v:,}" if isinstance(v, int) else v for name, v in known.items()}
        self = super().__new__(cls, msgid % english if english else msgid)
        self.msgid, self.params = msgid, known
        return self

    def localized(self) -> str:
        """Return the text in the language that is active."""
        params = {name: _localized(value) for name, value in self.params.items()}
        return gettext(self.msgid) % params if params else gettext(self.msgid)

    def stored(self) -> dict[str, Any]:
        """Return the message as JSON, for `restored`."""
        values = {
            name: value.stored() if isinstance(value, Message) else _stored(value)
            for name, value in self.params.items()
        }
        return {"text": _stored(self.msgid), "values": values}

    @classmethod
    def restored(cls, stored: Any) -> Self:
        """Build a message from JSON. Raise KeyError, TypeError or ValueError for other JSON."""
        if not isinstance(stored["text"], str):
            raise TypeError(stored)
        values = dict(stored["values"]).items()
        nested = {name: cls.restored(v) if isinstance(v, dict) else v for name, v in values}
        return cls(stored["text"], **nested)


class _FieldMessage(Message):
    """The message of a form field, which Django translates by itself, also in the plural."""

    error: ValidationError

    def localized(self) -> str:
        return shorten(self.error.messages[0])


def from_validation_error(error: ValidationError) -> Message:
    """Return the message of `error`. If it has a plural form, it is English once it was stored."""
    with translation.override("en"):
        english = shorten(error.messages[0])
        message = _FieldMessage(english)
        params = {name: str(value) for name, value in (error.params or {}).items()}
        with suppress(KeyError, TypeError, ValueError):
            translatable = _FieldMessage(str(error.message), **params)
            if translatable == english:
                message = translatable
    message.error = error
    return message


def join(messages: Iterable[Message]) -> Message:
    """Return one message that consists of `messages`, separated by spaces."""
    params = {f"sentence_{index}": each for index, each in enumerate(messages)}
    msgid = " ".join(f"%({name})s" for name in params)
    return Message(msgid, **params)


def dump(text: str) -> dict[str, Any]:
    """Return the columns of an export that say why it failed. `load` reads them.

    `error` has the English text. `reason` has what translates it, if `text` is a Message.
    """
    reason = text.stored() if isinstance(text, Message) else None
    if len(json.dumps(reason, ensure_ascii=False)) > MAX_JSON:
        reason = None
    return {"error": _stored(text), "reason": reason}


def load(error: str, reason: Mapping[str, Any] | None) -> str:
    """Return the text that `dump` got. It is a Message if `reason` can be read."""
    with suppress(KeyError, TypeError, ValueError):  # Another version may have stored it.
        return error if reason is None else Message.restored(reason)
    return error


def localize(error: str, reason: Mapping[str, Any] | None) -> tuple[str, str]:
    """Return why an export failed, and the language of that text.

    The text is in the reader's language, or in English if it cannot be translated.
    """
    message = load(error, reason)
    if isinstance(message, Message):
        # The translation may have other parameters than the version that stored the message.
        with suppress(KeyError, TypeError, ValueError):
            return _stored(message.localized()), translation.get_language() or "en"
    return error, "en"


def shorten(text: str) -> str:
    """Return the first MAX_LENGTH characters of `text`, with an ellipsis if there were more."""
    return text if len(text) <= MAX_LENGTH else f"{text[:MAX_LENGTH]} …"


def _parameter(value: object) -> Any:
    """Return `value` as JSON can store it: as a whole number, a message or a text.

    A long text is cut, because an error must not repeat all that was sent.
    """
    if isinstance(value, Promise):
        with translation.override("en"):
            return Message(str(value))
    is_number = isinstance(value, int) and not isinstance(value, bool)
    return value if is_number or isinstance(value, Message) else shorten(str(value))


def _localized(value: Any) -> str:
    if isinstance(value, Message):
        return value.localized()
    return number(value) if isinstance(value, int) else value


def _stored(value: Any) -> Any:
    return shorten(storable(value)) if isinstance(value, str) else value
