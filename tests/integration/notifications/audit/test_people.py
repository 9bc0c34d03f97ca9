"""The audit trail of people: sign-ins, passwords, rights, tokens. Each from act to entry."""

from __future__ import annotations

import getpass
import sys
from datetime import timedelta

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from notifications.api import tokens
from notifications.audit import attempts
from notifications.models import AuditEntry, Token
from tests.support.trail import (
    ADDRESS,
    BY_ADMIN,
    BY_COMMAND,
    BY_PAGE,
    client_of,
    entries,
    only,
    people,
    source,
)

pytestmark = [pytest.mark.django_db, pytest.mark.proves("audit-trail-is-complete")]

USERS = "/admin/auth/user/"


@pytest.fixture
def ada():
    return User.objects.create_user("ada", password="correct horse")


@pytest.fixture
def operator():
    """The browser of a superuser."""
    return client_of(User.objects.create_superuser("operator"))


def run(monkeypatch, *words):
    """Run a command in this process, as if it had been started for it."""
    monkeypatch.setattr(sys, "argv", ["manage.py", *words])
    call_command(*words)


# -- Signing in ----------------------------------------------------------------------------------


def test_sign_in_is_recorded(ada):
    client_of().post("/login/", {"username": "ada", "password": "correct horse"})

    entry = only("signed_in")
    assert (people(entry), source(entry)) == (("ada", ""), BY_PAGE)
    assert (entry.actor_key, entry.object_key) == (str(ada.pk), str(ada.pk))
    assert timezone.now() - entry.at < timedelta(minutes=1)


def test_sign_out_is_recorded(ada):
    client_of(ada).post("/logout/")

    entry = only("signed_out")
    assert (people(entry), source(entry)) == (("ada", ""), BY_PAGE)


@pytest.mark.parametrize("path", ["/login/", "/admin/login/"])
def test_failed_sign_in_is_recorded_with_the_tried_name(ada, path):
    client_of().post(path, {"username": "ada", "password": "wrong"})

    entry = only("sign_in_failed")
    assert people(entry) == ("", "")
    assert source(entry) == (BY_ADMIN if "admin" in path else BY_PAGE)
    assert (entry.object_kind, entry.object_label) == ("user", "ada")
    assert "wrong" not in str(vars(entry))


def test_tried_name_cannot_forge_or_fill_the_trail():
    name = "eve\n\x1b[2J\u202eadmin" + "x" * 120

    client_of().post("/login/", {"username": name, "password": "wrong"})

    label = only("sign_in_failed").object_label
    assert label.startswith("eve\\n\\x1b[2J\\u202eadmin")
    assert len(label) <= 200


def test_recorded_address_is_the_clients_not_the_proxys(ada):
    client = Client(REMOTE_ADDR="10.0.0.1", headers={"x-forwarded-for": "6.6.6.6, 198.51.100.4"})
    client.post("/login/", {"username": "ada", "password": "wrong"})

    assert only("sign_in_failed").address == "198.51.100.4"


@pytest.mark.proves("failed-signins-are-limited")
def test_failures_of_one_address_are_limited(ada, monkeypatch):
    monkeypatch.setattr(attempts, "MAX_PER_ADDRESS", 3)
    client, other = client_of(), Client(REMOTE_ADDR="198.51.100.4")

    for number in range(6):
        client.post("/login/", {"username": f"name {number}", "password": "wrong"})
    other.post("/login/", {"username": "ada", "password": "wrong"})

    first, second, third, last, others = entries("sign_in_failed")
    assert [each.object_label for each in (first, second, third)] == ["name 0", "name 1", "name 2"]
    assert last.details == attempts.LIMIT_NOTICE
    assert (others.address, others.object_label) == ("198.51.100.4", "ada")


def test_failures_of_one_network_are_limited(ada, monkeypatch):
    """Else one machine with IPv6 takes all slots of the hour, and the failures of others none."""
    monkeypatch.setattr(attempts, "MAX_PER_ADDRESS", 3)

    for number in range(6):
        client = Client(REMOTE_ADDR=f"2001:4860:1:2::{number + 1}")
        client.post("/login/", {"username": f"name {number}", "password": "wrong"})
    Client(REMOTE_ADDR="2001:4860:1:3::1").post("/login/", {"username": "ada", "password": "x"})

    assert [each.address for each in entries("sign_in_failed")] == [
        *(f"2001:4860:1:2::{number + 1}" for number in range(4)),
        "2001:4860:1:3::1",
    ]


