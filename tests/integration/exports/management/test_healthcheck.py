"""`manage.py healthcheck`: each part says what is wrong with it, and what to do."""

from __future__ import annotations

import json
from datetime import timedelta
from io import StringIO

import pytest
from celery import current_app
from django.contrib.auth.models import User
from django.core.files.base import ContentFile
from django.core.management import call_command
from django.db import OperationalError, connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone

from demo.models import Airport
from exports import health
from exports.exporters import Exporter
from exports.lifecycle import attempts
from exports.models import Export
from tests.support.exporting import left_in, registered, use_folders
from tests.support.starting import start_export

pytestmark = pytest.mark.django_db

PARTS = [
    "database",
    "migrations",
    "redis",
    "broker",
    "workers",
    "running",
    "rescue",
    "storage",
    "work directory",
    "space",
    "exporters",
]


@pytest.fixture
def export():
    user = User.objects.create_superuser("person")
    return start_export(user=user, exporter="airports", enqueue=False)


@pytest.fixture
def well(monkeypatch, valkey):
    """Redis answers, and a worker seems to."""
    monkeypatch.setattr(
        health,
        "CHECKS",
        [
            health.Check("workers", lambda: "1 answer", "") if each.name == "workers" else each
            for each in health.CHECKS
        ],
    )


def healthcheck(*arguments):
    """What it prints, and its exit status."""
    out = StringIO()
    try:
        call_command("healthcheck", *arguments, stdout=out, no_color=True)
    except SystemExit as ended:
        return out.getvalue(), ended.code
    return out.getvalue(), 0


def line_of(part):
    """The line of one part; all others must be well."""
    text, status = healthcheck()
    lines = text.splitlines()
    (mine,) = [line for line in lines if line[4:].startswith(f"{part}:")]
    assert [line for line in lines if line != mine and not line.startswith("OK  ")] == []
    assert status == (0 if mine.startswith("OK") else 1)
    return mine


@pytest.mark.django_db(transaction=True)
def test_healthy_system_passes_every_check(worker):
    text, status = healthcheck()

    assert [line.partition(":")[0] for line in text.splitlines()] == [
        f"OK  {name}" for name in PARTS
    ]
    assert status == 0


def test_missing_worker_is_reported_with_the_start_command(valkey, monkeypatch):
    monkeypatch.setattr(health.workers, "__defaults__", (0.2,))

    assert line_of("workers") == (
        "NO  workers: none answered within 0.2 s. "
        "Start a worker: celery -A config worker -Q exports,exports-help"
    )


@pytest.mark.django_db(transaction=True)
def test_workers_of_another_queue_do_not_count(worker, monkeypatch):
    monkeypatch.setitem(current_app.conf, "task_default_queue", "elsewhere")

    assert "none of which listens to the queue elsewhere" in line_of("workers")


def test_redis_outage_skips_only_checks_that_need_redis(valkey):
    valkey.kill()

    text, status = healthcheck()

    assert status == 1
    assert "NO  redis: ConnectionError" in text
    assert "NO  workers: not checked. Fix this first: broker." in text
    for name in ("database", "migrations", "storage", "work directory", "exporters"):
        assert f"OK  {name}: " in text


@pytest.mark.usefixtures("well")
def test_database_outage_skips_checks_that_need_the_database():
    def refuse(*_):
        raise OperationalError("connection refused")

    with connection.execute_wrapper(refuse):
        text, status = healthcheck()

    assert status == 1
    assert "NO  database: OperationalError: connection refused. Start the database" in text
    assert "NO  migrations: not checked. Fix this first: database." in text
    assert "NO  rescue: not checked. Fix this first: migrations." in text
    assert "OK  storage: " in text


@pytest.mark.usefixtures("well")
def test_migration_that_is_not_applied_is_named():
    ((app, last),) = MigrationLoader(connection).graph.leaf_nodes("exports")
    MigrationRecorder(connection).record_unapplied(app, last)

    text, status = healthcheck()

    assert status == 1
    assert f"NO  migrations: 1 not applied, exports.{last} first. Apply the migrations:" in text


@pytest.mark.usefixtures("well")
@pytest.mark.parametrize(("seconds", "is_well"), [(5, True), (60, False)])
def test_expired_lease_without_a_rescue_means_beat_is_down(export, seconds, is_well):
    held = attempts.claim(export.pk, worker="lost")
    past = timezone.now() - timedelta(seconds=seconds)
    Export.objects.filter(pk=held.pk).update(lease_expires_at=past)

    line = line_of("rescue")

    assert line.startswith("OK" if is_well else "NO")
    if not is_well:
        assert "waiting to be rescued for more than 30 s: 1. Start beat:" in line


@pytest.mark.usefixtures("well")
def test_unsent_message_without_a_rescue_means_beat_is_down(export):
    past = timezone.now() - timedelta(seconds=60)
    Export.objects.update(queued_at=past)

    assert line_of("rescue").startswith("NO  rescue: waiting to be rescued")


@pytest.mark.usefixtures("well")
def test_long_queue_does_not_mean_beat_is_down(export):
    past = timezone.now() - timedelta(seconds=60)
    Export.objects.update(queued_at=past, enqueued_at=past)

    assert "queued: 1, the first for 6" in line_of("rescue")


@pytest.mark.usefixtures("well")
def test_storage_that_refuses_writes_is_named(settings, tmp_path):
    use_folders(settings, tmp_path)
    (tmp_path / "files").write_text("not a directory")

    assert line_of("storage").startswith("NO  storage: ")


@pytest.mark.usefixtures("well")
def test_storage_that_returns_other_bytes_fails_the_check(settings, tmp_path, monkeypatch):
    use_folders(settings, tmp_path)
    monkeypatch.setattr(health, "ContentFile", lambda _: ContentFile(b"another"))

    assert "the file that was read differs from the one that was written" in line_of("storage")
    assert left_in(tmp_path / "files") == set()


@pytest.mark.usefixtures("well")
def test_healthcheck_leaves_no_files_behind(settings, tmp_path):
    use_folders(settings, tmp_path)

    assert "GB free" in line_of("work directory")
    assert left_in(tmp_path) == set()


@pytest.mark.usefixtures("well")
def test_unusable_work_directory_is_named(settings, tmp_path):
    use_folders(settings, tmp_path)
    (tmp_path / "work").write_text("not a directory")

    assert line_of("work directory").startswith("NO  work directory: FileExistsError")


@pytest.mark.usefixtures("well")
def test_broken_exporter_is_found():
    class Broken(Exporter):
        queryset = Airport.objects.all()
        permission = "demo.export_airport"
        columns = ["nothing_like_it"]

    with registered(Broken):
        line = line_of("exporters")

    assert line.startswith("NO  exporters: errors: 1, the first: ")
    assert line.endswith("Fix the declarations: manage.py check shows all errors.")


@pytest.mark.usefixtures("well")
def test_json_output_has_every_check(settings, tmp_path):
    use_folders(settings, tmp_path)
    (tmp_path / "files").write_text("not a directory")

    text, status = healthcheck("--json")

    body = json.loads(text)
    assert [each["name"] for each in body["checks"]] == PARTS
    assert [each["name"] for each in body["checks"] if not each["ok"]] == ["storage"]
    assert (body["ok"], status) == (False, 1)
