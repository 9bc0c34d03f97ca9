"""`manage.py export`: what is asked for, who does the work, and what is left in the end."""

from __future__ import annotations

import io
import json
import threading

import pytest
from django.contrib.auth.models import Permission, User
from django.core.management import CommandError, call_command
from django.db import OperationalError, connections
from django.utils import timezone

from demo.models import Flight
from exports import lifecycle
from exports.exporters import Column, Exporter
from exports.lifecycle import attempts, fairness, queue, rescue
from exports.management.terminal import follow, output
from exports.management.terminal.progress import Lines
from exports.models import Export
from exports.worker import extract, runner
from notifications.streams import backlog
from tests.support.exporting import (
    COLUMNS,
    content,
    events,
    file_with,
    go_on,
    left_in,
    lose,
    make_flights,
    registered,
    use_folders,
)

pytestmark = pytest.mark.django_db(transaction=True)

KEYS = range(1, 21)


@pytest.fixture(autouse=True)
def person(settings, tmp_path):
    """The only superuser."""
    use_folders(settings, tmp_path)
    make_flights(KEYS)
    return User.objects.create_superuser("person")


@pytest.fixture(autouse=True)
def told(monkeypatch):
    """What the broker is told, instead of telling it."""
    told = []
    monkeypatch.setattr(queue, "enqueue", lambda export_id: told.append(export_id) or True)
    return told


@pytest.fixture
def elsewhere(monkeypatch):
    """A worker that takes what the broker is told, and runs beside the command."""
    threads = []

    def work(export_id):
        go_on(Export.objects.get(pk=export_id))
        connections.close_all()

    def enqueue(export_id):
        threads.append(threading.Thread(target=work, args=[export_id]))
        threads[-1].start()
        return True

    monkeypatch.setattr(queue, "enqueue", enqueue)
    yield
    for thread in threads:
        thread.join()


class Ran:
    """What a command has printed, and how it ended."""

    def __init__(self, *arguments):
        out, err = io.TextIOWrapper(io.BytesIO(), write_through=True), io.StringIO()
        self.status, self.error = 0, ""
        try:
            call_command("export", *arguments, stdout=out, stderr=err, no_color=True)
        except CommandError as error:
            self.status, self.error = error.returncode, str(error)
        self.raw = out.buffer.getvalue()
        self.out, self.err = self.raw.decode(), err.getvalue()


def flights(*arguments):
    return Ran("flights", "--columns", ",".join(COLUMNS), *arguments)


def exporter_that(does):
    """An exporter that calls `does()` at its tenth row."""

    class Acting(Exporter):
        queryset = Flight.objects.all()
        permission = "demo.export_flight"
        columns = [
            "id",
            Column("done", needs=["id"], python=lambda key: does() if key == 10 else ""),
        ]

    return Acting


# -- What is asked for --------------------------------------------------------------------


def test_what_is_typed_is_what_is_stored():
    Ran(
        *("flights", "--format", "jsonl", "--columns", "id,tailnum", "--label", "Two columns"),
        *("--filter", "carrier=UA", "--filter", "origin=EWR"),
    )

    export = Export.objects.get()
    assert (export.status, export.format, export.label) == ("succeeded", "jsonl", "Two columns")
    assert export.params == {
        "columns": ["id", "tailnum"],
        "filters": {"carrier": "UA", "origin": "EWR"},
    }


@pytest.mark.parametrize(
    ("typed", "given"),
    [
        ([], {}),
        (["--option", "gzip=true", "--option", "delimiter=;"], {"gzip": True, "delimiter": ";"}),
    ],
)
def test_options_are_passed_on_if_there_are_any(monkeypatch, typed, given):
    asked = []
    whole = lifecycle.request

    def request(**kwargs):
        asked.append(kwargs.pop("options", {}))
        return whole(**kwargs)

    monkeypatch.setattr(lifecycle, "request", request)

    assert flights(*typed).status == 0
    assert asked == [given]


