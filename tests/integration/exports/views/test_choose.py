"""The page of an exporter: what is chosen there is what is asked for, and what the file has."""

from __future__ import annotations

import csv
import datetime
import io
import json
import re
import threading
from html import unescape

import openpyxl
import pyarrow.parquet
import pytest
from django.contrib.auth.models import Group, User
from django.db import OperationalError, connection
from django.urls import reverse
from django.utils import translation
from django.utils.http import urlencode
from django.utils.translation import gettext, gettext_lazy
from django_filters import BooleanFilter, FilterSet

from demo.exporters import Flights
from demo.models import Flight
from exports import lifecycle
from exports.exporters import Column, Exporter, checks
from exports.exporters.checks import FIELDS
from exports.models import Export, Preset
from exports.readers import connection as source
from exports.spec import presets, preview
from exports.spec import spec as question
from exports.status import Status
from tests.support import exporting

pytestmark = pytest.mark.django_db
# On PostgreSQL rows are read over a connection of their own.
committed = pytest.mark.django_db(transaction=True)

DASHBOARD = reverse("exports:dashboard")
FLIGHTS = reverse("exports:choose", args=["flights"])
LOOK = reverse("exports:preview", args=["flights"])
FORM = "application/x-www-form-urlencoded"
# As a browser sends it.
CHOSEN = {
    "format": "csv",
    "column": ["tailnum", "id"],
    "header-tailnum": "Plane",
    "header-id": "",
    "header-delay": "",
    "filter-arr_delay_min": "10",
    "filter-arr_delay_max": "12",
    "filter-carrier": "UA",
    "filter-tailnum": "",
}


@pytest.fixture
def user(somebody):
    return somebody


@pytest.fixture
def team(user):
    team = Group.objects.create(name="Pilots")
    user.groups.add(team)
    return team


@pytest.fixture
def flights():
    return exporting.make_flights(range(1, 31))


@pytest.fixture(autouse=True)
def _folders(settings, tmp_path):
    exporting.use_folders(settings, tmp_path)


def text(response):
    return unescape(response.content.decode())


def words(response):
    return " ".join(text(response).split())


def asked(user, **more):
    return question.checked(user, **{"exporter": "flights", **more})


def finished(user, **more):
    """An export of the same, run to its end."""
    export = exporting.run(exporting.start(user, **{"columns": None, **more}))
    export.refresh_from_db()
    assert export.status == Status.SUCCEEDED
    return export


# -- What is chosen is what is asked for -----------------------------------------------------


@committed
@pytest.mark.usefixtures("flights")
def test_what_is_chosen_is_what_the_file_has(signed_in):
    response = signed_in.post(FLIGHTS, CHOSEN)

    export = Export.objects.get()
    assert response["Location"] == f"{DASHBOARD}#{export.key}"
    assert export.params == {
        "columns": ["tailnum", "id"],
        "headers": {"tailnum": "Plane"},
        "filters": {"arr_delay_min": "10", "arr_delay_max": "12", "carrier": "UA"},
    }
    exporting.go_on(export)
    export.refresh_from_db()
    assert exporting.content(export) == b"Plane,id\nN10,10\nN11,11\n,12\n"


