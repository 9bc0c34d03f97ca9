"""A ninja router whose asynchronous views work with ATOMIC_REQUESTS."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import connections, transaction
from ninja import Router
from ninja.operation import PathView

if TYPE_CHECKING:
    from collections.abc import Callable


class AsyncRouter(Router):
    """A router whose views run outside of the request's transaction.

    Django cannot wrap an async view in a transaction. The router itself must prevent that, because
    a project that copies the apps adds this router to an API of its own.
    """

    def add_api_operation(self, path: str, *args: Any, **kwargs: Any) -> None:
        self.path_operations.setdefault(path, _OutsideTransactions())
        super().add_api_operation(path, *args, **kwargs)


class _OutsideTransactions(PathView):
    def clone(self) -> PathView:
        # Ninja's method returns a plain PathView.
        cloned = type(self)()
        vars(cloned).update(vars(super().clone()))
        return cloned

    def get_view(self) -> Callable[..., Any]:
        view = super().get_view()
        for alias in connections:
            view = transaction.non_atomic_requests(using=alias)(view)
        return view
