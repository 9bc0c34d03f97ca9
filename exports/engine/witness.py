"""Compares the rows of a part with those that were counted when it was planned.

Rows may come and go between planning and reading. Whether that is what happened is asked of
the database: the keys of the part are counted again, where the rows were read, and in the same
transaction where there is one. If they are as many as the rows that were written, the file is
right. If not, the file is wrong, and must not look right.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from exports.exceptions import WrongCount
from exports.sentences import Sentence

if TYPE_CHECKING:
    from django.db.models import QuerySet

    from exports.engine.plan import Range
    from exports.engine.source import Source


class Unsettled(WrongCount):
    """The rows may have changed while they were read: read the part once more."""


def compare(source: Source, queryset: QuerySet[Any], keys: Range, written: int) -> None:
    """To be called where the rows of `keys` were read, after the last of them.

    Raises WrongCount; or Unsettled where rows and keys were not read at one moment.
    """
    if written == keys.rows:
        return
    there = source.count(keys.of(queryset))
    # In a snapshot nothing comes or goes, so the plan is right or the reading is wrong.
    if there == written and not source.snapshot_id:
        return
    error = WrongCount if source.is_postgres else Unsettled
    raise error(
        Sentence(
            "A part of the file has %(written)s rows. %(planned)s were counted before, and "
            "%(there)s were there after. The file would be wrong, so there is none. Tell the "
            "developer of the exporter.",
            written=written,
            planned=keys.rows,
            there=there,
        )
    )
