"""JSON Lines: one object on each line, in UTF-8. Decimals and times are text, as in CSV."""

from __future__ import annotations

from json.encoder import encode_basestring
from typing import TYPE_CHECKING, Any

from exports.formats.kinds import Kind
from exports.formats.lines import LinesPart, LinesWriter, TextCache
from exports.formats.text import dumps, escape_surrogates

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from exports.formats.base import Options, Out
    from exports.formats.kinds import Field, Page


class JSONLinesPart(LinesPart):
    def __init__(self, out: Out, fields: Sequence[Field], options: Options) -> None:
        super().__init__(out, fields, options)
        self._texts = [
            TextCache(lambda text: (encode_basestring(text), True), none="null") for _ in fields
        ]
        pairs = (f"{encode_basestring(field.header)}:".replace("%", "%%") for field in fields)
        self._line = "{" + ",".join(f"{pair}%s" for pair in pairs) + "}\n"

    def column(self, number: int, values: Sequence[Any]) -> Iterable[str]:
        match self._fields[number].kind:
            case Kind.VALUE:
                return map(dumps, values)
            case Kind.INTEGER | Kind.BOOLEAN | Kind.NESTED:  # Their text is JSON already.
                return ["null" if value is None else value for value in values]
            case Kind.FLOAT:
                return map(_number, values)
            case _:
                return map(self._texts[number].__getitem__, values)

    def join(self, columns: Iterable[Iterable[str]]) -> str:
        return "".join(map(self._line.__mod__, zip(*columns, strict=True)))

    def handle_surrogates(self, lines: str, page: Page) -> str:  # noqa: ARG002 - as in CSV
        return escape_surrogates(lines)


class JSONLinesWriter(LinesWriter):
    part_class = JSONLinesPart


def _number(text: str | None) -> str:
    """Return a FLOAT as JSON. Infinity and NaN are text, because JSON has no numbers for them."""
    if text is None:
        return "null"
    return text if text[-1].isdigit() else f'"{text}"'