def test_nothing_chosen_is_the_same_question_as_that_of_the_dashboard(signed_in):
    signed_in.post(DASHBOARD, {"exporter": "flights", "format": "csv"})
    again = signed_in.post(FLIGHTS, {"format": "csv"}, follow=True)

    assert Export.objects.count() == 1
    assert "already under way" in text(again)


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"column": []}, "Choose at least one column."),
        ({"column": ["nothing"]}, 'no column "nothing"'),
        ({"header-tailnum": "x" * 101}, "a line of 1 to 100 characters"),
        ({"header-tailnum": "a\nb"}, "a line of 1 to 100 characters"),
        ({"header-tailnum": "id"}, 'Two columns cannot both have the header "id".'),
        ({"filter-carrier": "nobody"}, "not one of the available choices"),
        ({"filter-nothing": "1"}, 'no filter "nothing"'),
        ({"filter-arr_delay_min": "late"}, "Enter a number."),
        ({"format": "docx"}, 'no format "docx"'),
        ({"format": "jsonl", "delimiter": ";"}, 'JSON Lines has no option "delimiter"'),
        ({"team": "7"}, "You are in no team 7."),
    ],
)
def test_a_wrong_choice_is_refused_in_words_and_nothing_of_the_rest_is_lost(
    signed_in, flights, wrong, reason
):
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
def test_a_refusal_is_at_the_field_for_who_sees_and_for_who_hears(
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


def test_what_only_english_cannot_read_is_wrong_at_its_field_too(signed_in, settings):
    settings.LANGUAGE_CODE = "de"

    response = signed_in.post(FLIGHTS, {**CHOSEN, "filter-date_after": "01.02.2013"})

    assert response.status_code == 422
    assert 'aria-invalid="true"' in element(response, "filter-date_after")


def test_the_preview_names_a_wrong_filter_by_its_label(signed_in, flights):
    refused = words(signed_in.post(LOOK, {**CHOSEN, "filter-arr_delay_min": "late"}))

    assert "Arrival delay: Enter a number." in refused
    assert "arr_delay" not in refused


def test_the_two_ends_of_a_range_are_told_apart(signed_in):
    page = words(signed_in.get(FLIGHTS))

    ends = re.search(r"<legend>Arrival delay</legend> (.*?) </fieldset>", page).group(1)
    assert re.findall(r"<span>(\w+)</span> <input [^>]*name=\"([\w-]+)\"", ends) == [
        ("from", "filter-arr_delay_min"),
        ("to", "filter-arr_delay_max"),
    ]
    assert not re.search(r">\s*-\s*<", ends)


def test_an_untouched_yes_or_no_is_not_kept(user, signed_in, flights):
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


def test_the_page_of_an_export_says_what_was_chosen(signed_in, flights):
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
            "In the time zone Europe/Rome.",
        ),
        (
            "de",
            "Geplante Stunde von 2013-01-01 10:00 Europe/Rome bis 2013-01-02 10:00+02:00",
            "In der Zeitzone Europe/Rome.",
        ),
    ],
)
def test_a_moment_is_asked_for_and_told_with_its_time_zone(
    signed_in, user, settings, *, language, said, hint
):
    settings.TIME_ZONE = "Europe/Rome"
    settings.LANGUAGE_CODE = language
    filters = {"time_hour_after": "2013-01-01T10:00", "time_hour_before": "2013-01-02T10:00+02:00"}
    export = lifecycle.request(user=user, exporter="flights", filters=filters)

    assert said in words(signed_in.get(export.get_absolute_url()))
    assert hint in words(signed_in.get(FLIGHTS))


@pytest.mark.parametrize("way", ["get", "post"])
@pytest.mark.parametrize("name", ["nothing", "planes"])
def test_who_may_not_run_an_exporter_sees_no_page_of_it(signed_in, way, name):
    for page in ("exports:choose", "exports:preview"):
        if (way, page) != ("get", "exports:preview"):
            assert getattr(signed_in, way)(reverse(page, args=[name])).status_code == 404


def test_the_dashboard_leads_to_the_page_with_what_was_chosen_there(signed_in):
    chosen = {"exporter": "flights", "format": "xlsx", "choose": ""}

    page = signed_in.post(DASHBOARD, chosen, follow=True)

    assert page.redirect_chain == [(f"{FLIGHTS}?format=xlsx", 303)]
    assert page.context["form"]["format"].value() == "xlsx"
    assert not Export.objects.exists()


def test_whom_to_share_with_and_the_options_go_along(signed_in, team):
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
def test_options_are_open_if_there_are_any(signed_in, flights, options, is_open):
    """Also when the page comes back, and the next time."""
    wrong = signed_in.post(FLIGHTS, {**CHOSEN, **options, "column": []})
    signed_in.post(FLIGHTS, {**CHOSEN, **options})

    for page in (wrong, signed_in.get(FLIGHTS)):
        assert ("data-options open>" in text(page)) == is_open


def test_the_dashboard_leads_to_no_page_of_what_it_does_not_offer(signed_in):
    page = signed_in.post(DASHBOARD, {"exporter": "a/b", "format": "csv", "choose": ""})

    assert page.status_code == 422
    assert 'There is no exporter "a/b".' in text(page)


