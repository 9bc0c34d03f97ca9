"""Health at a glance: what `manage.py healthcheck` says, on a page for superusers."""

from __future__ import annotations

import asyncio
import re
import time
from html import unescape
from threading import Event

import pytest
from django.contrib.auth.models import Permission, User
from django.core.files.storage import default_storage
from django.core.management import call_command
from django.test import Client

from exports import health
from exports.lifecycle import attempts
from notifications.delivery import hub
from notifications.streams import push
from tests.support.starting import start_export

pytestmark = pytest.mark.django_db

LIST = "/admin/exports/export/"
PAGE = f"{LIST}health/"


@pytest.fixture
def quick(monkeypatch):
    """Nobody waits long for workers: there are none."""
    monkeypatch.setattr(health.workers, "__defaults__", (0.1,))


def lines(response):
    """What the page says of each part: how it is, and what it says."""
    rows = re.findall(
        r'<tr data-part="(.*?)">.*?data-status="(.*?)".*?</th>\s*<td>(.*?)</td>',
        unescape(response.content.decode()),
        re.DOTALL,
    )
    return {
        part: (status, " ".join(re.sub(r"<[^>]*>", " ", said).split()))
        for part, status, said in rows
    }


def test_health_page_is_for_superusers_only(operator, quick):
    staff = User.objects.create_user("staff", is_staff=True)
    staff.user_permissions.set(Permission.objects.filter(content_type__app_label="exports"))
    client = Client()
    client.force_login(staff)

    assert client.get(PAGE).status_code == 403
    assert PAGE not in client.get(LIST).content.decode()
    assert operator.get(PAGE).status_code == 200
    assert f'href="{PAGE}"' in operator.get(LIST).content.decode()


@pytest.mark.django_db(transaction=True)
def test_health_page_shows_workers_and_passed_checks(operator, worker, capsys):
    page = operator.get(PAGE)

    said = lines(page)
    assert {status for status, _ in said.values()} == {"succeeded"}, said
    assert "All checks passed." in page.content.decode()
    assert worker.name in said["workers"][1]
    assert said["running"][1] == "no export"
    # The same parts, in the same words, as on the command line.
    call_command("healthcheck", no_color=True)
    printed = [line[4:].partition(": ")[::2] for line in capsys.readouterr().out.splitlines()]
    assert [name for name, _ in printed] == list(said)[: len(printed)]
    assert dict(printed)["migrations"] == said["migrations"][1]


def test_failed_check_names_the_remedy(operator, quick):
    page = operator.get(PAGE)

    status, said = lines(page)["workers"]
    assert status == "failed"
    assert "none answered within 0.1 s" in said
    assert "Start a worker: celery -A config worker -Q exports,exports-help" in said
    assert "1 check failed." in page.content.decode()


def test_health_page_shows_busy_workers_and_the_longest_wait(operator, quick):
    held = start_export(user=User.objects.get(), exporter="airports", enqueue=False)
    attempts.claim(held.pk, worker="worker-1@host")
    start_export(user=User.objects.get(), exporter="planes", enqueue=False)

    said = lines(operator.get(PAGE))

    assert said["running"][1] == (
        "exports: 1 (worker-1@host: 1); with a worker that is late to renew its lease: 0"
    )
    assert re.search(r"queued: 1, the first for \d s", said["rescue"][1])


def test_late_lease_renewal_is_counted(operator, quick):
    held = start_export(user=User.objects.get(), exporter="airports", enqueue=False)
    held = attempts.claim(held.pk, worker="worker-1@host")
    type(held).objects.update(lease_expires_at=health.Now())

    assert lines(operator.get(PAGE))["running"][1].endswith("late to renew its lease: 1")


@pytest.mark.parametrize("how", ["kill", "freeze"])
def test_health_page_answers_within_seconds_without_redis(operator, valkey, how):
    getattr(valkey, how)()
    began = time.monotonic()

    said = lines(operator.get(PAGE))

    assert time.monotonic() - began < health.TIMEOUT + 5, "a busy machine's 5 s"
    assert said["redis"][0] == "failed"
    assert "not checked Fix this first: broker." in " ".join(said["workers"][1].split())
    assert said["database"][0] == said["storage"][0] == "succeeded"


def test_hanging_storage_does_not_delay_the_page(operator, quick, monkeypatch):
    over = Event()
    monkeypatch.setattr(health.storage, "__defaults__", (0.1,))
    monkeypatch.setattr(default_storage, "save", lambda *_: over.wait(60))

    said = lines(operator.get(PAGE))
    over.set()

    assert said["storage"][0] == "failed"
    assert "no answer within 0.1 s" in said["storage"][1]


def test_failing_pushes_are_shown(operator, quick, valkey, monkeypatch):
    monkeypatch.setattr(push, "_retry_at", time.monotonic() + 60)

    assert lines(operator.get(PAGE))["pushes"][0] == "failed"


async def test_late_sweep_is_shown(monkeypatch):
    class Follower:
        def on_push(self, *_): ...

        def on_head(self, *_): ...

    follower, here = Follower(), hub.Hub()
    monkeypatch.setattr(health, "hubs", lambda: [here])
    assert here.lag is None
    await here.follow("export-1", follower)
    try:
        assert (await asyncio.to_thread(health.sweeps)).startswith("late by 0.0 s; streams: 1;")

        here._swept_at -= 60

        with pytest.raises(health.Unhealthy, match=r"late by 5\d s"):
            await asyncio.to_thread(health.sweeps)
    finally:
        await here.leave("export-1", follower)
    assert health.sweeps() == "no live connections at this web process"
