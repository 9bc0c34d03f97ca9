"""A ninja router whose asynchronous views work under ATOMIC_REQUESTS, in whichever API it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.db import connections, transaction
from ninja import Router
from ninja.operation import PathView

if TYPE_CHECKING:
    from collections.abc import Callable


class AsyncRouter(Router):
    """Its views run outside of the transaction of a request: Django cannot wrap an async view.

    A project that copies the apps has an API of its own, so this cannot be left to that.
    """

    def add_api_operation(self, path: str, *args: Any, **kwargs: Any) -> None:
        self.path_operations.setdefault(path, _OutsideTransactions())
        super().add_api_operation(path, *args, **kwargs)


class _OutsideTransactions(PathView):
    def clone(self) -> PathView:
        # Ninja's makes a plain PathView.
        cloned = type(self)()
        vars(cloned).update(vars(super().clone()))
        return cloned

    def get_view(self) -> Callable[..., Any]:
        view = super().get_view()
        for alias in connections:
            view = transaction.non_atomic_requests(using=alias)(view)
        return view
