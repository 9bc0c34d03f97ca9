"""A mixin that cannot work is refused at start-up."""

from __future__ import annotations

import pytest
from django.contrib import admin

from demo.exporters import Flights
from demo.models import Flight, Plane
from exports.admin import ExportMixin
from exports.exporters import checks

pytestmark = pytest.mark.django_db


def problems(model, **attributes):
    cls = type("BrokenAdmin", (ExportMixin, admin.ModelAdmin), attributes)
    return {each.id: each for each in cls(model, admin.site).check()}


def test_mixin_without_an_exporter_is_refused_at_start_up():
    assert 'Add `exporter = "name"`' in problems(Flight)["exports.E002"].hint


def test_mixin_with_an_unknown_exporter_is_refused_at_start_up():
    problem = problems(Flight, exporter="flihgts")["exports.E003"]

    assert problem.msg.startswith(
        'There is no exporter "flihgts". Available: airports, audit, flights'
    )


def test_mixin_with_an_exporter_of_another_model_is_refused():
    problem = problems(Flight, exporter="planes")["exports.E004"]

    assert problem.msg == 'The exporter "planes" exports demo.Plane, this list shows demo.Flight.'


def test_check_warns_of_lists_with_more_ticks_than_form_fields(settings):
    """The page that asks how has a field for each row that is ticked."""
    own = 2 * len(Flights.columns) + checks.OTHER_FIELDS
    settings.DATA_UPLOAD_MAX_NUMBER_FIELDS = own + 500

    assert "exports.W002" not in problems(Flight, exporter="flights", list_max_show_all=500)
    for shown in ("list_max_show_all", "list_per_page"):
        problem = problems(Flight, exporter="flights", **{shown: 501})["exports.W002"]
        assert problem.hint.startswith(f"Set DATA_UPLOAD_MAX_NUMBER_FIELDS = {own + 501} ")


def test_mixin_that_is_not_the_registered_admin_is_refused():
    problem = problems(Flight, exporter="flights")["exports.E005"]

    assert "which has FlightAdmin for this model" in problem.msg


def test_demo_lists_pass_their_checks():
    assert admin.site.get_model_admin(Flight).check() == []
    assert admin.site.get_model_admin(Plane).check() == []
