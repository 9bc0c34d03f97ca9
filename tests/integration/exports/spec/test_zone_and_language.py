"""An export has the time zone and the language of its request, wherever it is read."""

from __future__ import annotations

import datetime
from zoneinfo import ZoneInfo

import django_filters
import pytest
from django.db.models.functions import ExtractHour, TruncDate, TruncHour
from django.utils import timezone, translation
from django.utils.translation import get_language, gettext, gettext_lazy

from demo.models import Flight
from exports.exceptions import InvalidHeader, MissingContext
from exports.exporters import Column, checks
from exports.lifecycle import attempts
from exports.models import Export
from exports.spec import context, preview
from exports.spec.spec import build_spec
from tests.support.exporting import WORKER, content, make_flights, run
from tests.support.spec_requests import flights_by, request_of
from tests.support.starting import start_export

pytestmark = pytest.mark.django_db(transaction=True)


def in_tokyo(superuser):
    """What is kept of a request of somebody there."""
    with timezone.override(ZoneInfo("Asia/Tokyo")):
        return context.capture(request_of(superuser))


def read_in(superuser, language):
    with translation.override(language):
        return context.capture(request_of(superuser))


def written(superuser, **asked):
    """The lines of an export, and the cells of its preview."""
    shown = preview.preview(build_spec(superuser, exporter="narrowed", **asked))
    export = start_export(user=superuser, exporter="narrowed", **asked)
    run(attempts.claim(export.pk, worker=WORKER))
    export.refresh_from_db()
    assert (export.status, export.error) == ("succeeded", "")
    return content(export).decode().splitlines(), shown


@pytest.fixture
def late_flights():
    """One flight on each side of midnight in Tokyo, which is three in the afternoon in UTC."""
    late = make_flights([1, 2])
    for flight, hour in zip(late, (14, 16), strict=True):
        moment = datetime.datetime(2013, 1, 1, hour, tzinfo=datetime.UTC)
        Flight.objects.filter(pk=flight.pk).update(time_hour=moment)


class ByDay(django_filters.FilterSet):
    day = django_filters.DateFilter("time_hour__date")


@pytest.mark.usefixtures("late_flights")
def test_worker_reads_days_in_the_time_zone_of_the_request(superuser):
    columns = ["id", Column("day", TruncDate("time_hour"))]
    with flights_by(ByDay, columns=columns):
        with timezone.override(ZoneInfo("Asia/Tokyo")):
            kept = context.capture(request_of(superuser))
            shown = build_spec(
                superuser, exporter="narrowed", filters={"day": "2013-01-02"}, context=kept
            )
            export = start_export(
                user=superuser, exporter="narrowed", filters={"day": "2013-01-02"}, context=kept
            )
        run(attempts.claim(export.pk, worker=WORKER))

    assert shown.context["time_zone"] == "Asia/Tokyo"
    assert content(Export.objects.get()) == b"id,day\n2,2013-01-02\n"


@pytest.mark.usefixtures("flights")
@pytest.mark.parametrize(("language", "expected"), [("de", b"Ja"), ("en", b"Yes")])
def test_translated_header_is_in_the_language_of_the_request(superuser, language, expected):
    columns = [Column("id", header=gettext_lazy("Yes"))]
    with flights_by(None, columns=columns):
        for file_format in ("csv", "jsonl", "xlsx", "parquet"):
            with translation.override(language):
                export = start_export(
                    user=superuser,
                    exporter="narrowed",
                    format=file_format,
                    context=context.capture(request_of(superuser)),
                )
            run(attempts.claim(export.pk, worker=WORKER))
            export.refresh_from_db()
            assert (export.status, export.error) == ("succeeded", "")
            if file_format == "csv":
                assert content(export).splitlines()[0] == expected


@pytest.mark.usefixtures("late_flights")
def test_postgresql_copy_uses_the_requests_time_zone(superuser, settings):
    # Each part is read ahead in a thread, which has no time zone of its own.
    settings.EXPORTS_PART_ROWS = 1
    with flights_by(ByDay, columns=["id", Column("hour", ExtractHour("time_hour"))]):
        lines, shown = written(superuser, context=in_tokyo(superuser))
        of_day, found = written(
            superuser, context=in_tokyo(superuser), filters={"day": "2013-01-02"}
        )

    assert lines == ["id,hour", "1,23", "2,1"]
    assert shown.sample.cells == [["1", "23"], ["2", "1"]]
    assert (of_day, found.count) == (["id,hour", "2,1"], 1)


@pytest.mark.usefixtures("late_flights")
def test_untruncated_times_stay_in_utc(superuser):
    with flights_by(None, columns=["time_hour", Column("hour", TruncHour("time_hour"))]):
        lines, shown = written(superuser, context=in_tokyo(superuser))

    assert lines[1] == "2013-01-01T14:00:00+00:00,2013-01-01T23:00:00+09:00"
    assert [",".join(cells) for cells in shown.sample.cells] == lines[1:]