@pytest.mark.proves("failed-signins-are-limited")
def test_failures_of_all_addresses_are_limited(ada, monkeypatch):
    monkeypatch.setattr(attempts, "MAX_TOTAL", 4)

    for number in range(8):
        client = Client(REMOTE_ADDR=f"198.51.100.{number}")
        client.post("/login/", {"username": "ada", "password": "wrong"})

    *known, last = entries("sign_in_failed")
    assert [each.address for each in known] == [f"198.51.100.{number}" for number in range(4)]
    assert (last.address, last.object_label, last.details) == (None, "", attempts.LIMIT_NOTICE)


def test_slot_taken_by_another_process_is_respected(ada, monkeypatch):
    """Both have counted before either has saved."""
    counted = iter([0, 0, 0])
    monkeypatch.setattr(attempts, "_recent_networks", lambda *_: [ADDRESS] * next(counted))

    for name in ("ada", "bob", "eve"):
        client_of().post("/login/", {"username": name, "password": "wrong"})

    assert [each.object_label for each in entries("sign_in_failed")] == ["ada", "bob", "eve"]


# -- Passwords and users -------------------------------------------------------------------------


def test_password_that_a_superuser_changes_is_recorded(ada, operator):
    form = {
        "password1": "battery staple 9",
        "password2": "battery staple 9",
        "usable_password": "true",
    }

    operator.post(f"{USERS}{ada.pk}/password/", form)

    entry = only("password_changed")
    assert (people(entry), source(entry)) == (("operator", ""), BY_ADMIN)
    assert entry.object_label == "ada"


def test_password_that_a_command_changes_is_recorded(ada, monkeypatch):
    monkeypatch.setattr(getpass, "getpass", lambda **_: "battery staple 9")

    run(monkeypatch, "changepassword", "ada")

    entry = only("password_changed")
    assert (people(entry), source(entry)) == (("", ""), BY_COMMAND)
    assert entry.details == {"command": "changepassword", "account": getpass.getuser()}


def test_rehashed_password_is_not_recorded_as_a_change(ada, settings):
    settings.PASSWORD_HASHERS = [
        "django.contrib.auth.hashers.PBKDF2SHA1PasswordHasher",
        *settings.PASSWORD_HASHERS,
    ]

    client_of().post("/login/", {"username": "ada", "password": "correct horse"})

    assert User.objects.get().password.startswith("pbkdf2_sha1")
    assert entries("password_changed") == []


def test_password_that_is_made_unusable_is_a_change(ada):
    ada.set_unusable_password()
    ada.save(update_fields=["password"])

    assert only("password_changed").object_label == "ada"


def test_created_user_is_recorded_with_rights(operator):
    form = {"username": "bob", "password1": "battery staple 9", "password2": "battery staple 9"}

    operator.post(f"{USERS}add/", {**form, "usable_password": "true"})

    entry = entries("user_created")[-1]
    assert (people(entry), source(entry)) == (("operator", ""), BY_ADMIN)
    assert (entry.object_label, entry.details) == ("bob", {"rights": ["is_active"]})


def test_deleted_user_stays_in_the_trail(ada, operator):
    client_of().post("/login/", {"username": "ada", "password": "correct horse"})

    operator.post(f"{USERS}{ada.pk}/delete/", {"post": "yes"})

    entry = only("user_deleted")
    assert not User.objects.filter(username="ada").exists()
    assert (people(entry), source(entry), entry.object_label) == (("operator", ""), BY_ADMIN, "ada")
    assert AuditEntry.objects.get(action="signed_in", address=ADDRESS).actor_name == "ada"


# -- Rights --------------------------------------------------------------------------------------


def change(operator, user, **fields):
    """Send the admin's form of a user, as it is but for `fields`."""
    form = {"username": user.username, "date_joined_0": "2026-01-01", "date_joined_1": "00:00:00"}
    answer = operator.post(f"{USERS}{user.pk}/change/", {**form, **fields})
    assert answer.status_code == 302, answer.context["errors"]


def test_deactivated_user_is_recorded(ada, operator):
    User.objects.filter(pk=ada.pk).update(is_staff=True)

    change(operator, ada)

    entry = only("rights_withdrawn")
    assert (people(entry), source(entry), entry.object_label) == (("operator", ""), BY_ADMIN, "ada")
    assert entry.details == {"rights": ["is_active", "is_staff"]}


def test_new_superuser_is_recorded(ada, operator):
    change(operator, ada, is_active="on", is_superuser="on")

    entry = only("rights_granted")
    assert (people(entry), entry.details) == (("operator", ""), {"rights": ["is_superuser"]})