def test_an_address_that_names_no_preset_shows_the_last_choice(signed_in):
    assert signed_in.get(f"{FLIGHTS}?preset=x").status_code == 200
    assert signed_in.get(f"{FLIGHTS}?preset={'1' * 5_000}").status_code == 200


def test_the_form_has_no_more_fields_than_are_reckoned_with(signed_in):
    form = text(signed_in.get(FLIGHTS)).partition("data-choose")[2].partition("</form>")[0]
    names = re.findall(r'<(?:input|select)[^>]* name="([^"]+)"', form)
    of_columns = [name for name in names if name == "column" or name.startswith("header-")]
    of_filters = [name for name in names if name.startswith("filter-")]

    assert len(of_columns) == FIELDS * len(Flights.columns)
    assert len(of_filters) <= 2 * len(Flights.filterset.base_filters)
    assert len(names) - len(of_columns) - len(of_filters) <= checks.OTHER_FIELDS


@pytest.mark.parametrize("page", [FLIGHTS, "/admin/demo/flight/export/"])
def test_more_fields_than_django_takes_are_refused_in_words(client, settings, page):
    client.force_login(User.objects.create_superuser("admin"))
    client.get(FLIGHTS)  # Gives a cookie: the form is looked into for its token.
    client.handler.enforce_csrf_checks = True
    settings.DATA_UPLOAD_MAX_NUMBER_FIELDS = 5

    refused = client.post(page, urlencode(CHOSEN, True), content_type=FORM)

    assert refused.status_code == 400
    assert "This form has more fields than this server takes at once." in text(refused)


def test_what_is_refused_as_an_attack_is_told_no_details(client):
    refused = client.get(DASHBOARD, headers={"host": "elsewhere.example"})

    assert refused.status_code == 400
    assert "The server could not make sense of this request." in text(refused)
    assert "This form has" not in text(refused)


def test_nothing_between_keeps_what_somebody_has_chosen(signed_in):
    for page in (signed_in.get(FLIGHTS), signed_in.post(LOOK, {"format": "csv"})):
        assert set(page["Cache-Control"].split(", ")) == {"private", "no-cache"}


def test_without_scripts_a_button_moves_a_column_and_keeps_the_rest(signed_in, flights):
    page = signed_in.post(FLIGHTS, {**CHOSEN, "move": "id up"})

    columns = page.context["form"].columns
    # Who presses it goes on pressing it. At the top there is only the way down.
    assert re.findall(r'value="(\w+ \w+)"[^>]* autofocus', text(page)) == ["id down"]
    assert columns.asked == {"columns": ["id", "tailnum"], "headers": {"tailnum": "Plane"}}
    assert 'name="filter-arr_delay_max" value="12"' in text(page)


# -- What it would give ------------------------------------------------------------------------


@pytest.mark.usefixtures("flights")
def test_the_preview_says_how_many_in_words(signed_in):
    found = signed_in.post(LOOK, CHOSEN)

    assert "3 flights" in words(found)
    assert "Carrier is United Air Lines Inc.; Arrival delay from 10 to 12" in words(found)
    assert not Export.objects.exists()


@committed
@pytest.mark.usefixtures("flights")
def test_without_scripts_a_button_shows_the_preview(signed_in):
    page = signed_in.post(FLIGHTS, {**CHOSEN, "look": ""})

    assert page.status_code == 200
    assert "3 flights" in words(page)
    assert "<td><bdi>N11</bdi></td><td><bdi>11</bdi></td>" in text(page)


@committed
@pytest.mark.usefixtures("flights")
def test_the_lines_of_a_text_file_are_shown_as_they_are(signed_in):
    shown = signed_in.post(LOOK, {**CHOSEN, "format": "jsonl"})

    assert '{"Plane":"N10","id":10}\n{"Plane":"N11","id":11}\n' in text(shown)


def test_a_preview_of_what_cannot_be_says_why(signed_in):
    refused = signed_in.post(LOOK, {**CHOSEN, "column": []})

    assert "Choose at least one column." in text(refused)
    assert "flights" not in text(refused)