@pytest.mark.usefixtures("late_flights")
def test_date_hierarchy_uses_the_days_of_the_request(superuser, monkeypatch):
    from django.contrib import admin

    monkeypatch.setattr(admin.site._registry[Flight], "date_hierarchy", "time_hour")
    query = "time_hour__year=2013&time_hour__month=1&time_hour__day=2"
    selection = {"model": "demo.flight", "query": query}
    with flights_by(None):
        lines, shown = written(superuser, context=in_tokyo(superuser), changelist=selection)

    assert lines == ["id", "2"]
    assert shown.count == 1


def test_time_zone_without_a_name_is_refused(superuser):
    with timezone.override(datetime.timezone(datetime.timedelta(hours=5))):
        kept = context.capture(request_of(superuser))

    with flights_by(None), pytest.raises(MissingContext, match=r"UTC\+05:00"):
        build_spec(superuser, exporter="narrowed", context=kept)


@pytest.mark.usefixtures("late_flights")
def test_filter_of_a_shared_export_is_shown_in_the_owners_zone(superuser, client):
    class From(django_filters.FilterSet):
        since = django_filters.IsoDateTimeFilter("time_hour", "gte")

    client.force_login(superuser)
    with flights_by(From):
        export = start_export(
            user=superuser,
            exporter="narrowed",
            filters={"since": "2013-01-02T00:00"},
            context=in_tokyo(superuser),
        )
        page = client.get(f"/exports/{export.pk}/").content.decode()

    assert "2013-01-02 00:00 Asia/Tokyo" in page


@pytest.mark.usefixtures("flights")
@pytest.mark.parametrize(("language", "rows"), [("de", 5), ("en", 3)])
def test_filterset_has_the_language_of_the_request(superuser, language, rows):
    class ByLanguage(django_filters.FilterSet):
        @property
        def qs(self):
            return super().qs.filter(pk__lte=5 if get_language() == "de" else 3)

    with flights_by(ByLanguage), translation.override("en"):
        lines, shown = written(superuser, context=read_in(superuser, language))

    assert (len(lines) - 1, shown.count) == (rows, rows)


@pytest.mark.usefixtures("flights")
def test_python_column_uses_the_language_of_the_request(superuser):
    columns = [Column("word", needs=["id"], python=lambda _: gettext("Yes"))]
    with flights_by(None, columns=columns), translation.override("en"):
        lines, shown = written(superuser, context=read_in(superuser, "de"))

    assert set(lines[1:]) == {"Ja"}
    assert shown.sample.cells[0] == ["Ja"]


@pytest.mark.parametrize(
    ("attributes", "is_one"),
    [
        ({}, True),
        ({"columns": [Column("id", header=gettext_lazy("Yes"))]}, False),
        ({"columns": [Column("word", needs=["id"], python=str)]}, False),
        ({"get_queryset": lambda self, user: Flight.objects.filter(pk=1)}, False),
        ({"filterset": django_filters.FilterSet}, False),
    ],
)
def test_language_changes_the_fingerprint_if_files_may_differ(superuser, attributes, is_one):
    with flights_by(attributes.pop("filterset", None), **attributes):
        prints = {
            build_spec(
                superuser, exporter="narrowed", context=read_in(superuser, language)
            ).fingerprint
            for language in ("de", "en")
        }

    assert (len(prints) == 1) is is_one


def test_headers_equal_after_translation_are_refused(superuser):
    columns = [Column("id", header=gettext_lazy("Yes")), Column("flight", header="Ja")]
    with flights_by(None, columns=columns):
        build_spec(superuser, exporter="narrowed", context=read_in(superuser, "en"))
        with pytest.raises(InvalidHeader, match="Ja"):
            build_spec(superuser, exporter="narrowed", context=read_in(superuser, "de"))


@pytest.mark.parametrize("header", [7, b"id", ["id"]])
def test_header_that_is_not_text_is_refused_at_start_up(header):
    with flights_by(None, columns=[Column("id", header=header)]):
        found = [each for each in checks.check() if each.id == "exports.E001"]

    assert f"has {header!r} as its header" in found[0].msg


def test_lazy_label_of_an_exporter_is_text_everywhere(superuser, client):
    client.force_login(superuser)
    with flights_by(None, label=gettext_lazy("Yes"), description=gettext_lazy("No")):
        listed = client.get("/api/v1/exporters", headers={"Accept-Language": "de"}).json()
        started = client.post(
            "/api/v1/exports",
            {"exporter": "narrowed"},
            content_type="application/json",
            headers={"Accept-Language": "de"},
        )
        run(attempts.claim(Export.objects.get().pk, worker=WORKER))

    shown = next(each for each in listed if each["name"] == "narrowed")
    assert (shown["label"], shown["description"]) == ("Ja", "Nein")
    assert started.json()["label"] == "Ja"
    assert Export.objects.get().status == "succeeded"
