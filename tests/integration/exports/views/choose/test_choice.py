"""The page of an exporter: what is chosen there is what is asked for."""

from __future__ import annotations

import re

import pytest
from django.contrib.auth.models import User
from django.urls import reverse
from django.utils.http import urlencode
from django_filters import BooleanFilter, FilterSet

from demo.exporters import Flights
from demo.models import Flight
from exports.exporters import Exporter, checks
from exports.exporters.checks import FIELDS_OF_COLUMN
from exports.models import Export
from exports.spec import presets
from tests.support import exporting
from tests.support.choosing import CHOSEN, DASHBOARD, FLIGHTS, LOOK, committed, words
from tests.support.pages import text
from tests.support.starting import start_export

pytestmark = pytest.mark.django_db


FORM = "application/x-www-form-urlencoded"


@committed
@pytest.mark.usefixtures("flights")
def test_chosen_columns_headers_and_filters_reach_the_file(signed_in):
    response = signed_in.post(FLIGHTS, CHOSEN)

    export = Export.objects.get()
    assert response["Location"] == f"{DASHBOARD}#{export.key}"
    assert export.params == {
        "columns": ["tailnum", "id"],
        "headers": {"tailnum": "Plane"},
        "filters": {"arr_delay_min": "10", "arr_delay_max": "12", "carrier": "UA"},
    }
    exporting.resume_with(export)
    export.refresh_from_db()
    assert exporting.content(export) == b"Plane,id\nN10,10\nN11,11\n,12\n"


def test_empty_choice_is_identical_to_the_dashboards_request(signed_in):
    signed_in.post(DASHBOARD, {"exporter": "flights", "format": "csv"})
    again = signed_in.post(FLIGHTS, {"format": "csv"}, follow=True)

    assert Export.objects.count() == 1
    assert "already started" in text(again)


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"column": []}, "Choose at least one column."),
        ({"column": ["nothing"]}, 'no column "nothing"'),
        ({"header-tailnum": "x" * 101}, "a single line of 1 to 100 characters"),
        ({"header-tailnum": "a\nb"}, "a single line of 1 to 100 characters"),
        ({"header-tailnum": "id"}, 'Two columns cannot both have the header "id".'),
        ({"filter-carrier": "nobody"}, "not one of the available choices"),
        ({"filter-nothing": "1"}, 'no filter "nothing"'),
        ({"filter-arr_delay_min": "late"}, "Enter a number."),
        ({"format": "docx"}, 'no format "docx"'),
        ({"format": "jsonl", "delimiter": ";"}, 'JSON Lines has no option "delimiter"'),
        ({"team": "7"}, "You are not in the team 7."),
    ],
)
def test_invalid_choice_is_refused_and_the_form_is_kept(signed_in, flights, wrong, reason):
    response = signed_in.post(FLIGHTS, {**CHOSEN, **wrong})

    assert response.status_code == 422
    assert reason in words(response)
    assert 'name="filter-arr_delay_max" value="12"' in text(response)
    assert not Export.objects.exists()


def element(response, name):
    """The opening tag of the field of that name."""
    return re.search(rf'<\w+[^>]* name="{name}"[^>]*>', text(response)).group()


@pytest.mark.parametrize(
    ("wrong", "field", "reason"),
    [
        ({"filter-arr_delay_min": "late"}, "filter-arr_delay_min", None),
        ({"filter-month": "13"}, "filter-month", "id_filter-month_error"),
        ({"filter-month": "1e999999"}, "filter-month", "id_filter-month_error"),
        ({"header-tailnum": "id"}, "header-id", "columns-error"),
        ({"label": "x" * 201}, "label", "id_label_helptext id_label_error"),
        ({"team": "7"}, "team", "id_team_helptext id_team_error"),
        ({"save": "", "preset": "a\nb"}, "preset", "id_preset_helptext id_preset_error"),
    ],
)
def test_refusal_is_marked_at_its_field_for_screen_readers(
    signed_in, flights, wrong, field, reason
):
    response = signed_in.post(FLIGHTS, {**CHOSEN, **wrong})

    assert response.status_code == 422
    assert 'aria-invalid="true"' in element(response, field)
    if reason is None:  # A range: of both its ends.
        assert '<fieldset class="range" aria-describedby="id_filter-arr_delay_error">' in text(
            response
        )
    else:
        assert f'aria-describedby="{reason}"' in element(response, field)
        assert f'id="{reason.rpartition(" ")[2]}"' in text(response)
    assert response.context["form"].non_field_errors() == []


