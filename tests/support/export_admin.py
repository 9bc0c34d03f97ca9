"""Exports in the admin: rows, staff users, and texts of pages."""

from __future__ import annotations

import json
import re
from html import unescape

from django.contrib.auth.models import Permission, User
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from exports.lifecycle.announce import announce
from exports.models import Export
from exports.status import Status
from tests.support.signing_in import signed_in

LIST = "/admin/exports/export/"


def staff_with(*codenames):
    """Return a client that is signed in as a staff user with only these permissions."""
    user = User.objects.create_user("somebody", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    assert user.user_permissions.count() == len(codenames)
    return signed_in(user)


def make(status=Status.QUEUED, **fields):
    """Create an export, and publish its state on its streams."""
    fields.setdefault("label", "Flights")
    if "owner" not in fields:
        fields["owner"] = User.objects.get_or_create(username="owner")[0]
    export = Export.objects.create(exporter="flights", status=status, **fields)
    with transaction.atomic():
        announce(export, f"export.{status}")
    return export


def change(export):
    return f"{LIST}{export.pk}/change/"


def streams(response):
    """Return the streams that the script of the list will follow."""
    return json.loads(unescape(re.search(r'data-streams="(.*?)"', response.content.decode())[1]))


def cost(client, url):
    """Return the number of queries of a page, without lookups that run once a process."""
    client.get(url)
    with CaptureQueriesContext(connection) as captured:
        assert client.get(url).status_code == 200
    return len(captured)
