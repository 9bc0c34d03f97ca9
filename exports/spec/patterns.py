"""Check regular expressions and searches that users send, in a filter or the address of a list.

SQLite matches them with Python's `re`, which holds the lock of the interpreter. So a pattern that
backtracks stops every thread, and cannot be interrupted. On PostgreSQL `statement_timeout` ends the
query. Patterns in the project's own code are not checked.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from django.db import DataError, connections, transaction
from django.db.models import Value
from django.db.models.lookups import Regex
from django.db.models.sql import Query

from exports.i18n.message import Message

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


MAX_LENGTH = 1_000  # Characters of a pattern.
# Django searches for each word in each field; a search of a thousand words took minutes.
MAX_WORDS = 32
# A pattern with one of these characters can make `re` backtrack exponentially.
REPEATING_SIGNS = "*+?{|"


def search_problem(search: str) -> Message | None:
    """Return why an admin list cannot be searched for `search`; None if it can."""
    if len(search.split()) <= MAX_WORDS:
        return None
    return Message("a search can have at most %(most)s words.", most=MAX_WORDS)


def problem_among(query: Query, texts: Iterable[str], using: str) -> Message | None:
    """Return why `query` may not match one of the `texts`, which a user sent; None if it may.

    A text counts as a pattern if it is a pattern in `query`, or part of one.
    """
    sent = {stripped for text in texts if (stripped := text.strip())}
    for pattern in {str(each) for each in _patterns(query)}:
        parts = [text for text in sent if text in pattern]
        # A single character may occur by chance in a pattern of the project, which may repeat
        # parts. So only the syntax of that pattern is checked.
        if any(len(text) > 1 for text in parts):
            problem = problem_of(pattern, using)
        else:
            problem = _syntax_problem(pattern, using) if parts else None
        if problem:
            return problem
    return None


def problem_of(pattern: str, using: str) -> Message | None:
    """Return why the database `using` cannot or may not match `pattern`; None if it may."""
    if len(pattern) > MAX_LENGTH:
        return Message(
            "a regular expression can have at most %(longest)s characters.", longest=MAX_LENGTH
        )
    runs_in_process = connections[using].vendor == "sqlite"
    if runs_in_process and any(sign in pattern for sign in REPEATING_SIGNS):
        return Message(
            "on SQLite a regular expression cannot contain any of %(signs)s, because a "
            "slow one cannot be stopped.",
            signs=" ".join(REPEATING_SIGNS),
        )
    return _syntax_problem(pattern, using)


def _syntax_problem(pattern: str, using: str) -> Message | None:
    try:
        if connections[using].vendor == "sqlite":
            re.compile(pattern)
        else:
            # In a savepoint, because an error would abort a transaction that is already open.
            with transaction.atomic(using), connections[using].cursor() as cursor:
                cursor.execute("SELECT '' ~ %s", [pattern])
    except (DataError, RecursionError, re.error) as error:
        return Message("it is not a valid regular expression: %(problem)s", problem=error)
    return None


def _patterns(node: Any) -> Iterator[Any]:
    """Yield the patterns of all regex lookups in `node`, a query or a part of one."""
    if isinstance(node, Query):
        clone = node.chain()  # Resolving an order may join a table.
        orders = (
            each.resolve_expression(clone, allow_joins=True)
            for each in node.order_by
            if hasattr(each, "resolve_expression")
        )
        parts = [node.where, *node.annotations.values(), *node.combined_queries, *orders]
    else:
        parts = node.get_source_expressions() if hasattr(node, "get_source_expressions") else []
    if isinstance(node, Regex):
        if isinstance(node.rhs, str):
            yield node.rhs
        elif isinstance(node.rhs, Value):
            yield node.rhs.value
    for part in parts:
        if part is not None:
            yield from _patterns(part)