def read_back(export):
    """The rows of the file as other tools read them."""
    content = exporting.content(export)
    if export.format == "csv":
        delimiter = export.options.get("delimiter", ",")
        return list(csv.reader(io.StringIO(content.decode(), newline=""), delimiter=delimiter))
    if export.format == "jsonl":
        return content.decode().splitlines()
    if export.format == "xlsx":
        return list(openpyxl.load_workbook(io.BytesIO(content)).active.values)
    table = pyarrow.parquet.read_table(io.BytesIO(content))
    return [table.column_names, *(row.values() for row in table.to_pylist())]


@committed
@pytest.mark.parametrize(
    ("file_format", "options"),
    [
        ("csv", {}),
        ("csv", {"delimiter": ";", "protect": False}),
        *((each, {}) for each in ("jsonl", "xlsx", "parquet")),
    ],
)
def test_the_first_rows_are_those_of_the_file(user, file_format, options):
    exporting.make_flights(range(5, 40))
    Flight.objects.filter(pk=7).update(tailnum='=1;"2"')
    how = {
        "format": file_format,
        "options": options,
        "columns": ["tailnum", "id", "dest__name", "speed"],
        "headers": {"id": "No."},
    }

    found = preview.first_rows(asked(user, **how))

    file = read_back(finished(user, **how))
    if file_format == "jsonl":
        assert list(found.lines) == file[: preview.ROWS]
        assert json.loads(found.lines[0])["No."] == 5
    else:
        shown = [list(found.headers), *found.cells]
        expected = [["" if v is None else str(v) for v in row] for row in file]
        assert shown == expected[: preview.ROWS + 1]


@committed
@pytest.mark.parametrize("file_format", ["csv", "jsonl"])
def test_long_texts_and_odd_ends_of_lines_are_cells_as_others(user, flights, file_format):
    class Long(Exporter):
        queryset = Flight.objects.all()
        permission = "demo.export_flight"
        columns = [
            Column("odd", needs=["id"], python=lambda _: "a\u2028b\x85c"),
            Column("long", needs=["id"], python=lambda _: "x" * 200_000),
        ]

    with exporting.registered(Long):
        found = preview.first_rows(asked(user, exporter="long", format=file_format))

    assert len(found.cells or found.lines) == preview.ROWS
    assert (found.cells or [found.lines])[0][0].count("a\u2028b\x85c") == 1


def test_there_may_be_no_rows(user):
    found = preview.look(asked(user))

    assert (found.count, found.sample.cells, found.estimate) == (0, [], None)


@committed
def test_a_row_that_cannot_be_made_is_named(user, signed_in, flights):
    def fail(number):
        raise ValueError(f"no {number}")

    class Odd(Exporter):
        queryset = Flight.objects.all()
        permission = "demo.export_flight"
        columns = ["id", Column("odd", needs=["id"], python=fail)]

    with exporting.registered(Odd):
        url, in_german = reverse("exports:preview", args=["odd"]), {"accept-language": "de"}
        shown = signed_in.post(url, {"format": "csv"})
        german = signed_in.post(url, {"format": "csv"}, headers=in_german)

    assert "30 flights" in words(shown)
    assert 'The column "odd" cannot be made for the row 1: ValueError: no 1' in words(shown)
    assert "Die Spalte „odd“ lässt sich für die Zeile 1 nicht berechnen" in words(german)


@committed
def test_a_column_that_speaks_says_in_the_preview_what_it_says_in_the_file(user, flights):
    """Whatever the language of who looks, and of the process that writes it."""

    class Days(Exporter):
        queryset = Flight.objects.all()
        permission = "demo.export_flight"
        columns = [
            Column("day", needs=["id"], python=lambda _: gettext("Saturday")),
            Column("later", needs=["id"], python=lambda _: gettext_lazy("Sunday")),
        ]

    with exporting.registered(Days), translation.override("de"):
        looked = preview.look(asked(user, exporter="days")).sample.cells
        export = exporting.run(exporting.start(user, exporter="days", columns=None))
    export.refresh_from_db()
    written = list(csv.reader(io.StringIO(exporting.content(export).decode())))

    assert looked == written[1:21] == [["Saturday", "Sunday"]] * 20