@pytest.mark.parametrize(
    ("typed", "reason"),
    [
        (["nothing"], 'There is no exporter "nothing"'),
        (["flights", "--columns", "id,wings"], 'no column "wings"'),
        (["flights", "--filter", "wings=2"], 'no filter "wings"'),
        (["flights", "--user", "nobody"], 'There is no user "nobody"'),
        (["flights", "--user", "guest"], "You may not export"),
        (["flights", "--output", "-", "--json"], "both want standard output"),
        (["flights", "--output", "{tmp}"], "is a directory"),
        (["flights", "--output", "{tmp}/none/file"], "There is no directory"),
        (["flights", "--output", "/dev/null"], "is no regular file"),
        (["00000000-0000-0000-0000-000000000000"], "--follow"),
        (["00000000-0000-0000-0000-000000000000", "--follow", "--user", "a"], "nothing else"),
        (["00000000-0000-0000-0000-000000000000", "--follow"], "There is no export"),
    ],
)
def test_what_cannot_be_is_refused_with_the_reason_and_nothing_is_saved(tmp_path, typed, reason):
    User.objects.create_user("guest")

    ran = Ran(*(each.format(tmp=tmp_path) for each in typed))

    assert ran.status == 2
    assert reason in ran.error
    assert ran.out == ""
    assert not Export.objects.exists()


@pytest.mark.parametrize(("superusers", "there"), [(0, "no superuser"), (2, "several superusers")])
def test_whose_it_is_must_be_said_unless_there_is_one_superuser(person, superusers, there):
    User.objects.all().delete()
    for number in range(superusers):
        User.objects.create_superuser(f"super-{number}")
    somebody = User.objects.create_user("somebody")
    somebody.user_permissions.add(Permission.objects.get(codename="export_flight"))

    refused, ran = flights(), flights("--user", "somebody")

    assert (refused.status, ran.status) == (2, 0)
    assert f"There is {there}".replace("is several", "are several") in refused.error
    assert Export.objects.get().owner == somebody


# -- In the foreground ----------------------------------------------------------------------


def test_it_is_run_here_and_the_broker_never_hears_of_it(told):
    ran = flights()

    export = Export.objects.get()
    assert ran.status == 0
    assert ran.out == f"{export.pk} {export.file}\n"
    assert content(export) == file_with(KEYS)
    assert export.worker.startswith("terminal-")
    assert told == []
    assert events(export.stream) == ["export.queued", "export.started", "export.succeeded"]


def test_nobody_sees_it_wait(monkeypatch):
    seen = []
    whole = attempts.claim

    def claim(export_id, **kwargs):
        # Another connection: what a rescue, or a worker, would see now.
        thread = threading.Thread(target=look)
        thread.start()
        thread.join()
        return whole(export_id, **kwargs)

    def look():
        seen.append(Export.objects.count())
        connections.close_all()

    monkeypatch.setattr(attempts, "claim", claim)

    assert flights().status == 0
    assert seen == [0]


def test_progress_is_on_standard_error():
    ran = flights()

    assert ran.err.splitlines()[-1] == "Succeeded."


def test_verbosity_zero_says_nothing(tmp_path):
    ran = flights("--verbosity", "0", "--output", str(tmp_path / "flights.csv"))

    assert (ran.status, ran.out, ran.err) == (0, "", "")


def test_an_export_that_fails_says_why():
    def fail():
        raise LookupError("no such plane")

    with registered(exporter_that(fail)):
        ran = Ran("acting")

    assert (ran.status, ran.out) == (1, "")
    assert "LookupError: no such plane" in ran.error


@pytest.mark.parametrize(
    ("does", "was"), [(lifecycle.cancel, "cancelled"), (lifecycle.pause, "paused")]
)
def test_an_export_that_somebody_stops_says_so(does, was, settings):
    settings.EXPORTS_PAGE_ROWS = 5
    settings.EXPORTS_PART_ROWS = 5

    with registered(exporter_that(lambda: does(Export.objects.get()))):
        ran = Ran("acting")

    assert (ran.status, ran.out) == (3, "")
    assert ran.error.startswith(f"The export is {was}. To look again: manage.py export ")


def test_when_another_worker_takes_it_over_that_one_is_followed(monkeypatch):
    noticed, say = threading.Event(), Lines.say

    def say_and_tell(lines, text):
        say(lines, text)
        noticed.set()

    def go_on_once_it_is_noticed(export_id):
        assert noticed.wait(30)
        go_on(Export.objects.get(pk=export_id))
        connections.close_all()

    def lose_it():
        if not others:
            others.append(threading.Thread(target=go_on_once_it_is_noticed, args=[only().pk]))
            lose(only())
            rescue.rescue()
            others[0].start()

    others, only = [], Export.objects.get
    monkeypatch.setattr(Lines, "say", say_and_tell)

    with registered(exporter_that(lose_it)):
        ran = Ran("acting")
        others[0].join()

    export = only()
    assert "Another worker has taken it over." in ran.err
    assert (ran.status, ran.out) == (0, f"{export.pk} {export.file}\n")
    assert (export.attempt, export.worker) == (2, "worker-2@tests")


