"""Shared exports: users, and texts of pages."""

from __future__ import annotations

import re
from html import unescape

from django.contrib.auth.models import Permission, User
from django.urls import reverse

DASHBOARD = reverse("exports:dashboard")
EXPORTS = "/api/v1/exports"
NOWHERE = 10**12  # The id of a missing team.


def make_user(name, *groups, **fields):
    """Create a user who may export airports."""
    user = User.objects.create_user(name, **fields)
    user.user_permissions.add(Permission.objects.get(codename="export_airport"))
    user.groups.set(groups)
    return user


def text_of(response):
    """Return the visible text of a page, with single spaces."""
    without_names = re.sub(r"</?bdi>", "", response.content.decode())
    without_tags = re.sub(r"<[^>]+>", " ", without_names)
    return " ".join(unescape(without_tags).split())