@committed
def test_nobody_waits_long_for_a_count(user, monkeypatch):
    monkeypatch.setattr(preview, "SECONDS", 0.2)
    exporting.make_flights([1])
    endless = (
        "(WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000000000) "
        "SELECT MAX(i) FROM n) > 0"
    )

    class Slow(Exporter):
        queryset = Flight.objects.extra(where=[endless])
        permission = "demo.export_flight"
        columns = ["id"]

    with exporting.registered(Slow):
        found = preview.look(asked(user, exporter="slow"))

    assert (found.count, found.sample, found.problem) == (None, None, "")
    assert Flight.objects.count() == 1, "the connection is of use afterwards"


@committed
def test_so_many_previews_are_made_at_once_one_for_each_and_others_are_told(
    user, signed_in, flights, settings, monkeypatch
):
    """Nobody is waited for: these two hold their turns until all others know."""
    settings.EXPORTS_PREVIEWS = 2
    others_know = threading.Event()
    is_slow = threading.Semaphore(0)
    held: list[threading.Thread] = []
    found: dict[str, preview.Preview] = {}

    def read(number):
        is_slow.release()
        if not others_know.wait(30):
            others_know.set()  # It fails, and not after half a minute a row.
        return number

    class Slow(Exporter):
        queryset = Flight.objects.all()
        permission = "demo.export_flight"
        columns = ["id", Column("slow", needs=["id"], python=read)]

    def hold(question):
        def look():
            found[question.owner.username] = preview.look(question)
            connection.close()

        held.append(threading.Thread(target=look))
        held[-1].start()
        assert is_slow.acquire(timeout=30)

    with exporting.registered(Slow):
        mine, ada, eve = (
            asked(each, exporter="slow")
            for each in (user, *map(User.objects.create_superuser, ("ada", "eve")))
        )
        url = reverse("exports:preview", args=["slow"])
        hold(mine)
        # Whose own is still being made is told so, and takes no turn of others.
        told = words(signed_in.post(url, {"format": "csv"}))
        assert all(preview.look(mine).is_busy for _ in range(3))
        hold(ada)
        assert preview.look(eve).is_busy
        assert not others_know.is_set()
        others_know.set()
        for thread in held:
            thread.join()

        assert {name: each.count for name, each in found.items()} == {"somebody": 30, "ada": 30}
        assert all(len(each.sample.cells) == 20 for each in found.values())
        # Each has given its turn back, also one whose preview failed.
        with monkeypatch.context() as broken:
            broken.setattr(preview, "counted", lambda _: 1 / 0)
            for question in (mine, ada, eve):
                with pytest.raises(ZeroDivisionError):
                    preview.look(question)
        assert [preview.look(each).count for each in (mine, ada, eve)] == [30] * 3
    assert "Flights: not counted now" in told
    assert "Left out: the server is busy with other previews. Look again in a moment." in told
    assert "too many to count" not in told


def test_what_fails_by_itself_has_not_taken_too_long():
    with pytest.raises(OperationalError, match="gone"), source.limited(connection, 60):
        raise OperationalError("gone")


def test_size_and_time_are_those_of_past_runs(user):
    """Half the columns are about half the bytes; time goes by rows."""
    assert preview.estimated(asked(user), 1_000) is None
    start = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
    for number in range(2):
        export = lifecycle.request(user=user, exporter="flights", label=f"Run {number}")
        exporting.put(
            export,
            Status.SUCCEEDED,
            rows_done=2_000,
            bytes=420_000,
            started_at=start,
            finished_at=start + datetime.timedelta(seconds=4),
        )

    all_columns = preview.estimated(asked(user), 1_000)
    one = preview.estimated(asked(user, columns=["id"]), 1_000)

    assert (all_columns.bytes, all_columns.seconds) == (210_000, 2.0)
    assert (one.bytes, one.seconds) == (10_000, 2.0)
    assert preview.estimated(asked(user, format="xlsx"), 1_000) is None
    assert preview.estimated(asked(user, options={"gzip": True}), 1_000) is None


# -- What was chosen before ---------------------------------------------------------------------