def test_a_database_that_refuses_is_an_error_that_says_what_follows(monkeypatch):
    def refuse(*_, **__):
        raise OperationalError("out of memory")

    monkeypatch.setattr(runner, "run", refuse)

    ran = flights()

    assert ran.status == 1
    assert "The database refused: out of memory Another attempt follows" in ran.error
    assert Export.objects.get().status == "running"


def test_it_asks_no_worker_for_help_and_makes_room_for_none(settings, monkeypatch):
    settings.EXPORTS_PART_ROWS = 5
    settings.EXPORTS_TURN_SECONDS = 0
    asked = []
    monkeypatch.setattr(fairness, "helpers_wanted", lambda *_: 2)
    monkeypatch.setattr(fairness, "more_wait_than_helpers_make_room_for", lambda: True)
    monkeypatch.setattr(queue, "ask_for_help", lambda *arguments: asked.append(arguments))
    # Given back, it would be followed for ever.
    monkeypatch.setattr(queue, "enqueue", lambda pk: lifecycle.cancel(Export.objects.get(pk=pk)))

    assert flights().status == 0

    export = Export.objects.get()
    assert (export.attempt, export.parts.count(), asked) == (1, 4, [])


# -- What is left ---------------------------------------------------------------------------


def test_the_file_is_copied_whole_and_nothing_is_left_beside_it(tmp_path):
    (tmp_path / "out").mkdir()
    target = tmp_path / "out" / "flights.csv"
    target.write_text("an older one")

    ran = flights("--output", str(target))

    assert (ran.status, ran.out) == (0, "")
    assert target.read_bytes() == file_with(KEYS)
    assert left_in(target.parent) == {"flights.csv"}
    assert ran.err.splitlines()[-1] == f"{target}: 20 rows, {len(file_with(KEYS)):,} bytes"


def test_a_link_stays_one(tmp_path):
    link, target = tmp_path / "latest.csv", tmp_path / "flights.csv"
    link.symlink_to(target)

    flights("--output", str(link))

    assert link.is_symlink()
    assert target.read_bytes() == file_with(KEYS)


def test_standard_output_has_the_file_and_nothing_else():
    ran = flights("--output", "-")

    assert (ran.status, ran.raw) == (0, file_with(KEYS))


@pytest.mark.parametrize("target", ["{tmp}/out/flights.csv", "-"])
def test_a_file_that_storage_has_changed_is_no_success(tmp_path, target):
    (tmp_path / "out").mkdir()
    older = tmp_path / "out" / "flights.csv"
    older.write_text("an older one")
    flights()
    export = Export.objects.get()
    stored = tmp_path / "files" / export.file
    stored.chmod(0o600)
    stored.write_bytes(stored.read_bytes().replace(b"370", b"371"))

    ran = Ran(str(export.pk), "--follow", "--output", target.format(tmp=tmp_path))

    assert ran.status == 1
    assert "its SHA-256 is another" in ran.error
    assert older.read_text() == "an older one"
    assert left_in(older.parent) == {"flights.csv"}


def test_a_storage_that_fails_in_the_middle_is_no_traceback(tmp_path, monkeypatch):
    class Failing(io.BytesIO):
        def read(self, *_):
            raise RuntimeError("connection reset")

    flights()
    export = Export.objects.get()
    monkeypatch.setattr(output.storage, "open_file", lambda _: Failing())

    ran = Ran(str(export.pk), "--follow", "--output", str(tmp_path / "flights.csv"))

    assert ran.status == 1
    assert (
        ran.error == f"Export {export.pk} succeeded, and its file was not copied: connection reset"
    )
    assert not (tmp_path / "flights.csv").exists()


@pytest.mark.parametrize("arguments", [[], ["--output", "-"]])
def test_a_file_that_has_expired_is_not_there_any_more(arguments):
    flights()
    Export.objects.update(expires_at=timezone.now())
    export = Export.objects.get()

    ran = Ran(str(export.pk), "--follow", *arguments)

    assert (ran.status, ran.out) == (1, "")
    assert ran.error.startswith(f"The file of export {export.pk} has expired")


