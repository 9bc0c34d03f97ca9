"""An exporter that cannot work is refused at start-up, with what to write instead."""

from __future__ import annotations

import re

import pytest
from django.contrib.auth.models import AnonymousUser, Permission, User
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.db.models import Count, F, Sum, TextField, Value, Window
from django.db.models.functions import Cast, Concat, RowNumber, Upper

from demo.filters import FlightFilter
from demo.models import Airline, Airport, Flight, Plane
from exports.exceptions import DefinitionError, UnknownExporter
from exports.exporters import Column, Exporter, checks, registry
from tests.support.exactness_models import Stop
from tests.support.exporting import registered


@pytest.fixture(autouse=True)
def _own_registry():
    with registered():
        yield


def declare(**attributes):
    """An exporter class that would work, but for `attributes`."""
    declared = {
        "queryset": Flight.objects.all(),
        "columns": ["id"],
        "permission": "demo.export_flight",
        **attributes,
    }
    return type("Departures", (Exporter,), declared)


def problems(*columns, queryset=None):
    """What the system check says of an exporter with these columns."""
    rows = Flight.objects.all() if queryset is None else queryset
    registry.register(declare(columns=columns, queryset=rows))
    return [(each.msg, each.hint) for each in checks.check() if "Departures" in each.obj]


# -- When it is registered ----------------------------------------------------------


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"queryset": None}, r"Departures has no queryset. Add `queryset = "),
        ({"columns": []}, r"Departures has no columns. Add `columns = "),
        ({"permission": ""}, r"does not say who may run it. Add `permission = "),
        ({"permission": "export_flight"}, r'"export_flight". Write it as "app.codename"'),
        ({"permission": "a.b.c"}, r'Write it as "app.codename"'),
        ({"queryset": Flight.objects.all()[:10]}, r"sliced, distinct or combined"),
        ({"queryset": Flight.objects.distinct()}, r"sliced, distinct or combined"),
        (
            {"queryset": Flight.objects.filter(id=1).union(Flight.objects.filter(id=2))},
            r"Select the rows with filter\(\)",
        ),
        (
            {"queryset": Airline.objects.filter(flights__distance__gt=1)},
            r'more than once: "flights" has several rows for each row',
        ),
        ({"name": "flights"}, r'second exporter with the name "flights"'),
    ],
)
def test_invalid_exporter_is_refused_with_the_remedy(attributes, message):
    with pytest.raises(DefinitionError, match=message):
        registry.register(declare(**attributes))

    with pytest.raises(UnknownExporter):
        registry.get("departures")


def test_composite_key_passes_the_checks():
    rows = Stop.objects.exclude(line="").annotate(places=Count("place__name"))

    assert problems("pk", "moment", "place__name", "places", "line", queryset=rows) == []


def test_custom_rule_replaces_the_permission():
    everybody = declare(permission="", has_permission=lambda self, user: True)

    registry.register(everybody)

    assert registry.get("departures").has_permission(AnonymousUser())


def test_deactivated_user_may_run_no_exporter():
    everybody = declare(permission="", has_permission=lambda _self, _user: True)()

    assert registry.may_run(everybody, User(is_active=True))
    assert not registry.may_run(everybody, User(is_active=False))


def test_second_registration_of_a_class_is_harmless():
    cls = declare()

    assert registry.register(cls) is registry.register(cls) is cls


def test_unknown_exporter_is_answered_with_the_known_names():
    with pytest.raises(UnknownExporter, match=r'"fligths"\. Available: .*flights') as raised:
        registry.get("fligths")

    assert raised.value.field == "exporter"


@pytest.mark.django_db
def test_permitted_exporters_are_offered_sorted_by_label():
    user = User.objects.create_user("somebody")
    for codename in ("export_plane", "export_flight"):
        user.user_permissions.add(Permission.objects.get(codename=codename))
    registry.register(declare(label="A first one"))

    assert [each.label for each in registry.available(user)] == ["A first one", "Flights", "Planes"]
    assert registry.available(AnonymousUser()) == []


# -- When Django checks -------------------------------------------------------------


def test_valid_exporter_has_no_problems():
    assert (
        problems(
            "id",
            "pk",
            "carrier",
            "carrier_id",
            "carrier__name",
            "plane__manufacturer",
            Column("delay", F("arr_delay") - F("dep_delay")),
            Column("renamed", "dep_delay"),
            Column("Name, in capitals (A to Z)", Upper("carrier__name"), header="Name"),
            Column("route__code", Concat("origin_id", Value("-"), "dest_code")),
            Column("speed", needs=["distance", "air_time"], python=max),
        )
        == []
    )


