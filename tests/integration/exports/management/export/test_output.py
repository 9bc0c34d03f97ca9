"""`manage.py export`: the file, what is printed, and the exit status."""

from __future__ import annotations

import io
import json

import pytest
from django.utils import timezone

from demo.models import Flight
from exports.management.terminal import output
from exports.models import Export
from exports.worker import extract
from tests.support.export_command import KEYS, CommandResult, exporter_calling, flights
from tests.support.exporting import file_with, left_in, registered

pytestmark = pytest.mark.django_db(transaction=True)


def test_file_is_copied_whole_without_leftovers(tmp_path):
    (tmp_path / "out").mkdir()
    target = tmp_path / "out" / "flights.csv"
    target.write_text("an older one")

    ran = flights("--output", str(target))

    assert (ran.status, ran.out) == (0, "")
    assert target.read_bytes() == file_with(KEYS)
    assert left_in(target.parent) == {"flights.csv"}
    assert ran.err.splitlines()[-1] == f"{target}: 20 rows, {len(file_with(KEYS)):,} bytes"


def test_symbolic_link_is_kept(tmp_path):
    link, target = tmp_path / "latest.csv", tmp_path / "flights.csv"
    link.symlink_to(target)

    flights("--output", str(link))

    assert link.is_symlink()
    assert target.read_bytes() == file_with(KEYS)


def test_standard_output_has_only_the_file():
    ran = flights("--output", "-")

    assert (ran.status, ran.raw) == (0, file_with(KEYS))


@pytest.mark.parametrize("target", ["{tmp}/out/flights.csv", "-"])
def test_file_changed_in_storage_is_refused(tmp_path, target):
    (tmp_path / "out").mkdir()
    older = tmp_path / "out" / "flights.csv"
    older.write_text("an older one")
    flights()
    export = Export.objects.get()
    stored = tmp_path / "files" / export.file
    stored.chmod(0o600)
    stored.write_bytes(stored.read_bytes().replace(b"370", b"371"))

    ran = CommandResult(str(export.pk), "--follow", "--output", target.format(tmp=tmp_path))

    assert ran.status == 1
    assert "its SHA-256 does not match" in ran.error
    assert older.read_text() == "an older one"
    assert left_in(older.parent) == {"flights.csv"}


def test_storage_failure_during_the_copy_is_reported(tmp_path, monkeypatch):
    class Failing(io.BytesIO):
        def read(self, *_):
            raise RuntimeError("connection reset")

    flights()
    export = Export.objects.get()
    monkeypatch.setattr(output.storage, "open_file", lambda _: Failing())

    ran = CommandResult(str(export.pk), "--follow", "--output", str(tmp_path / "flights.csv"))

    assert ran.status == 1
    assert (
        ran.error
        == f"Export {export.pk} succeeded, but its file could not be copied: connection reset"
    )
    assert not (tmp_path / "flights.csv").exists()


@pytest.mark.parametrize("arguments", [[], ["--output", "-"]])
def test_expired_file_is_reported(arguments):
    flights()
    Export.objects.update(expires_at=timezone.now())
    export = Export.objects.get()

    ran = CommandResult(str(export.pk), "--follow", *arguments)

    assert (ran.status, ran.out) == (1, "")
    assert ran.error.startswith(f"The file of export {export.pk} has expired")


def test_json_output_is_the_snapshot_even_after_a_failure():
    done = json.loads(flights("--json").out)

    assert (done["status"], done["rows_done"], done["error"]) == ("succeeded", 20, "")
    assert done["id"] == str(Export.objects.get().pk)

    with registered(exporter_calling(lambda: 1 // 0)):
        ran = CommandResult("acting", "--json")

    assert ran.status == 1
    assert json.loads(ran.out)["status"] == "failed"


@pytest.mark.parametrize("arguments", [(), ("--json",), ("--output", "-")])
def test_removed_rows_are_reported_beside_the_result(monkeypatch, arguments):
    def plan_and_delete(*asked):
        ranges = plan(*asked)
        Flight.objects.filter(id=3).delete()
        return ranges

    plan = extract.plan
    monkeypatch.setattr(extract, "plan", plan_and_delete)
    said = "Rows counted: 20. Rows in the file: 19. 1 row was removed while the export ran."

    ran = flights(*arguments)

    assert ran.status == 0
    assert said in ran.err.splitlines()
    assert said not in ran.out
