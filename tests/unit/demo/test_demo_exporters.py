"""What the demo offers to export: names, columns and permissions, from a copy of their own."""

from __future__ import annotations

import pytest
from django.http import HttpRequest

from demo.exporters import mph
from exports.exporters import checks, registry
from exports.spec import filters

FLIGHTS = """
    id date time_hour carrier_id carrier__name flight tailnum origin_id origin__name dest_code
    dest__name sched_dep_time dep_time dep_delay sched_arr_time arr_time arr_delay air_time
    distance delay speed
"""
WEATHER = """
    id origin_id origin__name time_hour temp dewp humid wind_dir wind_speed wind_gust precip
    pressure visib
"""
PLANES = "tailnum year type manufacturer model engines seats speed engine"
AIRPORTS = "faa name lat lon alt tz dst tzone"


@pytest.mark.parametrize(
    ("name", "label", "permission", "columns"),
    [
        ("flights", "Flights", "demo.export_flight", FLIGHTS),
        ("weather", "Weather", "demo.export_weather", WEATHER),
        ("planes", "Planes", "demo.export_plane", PLANES),
        ("airports", "Airports", "demo.export_airport", AIRPORTS),
    ],
)
def test_exporter_has_its_columns_and_its_permission(name, label, permission, columns):
    exporter = registry.get(name)

    assert [column.name for column in exporter.all_columns()] == columns.split()
    assert (exporter.label, exporter.permission) == (label, permission)


def test_demo_columns_all_resolve():
    assert [str(error) for error in checks.check() if "demo" in type(error.obj).__module__] == []


def test_filters_have_their_documented_names():
    assert set(filters.filter_names(registry.get("flights"), HttpRequest())) == {
        "carrier",
        "flight",
        "tailnum",
        "origin",
        "dest",
        "month",
        "date_after",
        "date_before",
        "time_hour_after",
        "time_hour_before",
        "dep_delay_min",
        "dep_delay_max",
        "arr_delay_min",
        "arr_delay_max",
    }


@pytest.mark.parametrize(
    ("distance", "air_time", "speed"),
    [(1400, 227, 370.0), (1416, 227, 374.3), (1400, None, None)],
)
def test_speed_is_in_miles_an_hour_or_unknown(distance, air_time, speed):
    assert mph(distance, air_time) == speed