def test_value_invalid_only_in_english_is_marked_at_its_field(signed_in, settings):
    settings.LANGUAGE_CODE = "de"

    response = signed_in.post(FLIGHTS, {**CHOSEN, "filter-date_after": "01.02.2013"})

    assert response.status_code == 422
    assert 'aria-invalid="true"' in element(response, "filter-date_after")


def test_preview_names_a_wrong_filter_by_its_label(signed_in, flights):
    refused = words(signed_in.post(LOOK, {**CHOSEN, "filter-arr_delay_min": "late"}))

    assert "Arrival delay: Enter a number." in refused
    assert "arr_delay" not in refused


def test_ends_of_a_range_are_labelled(signed_in):
    page = words(signed_in.get(FLIGHTS))

    ends = re.search(r"<legend>Arrival delay</legend> (.*?) </fieldset>", page).group(1)
    assert re.findall(r"<span>(\w+)</span> <input [^>]*name=\"([\w-]+)\"", ends) == [
        ("from", "filter-arr_delay_min"),
        ("to", "filter-arr_delay_max"),
    ]
    assert not re.search(r">\s*-\s*<", ends)


def test_untouched_boolean_filter_is_not_stored(user, signed_in, flights):
    class LateFilter(FilterSet):
        late = BooleanFilter("arr_delay", lookup_expr="gt", label="Late")

    class Late(Exporter):
        queryset = Flight.objects.all()
        permission = "demo.export_flight"
        filterset = LateFilter
        columns = ["id"]

    with exporting.registered(Late):
        url = reverse("exports:choose", args=["late"])
        assert '<option value="unknown" selected>' in text(signed_in.get(url))
        signed_in.post(url, {"format": "csv", "filter-late": "unknown"})

        assert Export.objects.get().params == presets.last(user, "late").params == {}


def test_export_page_shows_the_choice(signed_in, flights):
    signed_in.post(FLIGHTS, CHOSEN)
    export = Export.objects.get()

    page = words(signed_in.get(export.get_absolute_url()))
    Export.objects.filter(pk=export.pk).update(exporter="gone")
    gone = words(signed_in.get(export.get_absolute_url()))

    assert "Carrier is United Air Lines Inc.; Arrival delay from 10 to 12" in page
    assert "tailnum, id" in page
    assert "arr_delay_min=10" in gone


@pytest.mark.parametrize(
    ("language", "said", "hint"),
    [
        (
            "en",
            "Scheduled hour from 2013-01-01 10:00 Europe/Rome to 2013-01-02 10:00+02:00",
            "Times are in Europe/Rome.",
        ),
        (
            "de",
            "Geplante Stunde von 2013-01-01 10:00 Europe/Rome bis 2013-01-02 10:00+02:00",
            "Zeitzone: Europe/Rome.",
        ),
    ],
)
def test_times_are_shown_and_entered_with_their_time_zone(
    signed_in, user, settings, *, language, said, hint
):
    settings.TIME_ZONE = "Europe/Rome"
    settings.LANGUAGE_CODE = language
    filters = {"time_hour_after": "2013-01-01T10:00", "time_hour_before": "2013-01-02T10:00+02:00"}
    export = start_export(user=user, exporter="flights", filters=filters)

    assert said in words(signed_in.get(export.get_absolute_url()))
    assert hint in words(signed_in.get(FLIGHTS))


@pytest.mark.parametrize("way", ["get", "post"])
@pytest.mark.parametrize("name", ["nothing", "planes"])
def test_user_without_permission_sees_no_page_of_an_exporter(signed_in, way, name):
    for page in ("exports:choose", "exports:preview"):
        if (way, page) != ("get", "exports:preview"):
            assert getattr(signed_in, way)(reverse(page, args=[name])).status_code == 404


def test_dashboard_form_leads_to_the_page_with_its_choice(signed_in):
    chosen = {"exporter": "flights", "format": "xlsx", "choose": ""}

    page = signed_in.post(DASHBOARD, chosen, follow=True)

    assert page.redirect_chain == [(f"{FLIGHTS}?format=xlsx", 303)]
    assert page.context["form"]["format"].value() == "xlsx"
    assert not Export.objects.exists()


