"""Exports in the admin: rows, people of the staff, and what its pages say."""

from __future__ import annotations

import json
import re
from html import unescape

from django.contrib.auth.models import Permission, User
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext

from exports.lifecycle.announce import announce
from exports.models import Export
from exports.status import Status

LIST = "/admin/exports/export/"


def staff_with(*codenames):
    """Signed in as somebody of the staff with these permissions and no others."""
    user = User.objects.create_user("somebody", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    assert user.user_permissions.count() == len(codenames)
    client = Client()
    client.force_login(user)
    return client


def make(status=Status.QUEUED, **fields):
    """An export, and what has been said of it on its streams."""
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
    """What the list's script will follow."""
    return json.loads(unescape(re.search(r'data-streams="(.*?)"', response.content.decode())[1]))


def cost(client, url):
    """How many queries a page takes, when what is looked up once a process has been."""
    client.get(url)
    with CaptureQueriesContext(connection) as captured:
        assert client.get(url).status_code == 200
    return len(captured)
