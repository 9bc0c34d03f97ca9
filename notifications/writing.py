"""Read the rows of the apps from the database to which they are written.

A project with replicas routes reads to the replicas. A replica may lack a row that was just
written, but decisions of the apps depend on current rows.
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
    """A manager that reads from the database to which the project's routers write."""

    def get_queryset(self) -> QuerySet[M]:
        # `using()` and `db_manager()` still choose another database.
        found = super().get_queryset()
        return found if self._db else found.using(router.db_for_write(self.model))


def alias() -> str:
    """Return the alias of the database of streams and of all rows that change with them."""
    return router.db_for_write(apps.get_model("notifications", "Stream"))


@contextmanager
def atomic() -> Iterator[None]:
    """Open a transaction on the database of `alias()`. `@atomic()` works as a decorator, too."""
    with transaction.atomic(using=alias()):
        yield


def on_commit(call: Callable[[], Any]) -> None:
    """Run `call` after the commit. An exception in it is logged and has no other effect."""
    transaction.on_commit(call, using=alias(), robust=True)
