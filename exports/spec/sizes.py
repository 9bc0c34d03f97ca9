"""Limit the size of a request for an export. No I/O.

The parameters are stored with the export and loaded by each worker. So their size is checked
before they are parsed.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from django.core.serializers.json import DjangoJSONEncoder

from exports.exceptions import RequestTooLarge
from exports.i18n.message import Message

if TYPE_CHECKING:
    from collections.abc import Mapping


# Bytes of the `params` of an export or a preset, as compact JSON in UTF-8.
MAX_PARAMS = 32 * 1024
# Values of one filter, in a list or between commas. Each takes memory in a query.
MAX_VALUES = 1_000


def size_of(params: Any) -> int:
    """Return the bytes of `params` as compact JSON. Raise RecursionError for deep nesting."""
    text = json.dumps(params, cls=DjangoJSONEncoder, ensure_ascii=False, separators=(",", ":"))
    return len(text.encode(errors="replace"))


def check(params: Mapping[str, Any]) -> None:
    """Raise RequestTooLarge if `params` take more than MAX_PARAMS bytes or are nested too deeply."""
    given = {name: value for name, value in params.items() if value is not None}
    try:
        size, sizes = size_of(given), {name: size_of(value) for name, value in given.items()}
    except RecursionError:
        raise RequestTooLarge(
            Message(
                "The request is nested too deeply. Filters accept texts, numbers and lists of them."
            )
        ) from None
    if size > MAX_PARAMS:
        largest = max(sizes, key=lambda name: sizes[name])
        raise RequestTooLarge(_too_large(largest, size), field=largest)


def _too_large(largest: str, size: int) -> Message:
    if largest == "changelist":
        return Message(
            "This selection has %(size)s bytes; the limit is %(allowed)s. Select fewer "
            "rows, or filter the list and choose “Export…”.",
            size=size,
            allowed=MAX_PARAMS,
        )
    return Message(
        "This request has %(size)s bytes; the limit is %(allowed)s. Choose fewer "
        "columns, or use fewer and shorter values in filters and headers.",
        size=size,
        allowed=MAX_PARAMS,
    )
