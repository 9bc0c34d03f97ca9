"""The columns of a request: which ones, in which order, under which headers."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from exports.exceptions import InvalidHeader, UnknownColumn
from exports.i18n.message import Message

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from exports.exporters import Column, Exporter

MAX_HEADER = 100  # Characters of a header.


def choose_columns(
    exporter: Exporter, names: Sequence[str] | None, headers: Mapping[str, str] | None = None
) -> list[Column]:
    """Return the columns `names` in that order, or all columns if `names` is None.

    `headers` replaces the headers of some columns, by column name. A translated header is in the
    active language. Raises UnknownColumn or InvalidHeader.
    """
    return _with_headers(_find_columns(exporter, names), headers or {})


def _find_columns(exporter: Exporter, names: Sequence[str] | None) -> list[Column]:
    known = {column.name: column for column in exporter.all_columns()}
    if names is None:
        return list(known.values())
    if not names:
        raise UnknownColumn(Message("Choose at least one column."))
    for name in names:
        if name not in known:
            raise UnknownColumn(
                Message(
                    '"%(exporter)s" has no column "%(name)s". Available: %(known)s.',
                    exporter=exporter.name,
                    name=name,
                    known=", ".join(known),
                )
            )
    if len(set(names)) < len(names):
        raise UnknownColumn(Message("Each column can be used only once."))
    return [known[name] for name in names]


def _with_headers(chosen: Sequence[Column], headers: Mapping[str, str]) -> list[Column]:
    names = {column.name for column in chosen}
    for name, header in headers.items():
        if name not in names:
            raise InvalidHeader(
                Message(
                    'The header "%(header)s" is for a column that is not selected: %(column)s.',
                    header=header,
                    column=name,
                ),
                columns=[name],
            )
        if not 0 < len(header) <= MAX_HEADER or not header.isprintable():
            raise InvalidHeader(
                Message(
                    'The header of "%(column)s" must be a single line of 1 to %(most)s characters.',
                    column=name,
                    most=MAX_HEADER,
                ),
                columns=[name],
            )
    titled = [column.with_header(headers.get(column.name, str(column.header))) for column in chosen]
    for header, times in Counter(str(column.header) for column in titled).items():
        if times > 1:
            raise InvalidHeader(
                Message('Two columns cannot both have the header "%(header)s".', header=header),
                columns=[column.name for column in titled if column.header == header],
            )
    return titled
