"""The database in which the rows of the apps live: written there, and read from there.

A project with replicas routes reads to them. A row that has just been written may not be there
yet, and everything here decides by what it has read.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from django.apps import apps
from django.db import models, router, transaction

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from django.db.models import Model, QuerySet

M = TypeVar("M", bound="Model")


class WrittenManager(models.Manager[M]):
    """Reads from where the project's routers write."""

    def get_queryset(self) -> QuerySet[M]:
        # A queryset that names a database keeps it.
        found = super().get_queryset()
        return found if self._db else found.using(router.db_for_write(self.model))


def alias() -> str:
    """The database of streams, and of all rows that are written together with them."""
    return router.db_for_write(apps.get_model("notifications", "Stream"))


@contextmanager
def atomic() -> Iterator[None]:
    """A transaction of that database; also a decorator, as `@atomic()`."""
    with transaction.atomic(using=alias()):
        yield


def on_commit(call: Callable[[], Any]) -> None:
    """Call it after the commit. What it raises is logged, and undoes nothing."""
    transaction.on_commit(call, using=alias(), robust=True)
