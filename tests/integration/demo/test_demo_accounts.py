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


def test_demo_accounts_sign_in_with_their_names():
    create_demo_accounts()

    signed_in = [authenticate(username=name, password=name) for name in ("demo", "staff", "guest")]

    assert [user.username for user in signed_in] == ["demo", "staff", "guest"]


def test_demo_accounts_have_exactly_their_rights():
    create_demo_accounts()

    demo, staff, guest = (User.objects.get(username=name) for name in ("demo", "staff", "guest"))

    assert (demo.is_superuser, demo.is_staff) == (True, True)
    assert (staff.is_superuser, staff.is_staff) == (False, True)
    assert staff.get_all_permissions() == {"demo.view_flight", "demo.export_flight"}
    assert (guest.is_superuser, guest.is_staff) == (False, False)
    assert guest.get_all_permissions() == set()


def test_each_account_is_offered_the_exporters_it_may_run():
    create_demo_accounts()

    offered = {
        user.username: {exporter.name for exporter in registry.available(user)}
        for user in User.objects.all()
    }

    assert offered["demo"] >= {"flights", "weather", "planes", "airports"}
    assert offered["staff"] == {"flights"}
    assert offered["guest"] == set()


def test_two_demo_accounts_share_a_team():
    create_demo_accounts()

    members = Group.objects.get(name="Analysts").user_set.values_list("username", flat=True)

    assert sorted(members) == ["demo", "staff"]


def test_existing_account_keeps_its_password_and_rights():
    User.objects.create_user("staff", password="something else")

    out = create_demo_accounts()

    staff = User.objects.get(username="staff")
    assert staff.check_password("something else")
    assert not staff.is_staff
    assert staff.get_all_permissions() == set()
    assert not staff.groups.exists()
    assert "staff: exists" in out
    assert "demo: created" in out


def test_demo_accounts_are_not_created_without_debug(settings):
    settings.DEBUG = False

    with pytest.raises(CommandError, match="only with DEBUG=1"):
        create_demo_accounts()

    assert not User.objects.exists()