def test_the_last_choice_is_there_the_next_time(signed_in, flights):
    signed_in.post(FLIGHTS, {**CHOSEN, "delimiter": ";", "no_header": "on"})

    form = signed_in.get(FLIGHTS).context["form"]
    assert form.columns.asked == {"columns": ["tailnum", "id"], "headers": {"tailnum": "Plane"}}
    assert form.filters.asked == {"arr_delay_min": "10", "arr_delay_max": "12", "carrier": "UA"}
    assert form.options["delimiter"].value() == ";"
    assert form.options["no_header"].value() is True
    assert signed_in.get(f"{FLIGHTS}?fresh").context["form"].filters.asked == {}


def test_each_person_and_exporter_has_a_last_choice_of_its_own(user, signed_in, flights):
    signed_in.post(FLIGHTS, CHOSEN)
    other = User.objects.create_superuser("other")

    assert presets.last(other, "flights") is None
    assert presets.last(user, "planes") is None
    assert presets.last(user, "flights").params["columns"] == ["tailnum", "id"]


def test_a_choice_is_saved_under_a_name_and_run_again(user, signed_in, flights):
    saved = signed_in.post(FLIGHTS, {**CHOSEN, "save": "", "preset": " Late ones "}, follow=True)

    preset = Preset.objects.get()
    assert "Saved as “Late ones”." in text(saved)
    assert saved.redirect_chain == [(f"{FLIGHTS}?preset={preset.pk}", 303)]
    assert saved.context["form"].filters.asked["carrier"] == "UA"
    assert not Export.objects.exists()
    assert "Late ones" in text(signed_in.get(DASHBOARD))

    signed_in.post(reverse("exports:run_preset", args=[preset.pk]))

    export = Export.objects.get()
    assert (export.label, export.params) == ("Late ones", preset.params)


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("In the air", "In the air"),
        ("", "Flights"),
        (f"{'x' * 99} {'y' * 50}", "x" * 99),
    ],
)
def test_a_choice_without_a_name_gets_that_of_the_export(signed_in, flights, label, name):
    signed_in.post(FLIGHTS, {**CHOSEN, "save": "", "preset": " ", "label": label})

    assert Preset.objects.get().name == name


def test_a_choice_that_is_opened_gives_its_name_to_no_other_rows(user, signed_in, flights):
    preset = presets.save(asked(user, filters={"carrier": "UA"}), "Of United")

    form = signed_in.get(f"{FLIGHTS}?preset={preset.pk}").context["form"]

    assert form["preset"].value() == "Of United"
    assert not form["label"].value()


def test_a_choice_keeps_its_team_and_the_lists_say_so(signed_in, flights, team):
    signed_in.post(FLIGHTS, {**CHOSEN, "team": team.pk, "save": "", "preset": "Ours"})

    preset = Preset.objects.get()
    page = signed_in.get(f"{FLIGHTS}?preset={preset.pk}")
    assert page.context["form"]["team"].value() == team.pk
    for shown in (page, signed_in.get(DASHBOARD)):
        assert "Shared with <bdi>Pilots</bdi>" in words(shown)
    signed_in.post(reverse("exports:run_preset", args=[preset.pk]))
    assert Export.objects.get().team == team


def test_with_whom_the_last_export_was_shared_is_not_taken_for_the_next(signed_in, flights, team):
    signed_in.post(FLIGHTS, {**CHOSEN, "team": team.pk})

    assert Export.objects.get().team == team
    assert not signed_in.get(FLIGHTS).context["form"]["team"].value()


def test_a_choice_for_a_team_that_one_has_left_is_refused_in_words(user, signed_in, team):
    preset = presets.save(asked(user, team=team.pk), "Ours")
    user.groups.clear()
    lost = "You are not in the team “Pilots” any more."

    ran = signed_in.post(reverse("exports:run_preset", args=[preset.pk]), follow=True)

    assert f"Ours: {lost} Choose with whom to share it" in text(ran)
    assert not Export.objects.exists()
    assert lost in text(signed_in.get(f"{FLIGHTS}?preset={preset.pk}"))


