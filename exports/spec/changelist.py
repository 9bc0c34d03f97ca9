"""An admin change list as a selection of rows: what its filters, search and dates left.

A selection is {"model": "demo.flight", "query": "carrier=UA&q=x"}, with "keys" besides
when rows were ticked by hand, and "order" (["-distance", "pk"]) when its reader has sorted it.
It is read through the model's own ModelAdmin as the user
who made it, so it can never show more than that list does.
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
from exports.exporters.querysets import checked, incomparable
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
    """The rows of the list that `selection` names, as `user` sees them.

    `stored` is what `context` has kept of the request. Raises InvalidSelection for a selection
    that cannot be read, NotKept for a list that needs more, NotPermitted for a hidden list.
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
    with context.restored(user, stored, str(selection.get("query", ""))) as request:
        request._messages = _Messages()  # type: ignore[attr-defined]  # Where Django's are, too.
        _check_permission(model_admin, request)
        where = f"{type(model_admin).__name__}.get_queryset()"
        listed = checked(
            changelist_without_count(model_admin, request).queryset, model_admin.model, where
        )
    # A list has an order of its own, which says which rows it has only where it is cut.
    if listed.query.is_sliced or listed.query.distinct_fields:
        return listed
    return listed.order_by()


def check_permission(
    user: User, selection: Mapping[str, Any], stored: Mapping[str, Any] | None
) -> None:
    """Raise NotPermitted if `user` may not see the list that `selection` names.

    Raises InvalidSelection and NotKept as `rows`.
    """
    model_admin = _model_admin(selection)
    with context.restored(user, stored, str(selection.get("query", ""))) as request:
        _check_permission(model_admin, request)


def _check_permission(model_admin: admin.ModelAdmin[Any], request: HttpRequest) -> None:
    # The site first, as its pages do: a user who is no longer staff may still have permissions.
    if admin.site.has_permission(request) and model_admin.has_view_permission(request):
        return
    name = model_admin.model._meta.verbose_name_plural
    raise NotPermitted(Message("You do not have permission to view %(name)s.", name=name))


def narrow(queryset: QuerySet[Any], selection: Mapping[str, Any]) -> QuerySet[Any]:
    """Of `queryset`, the rows that were ticked by hand, if any were; in the order of the list."""
    if "keys" in selection:
        queryset = queryset.filter(pk__in=_keys(queryset, selection["keys"]))
    if order := selection.get("order"):
        queryset = _sorted(queryset, order)
    return queryset


def sorted_by(changelist: ChangeList) -> dict[str, bool]:
    """By which columns somebody has sorted the list, and whether from the last to the first."""
    if ORDER_VAR not in changelist.params:
        return {}
    columns = changelist.get_ordering_field_columns()
    names = {
        name: way == "desc"
        for number, way in columns.items()
        for name in changelist.list_display[number : number + 1]
    }
    return {str(name): way for name, way in names.items() if changelist.get_ordering_field(name)}


def order_of(changelist: ChangeList, request: HttpRequest) -> list[str]:
    """How somebody has sorted the list, as a selection has it; [] if nobody has.

    Also [] for an order that is no field of the model: an export knows no other.
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
    """In that order; rows that are the same in it, in that of their keys."""
    if not isinstance(order, list) or not all(isinstance(each, str) for each in order):
        raise InvalidSelection(Message('"order" must be a list of fields.'))
    try:
        # Looked up as columns: an order is looked up when it is too late to say what is wrong.
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
    """What the list tells its reader: nobody here, but an error is one."""

    def add(self, level: int, message: str, extra_tags: str = "") -> None:  # noqa: ARG002 - Django's signature
        if level >= ERROR:
            raise InvalidSelection(
                Message("The search of this list is not valid: %(problem)s", problem=message)
            )


class _Uncounted:
    """Goes before a change list's own class, in place of its count and its page of rows."""

    def get_results(self: Any, request: HttpRequest) -> None:  # noqa: ARG002 - Django's signature
        self.result_count = self.full_result_count = 0
        self.result_list = self.root_queryset.none()
        self.can_show_all = self.multi_page = False


def changelist_without_count(
    model_admin: admin.ModelAdmin[Any], request: HttpRequest
) -> ChangeList:
    """The change list that `request` asks for; `queryset` has the rows of all its pages.

    Nothing is counted and no row is read. Raises InvalidSelection when the query string
    cannot be read.
    """
    if problem := patterns.search_problem(request.GET.get(SEARCH_VAR, "")):
        raise InvalidSelection(
            Message("The search of this list is not valid: %(problem)s", problem=problem)
        )
    # Asked by Django itself, of each request: for links, which nobody sees here.
    model_admin = copy(model_admin)
    model_admin.get_preserved_filters = lambda _: ""  # type: ignore[method-assign,assignment]
    # Made from the list's own class: one that shows fewer rows must mean fewer rows here.
    own = model_admin.get_changelist(request)
    kind = type(f"Uncounted{own.__name__}", (_Uncounted, own), {})
    try:
        changelist: ChangeList = kind(
            request,
            model_admin.model,
            _columns(model_admin, request),
            [],  # list_display_links
            model_admin.get_list_filter(request),
            model_admin.date_hierarchy,
            model_admin.get_search_fields(request),
            model_admin.get_list_select_related(request),
            model_admin.list_per_page,
            model_admin.list_max_show_all,
            (),  # list_editable
            model_admin,
            (),  # sortable_by
            None,  # search_help_text
        )
    except (
        *(IncorrectLookupParameters, DisallowedModelAdminLookup, SuspiciousOperation),
        TypeError,  # Django sorts a slice, or what is no queryset.
        NotSupportedError,
        OverflowError,  # A year beyond Python's calendar.
    ) as error:
        raise InvalidSelection(
            Message("The filters of this list are not valid: %(problem)s", problem=error)
        ) from error
    texts = [text for _, values in request.GET.lists() for text in values]
    found = changelist.queryset
    if unreadable := patterns.problem_among(found.query, texts, found.db) or incomparable(found):
        raise InvalidSelection(
            Message("The filters of this list are not valid: %(problem)s", problem=unreadable)
        )
    changelist.add_facets = False  # The numbers beside the choices are counts, too.
    return changelist


def _columns(model_admin: admin.ModelAdmin[Any], request: HttpRequest) -> list[Any]:
    """Those of the list as Django counts them: an order names them by number."""
    ticks = ["action_checkbox"] if model_admin.get_actions(request) else []
    return [*ticks, *model_admin.get_list_display(request)]


def _keys(queryset: QuerySet[Any], keys: Any) -> list[Any]:
    field = queryset.model._meta.pk
    if not isinstance(keys, list):
        raise InvalidSelection(Message('"keys" must be a list of primary keys.'))
    try:
        found = [field.to_python(key) for key in keys]
        for key in found:
            # A number may be one that no column can hold, and so may a text.
            field.run_validators(key)
            without_nul(key)
    except (TypeError, ValidationError):
        raise InvalidSelection(Message('"keys" must be a list of primary keys.')) from None
    return found
