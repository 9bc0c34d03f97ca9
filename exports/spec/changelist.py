"""An admin change list as a selection of rows, with its filters, search, dates and order.

A selection is {"model": "demo.flight", "query": "carrier=UA&q=x"}. It also has "keys" if the user
ticked rows, and "order" (["-distance", "pk"]) if the user sorted the list. The rows come from the
model's own ModelAdmin with the rights of that user, so an export never has rows that the list does
not have.
"""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.contrib import admin
from django.contrib.admin.exceptions import DisallowedModelAdminLookup, NotRegistered
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ORDER_VAR, SEARCH_VAR
from django.contrib.messages import ERROR
from django.core.exceptions import FieldError, SuspiciousOperation, ValidationError
from django.core.validators import ProhibitNullCharactersValidator
from django.db import NotSupportedError
from django.db.models import F

from exports.exceptions import InvalidSelection, NotPermitted
from exports.exporters.joins import resolved
from exports.exporters.validation import comparison_error, validated
from exports.i18n.message import Message
from exports.spec import context, patterns

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django.contrib.admin.views.main import ChangeList
    from django.contrib.auth.models import User
    from django.db.models import QuerySet
    from django.http import HttpRequest

    from exports.exporters import Exporter

without_nul = ProhibitNullCharactersValidator()


def rows(
    exporter: Exporter, user: User, selection: Mapping[str, Any], stored: Mapping[str, Any] | None
) -> QuerySet[Any]:
    """Return the rows of the list that `selection` names, as `user` sees them.

    `stored` is the request context of the export. Raises InvalidSelection for a malformed
    selection, MissingContext for a list that needs more of the request, NotPermitted for a hidden
    list.
    """
    model_admin = _model_admin(selection)
    exported = exporter.queryset.model._meta
    if exported.concrete_model is not model_admin.opts.concrete_model:
        raise InvalidSelection(
            Message(
                "The list shows %(listed)s, but the exporter exports %(exported)s.",
                listed=model_admin.model._meta.label,
                exported=exported.label,
            )
        )
    with context.restore(user, stored, str(selection.get("query", ""))) as request:
        request._messages = _Messages()  # type: ignore[attr-defined]  # Django's own attribute.
        _check_permission(model_admin, request)
        where = f"{type(model_admin).__name__}.get_queryset()"
        listed = validated(
            changelist_without_count(model_admin, request).queryset, model_admin.model, where
        )
    # The order of the list decides which rows it has only if the list is a slice or distinct.
    if listed.query.is_sliced or listed.query.distinct_fields:
        return listed
    return listed.order_by()


def check_permission(
    user: User, selection: Mapping[str, Any], stored: Mapping[str, Any] | None
) -> None:
    """Raise NotPermitted if `user` may not see the list that `selection` names.

    Raises InvalidSelection or MissingContext in the same cases as `rows`.
    """
    model_admin = _model_admin(selection)
    with context.restore(user, stored, str(selection.get("query", ""))) as request:
        _check_permission(model_admin, request)


def _check_permission(model_admin: admin.ModelAdmin[Any], request: HttpRequest) -> None:
    # The site is checked as well, because a user who is no longer staff may still have permissions.
    if admin.site.has_permission(request) and model_admin.has_view_permission(request):
        return
    name = model_admin.model._meta.verbose_name_plural
    raise NotPermitted(Message("You do not have permission to view %(name)s.", name=name))


def narrow(queryset: QuerySet[Any], selection: Mapping[str, Any]) -> QuerySet[Any]:
    """Limit `queryset` to the ticked rows, if the selection has any, and sort it like the list."""
    if "keys" in selection:
        queryset = queryset.filter(pk__in=_keys(queryset, selection["keys"]))
    if order := selection.get("order"):
        queryset = _sorted(queryset, order)
    return queryset


def sorted_by(changelist: ChangeList) -> dict[str, bool]:
    """Return the columns by which the user sorted the list, and whether each is descending."""
    if ORDER_VAR not in changelist.params:
        return {}
    columns = changelist.get_ordering_field_columns()
    # A slice of `list_display`, because the URL may have the number of a column that does not exist.
    return {
        str(name): direction == "desc"
        for number, direction in columns.items()
        for name in changelist.list_display[number : number + 1]
        if changelist.get_ordering_field(name)
    }


def order_of(changelist: ChangeList, request: HttpRequest) -> list[str]:
    """Return the "order" of a selection: how the user sorted the list.

    Empty if the user did not sort it, or sorted it by something that is not a field of the model.
    """
    if not sorted_by(changelist):
        return []
    order: list[Any] = list(changelist.get_ordering(request, changelist.root_queryset))
    try:
        _sorted(changelist.model._default_manager.all(), order)
    except InvalidSelection:
        return []
    return order