def test_a_choice_from_a_list_of_the_admin_for_a_lost_team_says_what_can_be_done(client, team):
    admin = User.objects.create_superuser("admin")
    admin.groups.add(team)
    listed = {"model": "demo.flight", "query": "carrier=UA"}
    preset = presets.save(asked(admin, team=team.pk, changelist=listed), "Ours")
    admin.groups.clear()
    client.force_login(admin)

    ran = text(client.post(reverse("exports:run_preset", args=[preset.pk]), follow=True))

    assert "Ours: You are not in the team “Pilots” any more. Forget this choice, and save" in ran
    assert "save it anew" not in ran
    assert not Export.objects.exists()


def test_a_choice_outlives_its_team(user, signed_in, team):
    preset = presets.save(asked(user, team=team.pk), "Ours")

    team.delete()

    signed_in.post(reverse("exports:run_preset", args=[preset.pk]))
    assert Export.objects.get().team is None


def test_a_name_that_is_there_is_saved_anew(user, signed_in, flights):
    for file_format in ("csv", "xlsx"):
        signed_in.post(FLIGHTS, {**CHOSEN, "format": file_format, "save": "", "preset": "Mine"})

    assert Preset.objects.get().format == "xlsx"


@pytest.mark.parametrize("name", ["x" * 101, "a\nb"])
def test_a_name_that_is_none_is_refused(signed_in, flights, name):
    refused = signed_in.post(FLIGHTS, {**CHOSEN, "save": "", "preset": name})

    assert refused.status_code == 422
    assert "Give it a name of 1 to 100 characters." in text(refused)
    assert not Preset.objects.exists()


def test_there_is_an_end_to_saving(user, monkeypatch):
    monkeypatch.setattr(presets, "MOST", 1)
    presets.save(asked(user), "one")
    presets.save(asked(user, format="xlsx"), "one")

    with pytest.raises(presets.InvalidPreset, match="You have saved 1 already"):
        presets.save(asked(user), "two")


def test_what_was_saved_and_cannot_be_had_any_more_says_why(user, signed_in):
    preset = presets.save(asked(user), "Mine")
    Preset.objects.filter(pk=preset.pk).update(params={"columns": ["gone"]})

    answer = signed_in.post(reverse("exports:run_preset", args=[preset.pk]), follow=True)

    assert 'Mine: "flights" has no column "gone".' in text(answer)
    assert signed_in.get(f"{FLIGHTS}?preset={preset.pk}").status_code == 200
    assert not Export.objects.exists()


def test_forgotten_is_gone_and_its_exports_stay(user, signed_in):
    preset = presets.save(asked(user), "Mine")
    signed_in.post(reverse("exports:run_preset", args=[preset.pk]))

    signed_in.post(reverse("exports:delete_preset", args=[preset.pk]))

    assert not Preset.objects.exists()
    assert Export.objects.count() == 1


@pytest.mark.parametrize("button", ["run_preset", "delete_preset"])
def test_somebody_elses_choice_is_not_there(signed_in, button):
    other = User.objects.create_superuser("other")
    preset = presets.save(asked(other), "Mine")

    assert signed_in.post(reverse(f"exports:{button}", args=[preset.pk])).status_code == 404
    assert signed_in.get(f"{FLIGHTS}?preset={preset.pk}").status_code == 404
    assert "Mine" not in text(signed_in.get(DASHBOARD))
    assert Preset.objects.exists()


@pytest.mark.parametrize("button", ["run_preset", "delete_preset"])
def test_who_signs_in_for_a_button_comes_to_the_dashboard(user, signed_in, button):
    preset = presets.save(asked(user), "Mine")

    answer = signed_in.get(reverse(f"exports:{button}", args=[preset.pk]))

    assert answer["Location"] == DASHBOARD
    assert Preset.objects.exists()
    assert not Export.objects.exists()


def test_a_choice_from_a_list_of_the_admin_leaves_the_filters_of_the_page(user):
    listed = {"model": "demo.flight", "query": "carrier=UA"}
    admin = User.objects.create_superuser("admin")
    presets.remember(asked(admin, filters={"month": "1"}))
    presets.remember(asked(admin, columns=["id"], changelist=listed))

    assert presets.last(admin, "flights").params == {"columns": ["id"], "filters": {"month": "1"}}