def test_json_is_the_snapshot_also_of_one_that_failed():
    done = json.loads(flights("--json").out)

    assert (done["status"], done["rows_done"], done["error"]) == ("succeeded", 20, "")
    assert done["id"] == str(Export.objects.get().pk)

    with registered(exporter_that(lambda: 1 // 0)):
        ran = Ran("acting", "--json")

    assert ran.status == 1
    assert json.loads(ran.out)["status"] == "failed"


@pytest.mark.parametrize("arguments", [(), ("--json",), ("--output", "-")])
def test_rows_removed_meanwhile_are_told_beside_the_result(monkeypatch, arguments):
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


# -- With --follow --------------------------------------------------------------------------


@pytest.mark.usefixtures("elsewhere")
def test_followed_the_workers_do_it_and_the_file_is_fetched(tmp_path):
    target = tmp_path / "flights.csv"

    ran = flights("--follow", "--output", str(target))

    export = Export.objects.get()
    assert (ran.status, ran.out) == (0, "")
    assert target.read_bytes() == file_with(KEYS)
    assert export.worker == "worker-2@tests"
    assert f"INFO    Export {export.pk}, attempt 1 by worker-2@tests." in ran.err


@pytest.mark.usefixtures("elsewhere")
def test_followed_with_json_all_that_happens_is_a_line_and_the_snapshot_the_last():
    ran = flights("--follow", "--json")

    export = Export.objects.get()
    *frames, last = [json.loads(line) for line in ran.out.splitlines()]
    happened = [frame for frame in frames if frame["type"] == "event"]
    assert [frame["offset"] for frame in happened] == [*range(1, len(happened) + 1)]
    assert [frame["data"] for frame in happened if frame["event"] == "log"] == events(
        export.stream, "log"
    )
    assert (last["id"], last["status"]) == (str(export.pk), "succeeded")


def test_one_that_is_there_can_be_looked_at_again():
    flights()
    export = Export.objects.get()

    ran = Ran(str(export.pk), "--follow", "--output", "-")

    assert (ran.status, ran.raw) == (0, file_with(KEYS))
    assert Export.objects.count() == 1


def test_one_that_is_paused_is_not_waited_for(person):
    export = lifecycle.request(user=person, exporter="flights", enqueue=False)
    lifecycle.pause(export, by=person)

    ran = Ran(str(export.pk), "--follow")

    assert (ran.status, ran.error.partition(".")[0]) == (3, "The export is paused")


def test_one_that_is_deleted_meanwhile_is_not_waited_for(person, monkeypatch):
    export = lifecycle.request(user=person, exporter="flights", enqueue=False)
    delete_after(monkeypatch, export)

    ran = Ran(str(export.pk), "--follow")

    assert (ran.status, ran.error) == (1, "The export was deleted.")


def delete_after(monkeypatch, export):
    """Delete it once its stream has been read."""
    read = backlog.read

    def then_delete(*arguments):
        page = read(*arguments)
        Export.objects.filter(pk=export.pk).delete()
        return page

    monkeypatch.setattr(backlog, "read", then_delete)


@pytest.mark.usefixtures("elsewhere")
def test_a_database_that_is_away_for_a_while_is_waited_for(monkeypatch):
    read, failures = backlog.read, ["gone", "still gone"]

    def away(*arguments):
        if failures:
            raise OperationalError(failures.pop(0))
        return read(*arguments)

    monkeypatch.setattr(backlog, "read", away)

    ran = flights("--follow")

    assert ran.status == 0
    assert ran.err.count("The database does not answer; it is asked again.") == 1


def test_who_waits_for_long_is_told_where_to_look(person, monkeypatch):
    monkeypatch.setattr(follow, "PATIENCE", 0.0)
    export = lifecycle.request(user=person, exporter="flights", enqueue=False)
    seen = []

    def then_cancel(watched, *arguments):
        seen.append(watched)
        if len(seen) > 2:
            lifecycle.cancel(Export.objects.get(pk=export.pk))
        return read(watched, *arguments)

    read = backlog.read
    monkeypatch.setattr(backlog, "read", then_cancel)

    ran = Ran(str(export.pk), "--follow")

    assert ran.status == 3
    assert ran.err.count("No worker has taken it yet. Is one there? manage.py healthcheck") == 1