def test_team_and_options_are_carried_to_the_page(signed_in, team):
    chosen = {"exporter": "flights", "format": "csv", "choose": "", "team": team.pk}
    how = {"delimiter": ";", "no_header": "on"}

    page = signed_in.post(DASHBOARD, {**chosen, **how}, follow=True)

    form = page.context["form"]
    assert form["team"].value() == str(team.pk)
    assert (form.options["delimiter"].value(), form.options["no_header"].value()) == (";", "on")
    assert f'<option value="{team.pk}" selected>Pilots' in text(page)


@pytest.mark.parametrize(
    ("options", "is_open"), [({}, False), ({"delimiter": ","}, False), ({"gzip": "on"}, True)]
)
def test_options_are_open_if_any_is_set(signed_in, flights, options, is_open):
    """Also when the page comes back, and the next time."""
    wrong = signed_in.post(FLIGHTS, {**CHOSEN, **options, "column": []})
    signed_in.post(FLIGHTS, {**CHOSEN, **options})

    for page in (wrong, signed_in.get(FLIGHTS)):
        assert ("data-options open>" in text(page)) == is_open


def test_dashboard_form_refuses_an_exporter_it_does_not_offer(signed_in):
    page = signed_in.post(DASHBOARD, {"exporter": "a/b", "format": "csv", "choose": ""})

    assert page.status_code == 422
    assert 'There is no exporter "a/b".' in text(page)


def test_invalid_preset_in_the_address_shows_the_last_choice(signed_in):
    assert signed_in.get(f"{FLIGHTS}?preset=x").status_code == 200
    assert signed_in.get(f"{FLIGHTS}?preset={'1' * 5_000}").status_code == 200


def test_form_has_no_more_fields_than_the_check_assumes(signed_in):
    form = text(signed_in.get(FLIGHTS)).partition("data-choose")[2].partition("</form>")[0]
    names = re.findall(r'<(?:input|select)[^>]* name="([^"]+)"', form)
    of_columns = [name for name in names if name == "column" or name.startswith("header-")]
    of_filters = [name for name in names if name.startswith("filter-")]

    assert len(of_columns) == FIELDS_OF_COLUMN * len(Flights.columns)
    assert len(of_filters) <= 2 * len(Flights.filterset.base_filters)
    assert len(names) - len(of_columns) - len(of_filters) <= checks.OTHER_FIELDS


@pytest.mark.parametrize("page", [FLIGHTS, "/admin/demo/flight/export/"])
def test_form_with_too_many_fields_is_refused_with_a_reason(client, settings, page):
    client.force_login(User.objects.create_superuser("admin"))
    client.get(FLIGHTS)  # Gives a cookie: the form is looked into for its token.
    client.handler.enforce_csrf_checks = True
    settings.DATA_UPLOAD_MAX_NUMBER_FIELDS = 5

    refused = client.post(page, urlencode(CHOSEN, True), content_type=FORM)

    assert refused.status_code == 400
    assert "This form has too many fields." in text(refused)


def test_suspicious_request_is_refused_without_details(client):
    refused = client.get(DASHBOARD, headers={"host": "elsewhere.example"})

    assert refused.status_code == 400
    assert "The server could not read this request." in text(refused)
    assert "This form has" not in text(refused)


def test_chosen_data_is_not_kept_by_shared_caches(signed_in):
    for page in (signed_in.get(FLIGHTS), signed_in.post(LOOK, {"format": "csv"})):
        assert set(page["Cache-Control"].split(", ")) == {"private", "no-cache"}


def test_button_moves_a_column_without_javascript(signed_in, flights):
    page = signed_in.post(FLIGHTS, {**CHOSEN, "move": "id up"})

    columns = page.context["form"].columns
    # Who presses it goes on pressing it. At the top there is only the way down.
    assert re.findall(r'value="(\w+ \w+)"[^>]* autofocus', text(page)) == ["id down"]
    assert columns.spec_fields == {"columns": ["id", "tailnum"], "headers": {"tailnum": "Plane"}}
    assert 'name="filter-arr_delay_max" value="12"' in text(page)
