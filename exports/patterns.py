"""Regular expressions that people send, in a filter or the address of a list of the admin.

SQLite runs them by Python's `re`, inside the process and holding its lock: one that backtracks
stops every thread, and nothing can end it. PostgreSQL runs its own, which `statement_timeout`
ends. Those of the project's own code are let through.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from django.db import DataError, connections, transaction
from django.db.models import Value
from django.db.models.lookups import Regex
from django.db.models.sql import Query

from exports.reasons import spoken

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from exports.sentences import Sentence

LONGEST = 1_000
# What may let `re` try a text in more ways than it has characters.
REPEATING = "*+?{|"


def problem_among(query: Query, texts: Iterable[str], using: str) -> Sentence | None:
    """Why one of the `texts`, which a user sent, cannot be a pattern of `query`; None if all can.

    A text is taken for a pattern if a pattern of `query` is it, or has it as a part.
    """
    sent = {stripped for text in texts if (stripped := text.strip())}
    for pattern in {str(each) for each in _patterns(query)}:
        parts = [text for text in sent if text in pattern]
        # A single character is in many a pattern of the project's own, which may repeat.
        if any(text == pattern or len(text) > 1 for text in parts):
            problem = problem_of(pattern, using)
        else:
            problem = _syntax_problem(pattern, using) if parts else None
        if problem:
            return problem
    return None


def problem_of(pattern: str, using: str) -> Sentence | None:
    """Why the database `using` cannot or may not match `pattern`, in words; None if it can."""
    if len(pattern) > LONGEST:
        return spoken(
            "a regular expression may have %(longest)s characters at most.", longest=LONGEST
        )
    is_inside = connections[using].vendor == "sqlite"
    if is_inside and any(sign in pattern for sign in REPEATING):
        return spoken(
            "on SQLite a regular expression may not contain any of %(signs)s: nothing could "
            "stop one that takes for ever.",
            signs=" ".join(REPEATING),
        )
    return _syntax_problem(pattern, using)


def _syntax_problem(pattern: str, using: str) -> Sentence | None:
    try:
        if connections[using].vendor == "sqlite":
            re.compile(pattern)
        else:
            _match_nothing(pattern, using)
    except (DataError, OverflowError, RecursionError, re.error) as error:
        return spoken("it is not a regular expression: %(problem)s", problem=error)
    return None


def _match_nothing(pattern: str, using: str) -> None:
    """Raises DataError for what is no pattern to PostgreSQL."""
    # In a savepoint: a refusal would end the transaction that may be open.
    with transaction.atomic(using), connections[using].cursor() as cursor:
        cursor.execute("SELECT '' ~ %s", [pattern])


def _patterns(node: Any) -> Iterator[Any]:
    """The patterns of all lookups by regular expression in `node`, a query or a part of one."""
    if isinstance(node, Query):
        yield from _patterns_in([node.where, *node.annotations.values(), *node.combined_queries])
        return
    if isinstance(node, Regex):
        if isinstance(node.rhs, str):
            yield node.rhs
        elif isinstance(node.rhs, Value):
            yield node.rhs.value
    if hasattr(node, "get_source_expressions"):
        yield from _patterns_in(node.get_source_expressions())


def _patterns_in(parts: Iterable[Any]) -> Iterator[Any]:
    for part in parts:
        if part is not None:
            yield from _patterns(part)
