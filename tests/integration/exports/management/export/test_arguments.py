"""`manage.py export`: what is typed is what is requested."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Permission, User

from exports import lifecycle
from exports.models import Export
from tests.support.export_command import CommandResult, flights

pytestmark = pytest.mark.django_db(transaction=True)


def test_command_stores_the_request_as_typed():
    CommandResult(
        "flights",
        "--format",
        "jsonl",
        "--columns",
        "id,tailnum",
        "--label",
        "Two columns",
        "--filter",
        "carrier=UA",
        "--filter",
        "origin=EWR",
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
def test_options_are_passed_to_the_spec(monkeypatch, typed, given):
    started = []
    start = lifecycle.start

    def record(spec, **kwargs):
        started.append(spec.options)
        return start(spec, **kwargs)

    monkeypatch.setattr(lifecycle, "start", record)

    assert flights(*typed).status == 0
    assert started == [given]


@pytest.mark.parametrize(
    ("typed", "reason"),
    [
        (["nothing"], 'There is no exporter "nothing"'),
        (["flights", "--columns", "id,wings"], 'no column "wings"'),
        (["flights", "--filter", "wings=2"], 'no filter "wings"'),
        (["flights", "--user", "nobody"], 'There is no user "nobody"'),
        (["flights", "--user", "guest"], "You do not have permission to export"),
        (["flights", "--output", "-", "--json"], "cannot be combined"),
        (["flights", "--output", "{tmp}"], "is a directory"),
        (["flights", "--output", "{tmp}/none/file"], "There is no directory"),
        (["flights", "--output", "/dev/null"], "is not a regular file"),
        (["00000000-0000-0000-0000-000000000000"], "--follow"),
        (
            ["00000000-0000-0000-0000-000000000000", "--follow", "--user", "a"],
            "can only be followed",
        ),
        (["00000000-0000-0000-0000-000000000000", "--follow"], "There is no export"),
    ],
)
def test_invalid_arguments_are_refused_and_nothing_is_saved(tmp_path, typed, reason):
    User.objects.create_user("guest")

    ran = CommandResult(*(each.format(tmp=tmp_path) for each in typed))

    assert ran.status == 2
    assert reason in ran.error
    assert ran.out == ""
    assert not Export.objects.exists()


@pytest.mark.parametrize(("superusers", "there"), [(0, "no superuser"), (2, "several superusers")])
def test_owner_must_be_named_without_a_single_superuser(superuser, superusers, there):
    User.objects.all().delete()
    for number in range(superusers):
        User.objects.create_superuser(f"super-{number}")
    somebody = User.objects.create_user("somebody")
    somebody.user_permissions.add(Permission.objects.get(codename="export_flight"))

    refused, ran = flights(), flights("--user", "somebody")

    assert (refused.status, ran.status) == (2, 0)
    assert f"There is {there}".replace("is several", "are several") in refused.error
    assert Export.objects.get().owner == somebody
