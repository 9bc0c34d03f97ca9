"""Each download is recorded once per hour, user and address."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from datetime import timezone as fixed_zone

import pytest
from asgiref.sync import sync_to_async
from django.test import AsyncClient

from exports.files import byte_range, download
from exports.models import Download
from tests.support.at_once import at_once
from tests.support.downloading import SIZE, body

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("folder")]


@pytest.mark.parametrize("by", ["stream", "accel"])
async def test_responses_with_bytes_are_recorded(client, url, user, by, settings):
    settings.EXPORTS_DOWNLOAD = by

    for headers in ({}, {"Range": "bytes=0-9"}, {"Range": "bytes=0-9", "If-Range": '"x"'}):
        await body(await client.get(url, headers=headers))

    row = await Download.objects.aget()
    assert (row.range, row.requests, row.bytes) == ("", 3, 2 * SIZE + 10)
    assert str(row.export_id) in url
    assert (row.user_id, row.address) == (user.pk, "127.0.0.1")
    assert row.at <= row.last_at


@pytest.fixture
def one_hour(monkeypatch):
    """No test ends in another hour than it began."""
    monkeypatch.setattr(download, "_hour", lambda now: "2026-11-30T10")


def test_recorded_hour_is_counted_in_utc():
    moment = datetime(2026, 11, 30, 10, 59, 59, tzinfo=UTC)
    elsewhere = moment.astimezone(fixed_zone(timedelta(hours=5, minutes=30)))

    assert download._hour(moment) == download._hour(elsewhere)
    assert download._hour(moment) == download._hour(moment - timedelta(minutes=59))
    later = {download._hour(moment + timedelta(**more)) for more in ({"seconds": 1}, {"days": 1})}
    assert len(later | {download._hour(moment)}) == 3


async def test_hundred_ranges_are_recorded_as_one_download(client, export, one_hour):
    url = f"/exports/{export.pk}/file"
    for first in range(0, 1_000, 10):
        response = await client.get(url, headers={"Range": f"bytes={first}-{first + 9}"})
        response.close()

    row = await Download.objects.aget()
    assert (row.range, row.requests, row.bytes) == ("bytes=0-9", 100, 1_000)


async def test_addresses_of_one_network_are_one_record(client, export, one_hour):
    for number in range(3):
        address = f"2001:4860:1:2::{number}"
        url = f"/exports/{export.pk}/file"
        await body(await client.get(url, headers={"X-Forwarded-For": address}))

    row = await Download.objects.aget()
    assert (row.address, row.requests) == ("2001:4860:1:2::", 3)


async def test_record_of_ranges_shows_a_later_whole_download(client, export, one_hour):
    url = f"/exports/{export.pk}/file"
    for headers in ({"Range": "bytes=0-9"}, {}, {"Range": "bytes=10-19"}):
        await body(await client.get(url, headers=headers))

    row = await Download.objects.aget()
    assert (row.range, row.requests) == ("", 3)


async def test_downloads_that_differ_are_separate_records(
    client, export, finish, django_user_model, monkeypatch
):
    other = AsyncClient()
    root = await sync_to_async(django_user_model.objects.create_superuser)("root")
    await other.aforce_login(root)
    url = f"/exports/{export.pk}/file"

    for hour in ("10", "11"):
        monkeypatch.setattr(download, "_hour", lambda now, hour=hour: hour)
        for sender, address in ((client, "8.8.8.8"), (client, "8.8.4.4"), (other, "8.8.8.8")):
            await body(await sender.get(url, headers={"X-Forwarded-For": address}))
    second = await sync_to_async(finish)(label="Another")
    await body(await client.get(f"/exports/{second.pk}/file"))

    assert await Download.objects.acount() == 7


def test_simultaneous_downloads_are_recorded_once(user, export, one_hour, rf):
    request = rf.get("/", headers={"Range": "bytes=0-9"})
    request.user = user
    part = byte_range.parse("bytes=0-9", SIZE)

    outcomes = at_once(8, lambda: download._record(request, export, part))

    assert outcomes == [None] * 8
    row = Download.objects.get()
    assert (row.requests, row.bytes) == (8, 80)