def test_team_and_permission_of_a_user_are_recorded(ada, operator):
    team = Group.objects.create(name="Analysts")
    permission = Permission.objects.get(codename="export_flight")

    change(operator, ada, is_active="on", groups=[team.pk], user_permissions=[permission.pk])
    change(operator, ada, is_active="on")

    names = [{"groups": ["Analysts"]}, {"user_permissions": ["demo.export_flight"]}]
    granted, withdrawn = entries("rights_granted"), entries("rights_withdrawn")
    assert sorted((each.details for each in granted), key=str) == names
    assert sorted((each.details for each in withdrawn), key=str) == names
    for entry in (*granted, *withdrawn):
        assert (people(entry), source(entry)) == (("operator", ""), BY_ADMIN)
        assert (entry.object_kind, entry.object_label) == ("user", "ada")


def test_permission_that_a_team_loses_is_recorded(operator):
    team = Group.objects.create(name="Analysts")
    team.permissions.add(Permission.objects.get(codename="export_flight"))

    operator.post(f"/admin/auth/group/{team.pk}/change/", {"name": "Analysts"})

    entry = only("rights_withdrawn")
    assert (people(entry), source(entry)) == (("operator", ""), BY_ADMIN)
    assert (entry.object_kind, entry.object_label) == ("group", "Analysts")
    assert entry.details == {"permissions": ["demo.export_flight"]}


def test_team_that_is_emptied_is_recorded_for_each_member(ada):
    bob = User.objects.create_user("bob")
    team = Group.objects.create(name="Analysts")
    team.user_set.add(ada, bob)

    team.user_set.clear()

    lost = entries("rights_withdrawn")
    assert sorted(each.object_label for each in lost) == ["ada", "bob"]
    assert all(each.details == {"groups": ["Analysts"]} for each in lost)


def test_team_that_is_deleted_is_recorded(operator):
    team = Group.objects.create(name="Analysts")

    operator.post(f"/admin/auth/group/{team.pk}/delete/", {"post": "yes"})

    entry = only("rights_withdrawn")
    assert (people(entry), entry.object_label) == (("operator", ""), "Analysts")
    assert entry.details == {"deleted": True}


def test_change_that_is_rolled_back_was_never_recorded(ada, operator, monkeypatch):
    def fail(*_, **__):
        raise RuntimeError("too late")

    monkeypatch.setattr("django.contrib.admin.ModelAdmin.log_change", fail)

    with pytest.raises(RuntimeError, match="too late"):
        change(operator, ada)

    assert User.objects.get(pk=ada.pk).is_active
    assert entries("rights_withdrawn") == []


def test_failed_save_leaves_nothing_for_the_next_save(ada):
    User.objects.create_user("bob")
    ada.username, ada.is_staff = "bob", True
    with pytest.raises(IntegrityError), transaction.atomic():
        ada.save()

    ada.save(update_fields=["last_login"])

    assert entries("rights_granted") == []


def test_permissions_are_named_by_one_query(ada):
    def grant(*permissions):
        with CaptureQueriesContext(connection) as queries:
            ada.user_permissions.add(*permissions)
        return len(queries)

    first, *others = Permission.objects.all()[:9]

    assert grant(first) == grant(*others)


# -- Tokens --------------------------------------------------------------------------------------


def test_token_that_is_made_is_recorded_without_the_token(ada, monkeypatch, capsys):
    run(monkeypatch, "create_token", "ada", "--note", "nightly report")

    entry = only("token_created")
    assert (people(entry), source(entry)) == (("", "ada"), BY_COMMAND)
    assert (entry.object_kind, entry.object_label) == ("token", "nightly report")
    assert capsys.readouterr().out.strip() not in str(vars(entry))


def test_token_that_is_revoked_is_recorded(ada, operator):
    tokens.create(ada, "nightly report")

    operator.post(f"/admin/notifications/token/{Token.objects.get().pk}/delete/", {"post": "yes"})

    entry = only("token_revoked")
    assert (people(entry), source(entry)) == (("operator", "ada"), BY_ADMIN)
    assert entry.object_label == "nightly report"


def test_token_deleted_with_its_user_is_recorded(ada, operator):
    tokens.create(ada, "nightly report")

    operator.post(f"{USERS}{ada.pk}/delete/", {"post": "yes"})

    assert people(only("token_revoked")) == ("operator", "ada")


def test_token_that_is_refused_is_recorded(ada):
    client = client_of()

    answer = client.get("/api/v1/exports", headers={"authorization": "Bearer waybill_wrong"})

    entry = only("token_refused")
    assert answer.status_code == 401
    assert (people(entry), entry.address) == (("", ""), ADDRESS)
    assert "waybill_wrong" not in str(vars(entry))
