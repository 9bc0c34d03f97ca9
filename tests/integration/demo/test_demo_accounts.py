"""The demo's accounts: who may do what, and never outside of DEBUG."""

from __future__ import annotations

from io import StringIO

import pytest
from django.contrib.auth import authenticate, get_user_model
from django.contrib.auth.models import Group
from django.core.management import CommandError, call_command

from exports.exporters import registry

pytestmark = pytest.mark.django_db

User = get_user_model()


@pytest.fixture(autouse=True)
def development(settings):
    settings.DEBUG = True


def create_demo_accounts():
    out = StringIO()
    call_command("create_demo_accounts", stdout=out)
    return out.getvalue()


def test_each_account_signs_in_with_its_name():
    create_demo_accounts()

    signed_in = [authenticate(username=name, password=name) for name in ("demo", "staff", "guest")]

    assert [user.username for user in signed_in] == ["demo", "staff", "guest"]


def test_each_account_has_its_rights_and_no_others():
    create_demo_accounts()

    demo, staff, guest = (User.objects.get(username=name) for name in ("demo", "staff", "guest"))

    assert (demo.is_superuser, demo.is_staff) == (True, True)
    assert (staff.is_superuser, staff.is_staff) == (False, True)
    assert staff.get_all_permissions() == {"demo.view_flight", "demo.export_flight"}
    assert (guest.is_superuser, guest.is_staff) == (False, False)
    assert guest.get_all_permissions() == set()


def test_each_account_is_offered_what_it_may_export():
    create_demo_accounts()

    offered = {
        user.username: {exporter.name for exporter in registry.available(user)}
        for user in User.objects.all()
    }

    assert offered["demo"] >= {"flights", "weather", "planes", "airports"}
    assert offered["staff"] == {"flights"}
    assert offered["guest"] == set()


def test_two_of_them_are_in_a_team_with_which_exports_can_be_shared():
    create_demo_accounts()

    members = Group.objects.get(name="Analysts").user_set.values_list("username", flat=True)

    assert sorted(members) == ["demo", "staff"]


def test_an_account_that_exists_keeps_its_password_and_its_rights():
    User.objects.create_user("staff", password="something else")

    out = create_demo_accounts()

    staff = User.objects.get(username="staff")
    assert staff.check_password("something else")
    assert not staff.is_staff
    assert staff.get_all_permissions() == set()
    assert not staff.groups.exists()
    assert "staff: exists" in out
    assert "demo: created" in out


def test_without_debug_none_is_made(settings):
    settings.DEBUG = False

    with pytest.raises(CommandError, match="only with DEBUG=1"):
        create_demo_accounts()

    assert not User.objects.exists()
