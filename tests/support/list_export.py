"""Exports from the admin's list of flights: addresses, users, and texts of pages."""

from __future__ import annotations

import re
from html import unescape

from django.contrib.auth.models import Permission, User

from exports.spec import queryset

LIST = "/admin/demo/flight/"
PAGE = "/admin/demo/flight/export/"


def staff_with(*codenames):
    user = User.objects.create_user(f"staff{User.objects.count()}", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
    assert user.user_permissions.count() == len(codenames)
    return user


def hrefs(response):
    return [unescape(found) for found in re.findall(r'href="([^"]*)"', response.content.decode())]


def ticked(*keys, **more):
    """Return the form data of a browser for the action on selected rows."""
    return {"_selected_action": keys, "action": "export_selected", "index": "0", **more}


def keys_of(export):
    """Return the sorted keys of the rows of an export."""
    return sorted(queryset.rows_and_columns(export)[0].values_list("pk", flat=True))