@pytest.mark.parametrize(
    ("column", "message", "remedy"),
    [
        ("carier", 'The column "carier" cannot be read: Cannot resolve', "Fix the field path"),
        ("carrier__nam", 'The column "carrier__nam" cannot be read', "Fix the field path"),
        ("id__nothing", 'The column "id__nothing" cannot be read', "Fix the field path"),
        (Column("delay", F("arr_dely")), 'The column "delay" cannot be read', "Fix"),
        (Column("speed", needs=["distnce"], python=max), 'The column "speed" cannot be', "Fix"),
        (Column("speed", python=max), '"speed" has `python` but no `needs`', "Add `needs="),
        (Column("speed", needs=["distance"]), '"speed" has `needs` but no `python`', "Add python="),
        (
            Column("speed", F("distance"), needs=["distance"], python=max),
            '"speed" has an expression and `python`',
            "Remove one",
        ),
        (
            Column("both", Concat("tailnum", Cast("id", TextField()))),
            '"both" cannot be read: Expression contains mixed types',
            "`output_field`",
        ),
        (
            Column("place", Window(RowNumber(), order_by="id")),
            '"place" cannot be read: a window',
            "Use a Subquery",
        ),
    ],
)
def test_column_that_cannot_be_read_is_found_with_the_remedy(column, message, remedy):
    ((found, hint),) = problems("id", column)

    assert message in found
    assert remedy in hint


def test_column_that_would_repeat_rows_is_found():
    ((message, hint),) = problems("carrier", "flights__id", queryset=Airline.objects.all())

    assert '"flights__id" cannot be read: "flights" has several rows' in message
    assert "Subquery" in hint


@pytest.mark.parametrize(
    "column",
    [
        Column("number", needs=["departures__id"], python=str),
        Column("number", F("departures__flight") + 1),
    ],
)
def test_computed_column_that_would_repeat_rows_is_found(column):
    ((message, _),) = problems("faa", column, queryset=Airport.objects.all())

    assert '"departures" has several rows' in message


def test_aggregate_over_many_rows_is_accepted():
    found = problems(
        "tailnum",
        Column("flights", Count("flights")),
        Column("miles", Sum("flights__distance")),
        queryset=Plane.objects.all(),
    )

    assert found == []


def test_duplicate_column_is_found():
    assert problems("id", "carrier", "id")[0][0] == 'The column "id" is defined 2 times.'


def test_duplicate_header_is_found():
    ((message, hint),) = problems("flight", Column("number", F("id"), header="flight"))

    assert message == 'The header "flight" is used 2 times.'
    assert "header=" in hint


def test_system_checks_report_all_problems_of_an_exporter():
    registry.register(declare(columns=["carier", "origin_id", "dist"]))

    with pytest.raises(SystemCheckError) as raised:
        call_command("check")

    assert "carier" in str(raised.value)
    assert "dist" in str(raised.value)
    assert "exports.E001" in str(raised.value)


# -- What is refused, or warned of, because it could only fail later ----------------------


@pytest.mark.parametrize(
    ("attributes", "problem"),
    [
        ({"queryset": Flight.objects}, "has a manager as its queryset"),
        ({"queryset": Flight.objects.values("carrier").annotate(n=Count("id"))}, "values()"),
        ({"columns": "id"}, "has a string as its columns"),
    ],
)
def test_exporter_that_would_fail_later_is_refused_at_once(attributes, problem):
    with pytest.raises(DefinitionError, match=re.escape(problem)):
        registry.register(declare(**attributes))


def test_class_that_is_no_exporter_is_refused():
    with pytest.raises(DefinitionError, match="is not a subclass of Exporter"):
        registry.register(type("Departures", (), {"queryset": Flight.objects.all()}))


def test_permission_that_no_model_declares_is_warned_of():
    registry.register(declare(permission="demo.export_fligt"))

    [warning] = [each for each in checks.check() if "Departures" in each.obj]

    assert warning.id == "exports.W001"
    assert 'permissions = [("export_fligt", "…")]' in warning.hint


def test_check_warns_of_more_columns_than_form_fields(settings):
    columns = [Column(f"n{number}", F("distance")) for number in range(490)]
    registry.register(declare(columns=columns, filterset=FlightFilter))

    [warning] = [each for each in checks.check() if "Departures" in each.obj]

    assert warning.id == "exports.W002"
    needed = 2 * 490 + 2 * len(FlightFilter.base_filters) + checks.OTHER_FIELDS
    assert warning.hint.startswith(f"Set DATA_UPLOAD_MAX_NUMBER_FIELDS = {needed} ")
    for enough in (needed, None):
        settings.DATA_UPLOAD_MAX_NUMBER_FIELDS = enough
        assert [each for each in checks.check() if "Departures" in each.obj] == []
