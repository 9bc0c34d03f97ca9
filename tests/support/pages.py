"""Addresses of the pages of exports, and the text of responses."""

from __future__ import annotations

import re
from html import unescape

from django.urls import reverse

DASHBOARD = reverse("exports:dashboard")


def page(name, export):
    return reverse(f"exports:{name}", args=[export.pk])


def text(response):
    """Return the page with its tags, but without entities."""
    return unescape(response.content.decode())


def text_of(response):
    """Return the visible text of a page, with single spaces."""
    without_tags = re.sub(r"<[^>]+>", "", response.content.decode())
    return " ".join(unescape(without_tags).split())
