"""Check the number of rows of a part by counting its keys again.

Between planning and reading a part, rows may be added or deleted, so its file may rightly have more
or fewer rows than planned. It may also have lost rows through a bug. To tell the two apart, the
database counts the keys of the part in the transaction that reads its rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from exports.exceptions import WrongCount
from exports.i18n.message import Message
from exports.readers.plan import count

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django.db.models import QuerySet

    from exports.models import Export, Part
    from exports.readers.connection import Source
    from exports.readers.plan import Range


class Recount:
    """Count the keys of one part, in the transaction that reads its rows.

    `found` is the number of keys; None if the part needed no count.
    """

    def __init__(self, source: Source, queryset: QuerySet[Any], keys: Range) -> None:
        self.found: int | None = None
        self._source = source
        self._queryset = queryset
        self._keys = keys
        self._is_contradicted = False

    def compare(self, read: int) -> None:
        """Record that one query has returned `read` rows for the whole part."""
        if read != self._keys.rows:
            self.found = count(self._source, self._queryset, self._keys)

    def compare_page(self, page: Range) -> None:
        """Record that one of several queries has returned `page.rows` rows for the keys of `page`.

        The queries see the database at different moments, so each is compared by itself: equal
        totals would prove nothing.
        """
        found = count(self._source, self._queryset, page)
        self.found = (self.found or 0) + found
        self._is_contradicted |= found != page.rows

    def check(self, part: Part) -> None:
        """Raise WrongCount unless `part` has exactly the rows that the database had."""
        found = part.rows if self.found is None else self.found
        if self._is_contradicted or part.rows_done != found:
            raise WrongCount(
                Message(
                    "Part %(part)s has %(written)s rows. The database had %(found)s when "
                    "they were read (%(planned)s at the start). The file would be wrong, so it "
                    "was not created. Ask the developer of this exporter to check its columns "
                    "and queryset.",
                    part=part.number,
                    written=part.rows_done,
                    found=found,
                    planned=part.rows,
                )
            )
        if self._source.snapshot_id and part.rows_done != part.rows:
            raise WrongCount(
                Message(
                    "Part %(part)s has %(written)s rows, but %(planned)s were counted at the "
                    "same moment. The queryset of this exporter does not always return the same "
                    "rows. Ask its developer to remove random values and the current time from "
                    "it.",
                    part=part.number,
                    written=part.rows_done,
                    planned=part.rows,
                )
            )
        part.rows_found = None if part.rows_done == part.rows else found


def totals(export: Export, done: Iterable[Part]) -> dict[str, int]:
    """Return how many rows the file has, and how many were added and removed after the plan.

    Raise WrongCount if a part has another number of rows than planned or recounted, or if the
    planned numbers do not add up to `export.rows_total`.
    """
    planned = written = added = removed = 0
    for part in done:
        planned += part.rows
        written += part.rows_done
        added += max(part.rows_done - part.rows, 0)
        removed += max(part.rows - part.rows_done, 0)
        if part.rows_done != (part.rows if part.rows_found is None else part.rows_found):
            raise WrongCount(
                Message(
                    "Part %(part)s has %(written)s rows, but should have %(planned)s. Run the "
                    "export again.",
                    part=part.number,
                    written=part.rows_done,
                    planned=part.rows,
                )
            )
    if planned != export.rows_total:
        raise WrongCount(
            Message(
                "The parts of this export have %(planned)s rows, but %(total)s were counted "
                "at the start. Run the export again.",
                planned=planned,
                total=export.rows_total,
            )
        )
    return {"rows_done": written, "rows_added": added, "rows_removed": removed}
