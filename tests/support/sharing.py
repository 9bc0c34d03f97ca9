"""Shared exports: users, their browsers, and what the pages say."""

from __future__ import annotations

import re
from html import unescape

from django.contrib.auth.models import Permission, User
from django.test import Client
from django.urls import reverse

DASHBOARD = reverse("exports:dashboard")
EXPORTS = "/api/v1/exports"
NOWHERE = 10**12  # A team that is not there.


def make_user(name, *groups, **fields):
    """Somebody who may export airports."""
    user = User.objects.create_user(name, **fields)
    user.user_permissions.add(Permission.objects.get(codename="export_airport"))
    user.groups.set(groups)
    return user


def signed_in(user):
    client = Client()
    client.force_login(user)
    return client


def text_of(response):
    """What a person reads on a page, spaces made plain."""
    without_names = re.sub(r"</?bdi>", "", response.content.decode())
    without_tags = re.sub(r"<[^>]+>", " ", without_names)
    return " ".join(unescape(without_tags).split())