def _sorted(queryset: QuerySet[Any], order: Any) -> QuerySet[Any]:
    """Sort by the fields in `order`, and equal rows by primary key. Raises InvalidSelection."""
    if not isinstance(order, list) or not all(isinstance(each, str) for each in order):
        raise InvalidSelection(Message('"order" must be a list of fields.'))
    try:
        # Resolve the fields here. order_by() would raise only when the query runs.
        looked_up = [resolved(queryset, F(each.removeprefix("-"))) for each in order]
    except FieldError as error:
        raise InvalidSelection(
            Message("The order of this list is not valid: %(problem)s", problem=error)
        ) from error
    if relation := next((relation for _, relation in looked_up if relation), ""):
        raise InvalidSelection(
            Message(
                'The list cannot be exported sorted by "%(relation)s", because that repeats rows.',
                relation=relation,
            )
        )
    return queryset.order_by(*order, "pk")


def _model_admin(selection: Mapping[str, Any]) -> admin.ModelAdmin[Any]:
    try:
        return admin.site.get_model_admin(apps.get_model(str(selection.get("model"))))
    except (LookupError, ValueError, NotRegistered):
        raise InvalidSelection(
            Message(
                'There is no admin list of "%(model)s". Use the form "app.model".',
                model=str(selection.get("model")),
            )
        ) from None


class _Messages:
    """Replaces the messages of a request: raises those that are errors, and drops the others."""

    def add(self, level: int, message: str, extra_tags: str = "") -> None:  # noqa: ARG002 - Django's signature
        if level >= ERROR:
            raise InvalidSelection(
                Message("The search of this list is not valid: %(problem)s", problem=message)
            )


class _WithoutCount:
    """A mixin for the class of a change list. It reads neither the count nor the rows."""

    def get_results(self: Any, request: HttpRequest) -> None:  # noqa: ARG002 - Django's signature
        self.result_count = self.full_result_count = 0
        self.result_list = self.root_queryset.none()
        self.can_show_all = self.multi_page = False


def changelist_without_count(
    model_admin: admin.ModelAdmin[Any], request: HttpRequest
) -> ChangeList:
    """Return the change list of `request`. Its `queryset` has the rows of all pages.

    No row is counted or read. Raises InvalidSelection for a query string that cannot be read.
    """
    if problem := patterns.search_problem(request.GET.get(SEARCH_VAR, "")):
        raise InvalidSelection(
            Message("The search of this list is not valid: %(problem)s", problem=problem)
        )
    # Based on the list's own class, which may hide rows.
    own = model_admin.get_changelist(request)
    kind = type(f"{own.__name__}WithoutCount", (_WithoutCount, own), {})
    model_admin = copy(model_admin)
    model_admin.get_changelist = lambda *_, **__: kind  # type: ignore[method-assign]
    # Preserved filters are for links on the page, and need the path of the request.
    model_admin.get_preserved_filters = lambda _: ""  # type: ignore[method-assign,assignment]
    try:
        changelist: ChangeList = model_admin.get_changelist_instance(request)
    except (
        IncorrectLookupParameters,
        DisallowedModelAdminLookup,
        SuspiciousOperation,
        TypeError,  # Django sorts a slice, or the filter returned no queryset.
        NotSupportedError,
        OverflowError,  # The query has a year that Python's calendar does not have.
    ) as error:
        raise InvalidSelection(
            Message("The filters of this list are not valid: %(problem)s", problem=error)
        ) from error
    texts = [text for _, values in request.GET.lists() for text in values]
    found = changelist.queryset
    unreadable = patterns.problem_among(found.query, texts, found.db) or comparison_error(found)
    if unreadable:
        raise InvalidSelection(
            Message("The filters of this list are not valid: %(problem)s", problem=unreadable)
        )
    changelist.add_facets = False  # Facets would count rows for each choice of a filter.
    return changelist


def _keys(queryset: QuerySet[Any], keys: Any) -> list[Any]:
    field = queryset.model._meta.pk
    if not isinstance(keys, list):
        raise InvalidSelection(Message('"keys" must be a list of primary keys.'))
    try:
        found = [field.to_python(key) for key in keys]
        for key in found:
            # The column may be unable to hold the number or the text.
            field.run_validators(key)
            without_nul(key)
    except (TypeError, ValidationError):
        raise InvalidSelection(Message('"keys" must be a list of primary keys.')) from None
    return found
