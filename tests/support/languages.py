"""Pages in German and English."""

from __future__ import annotations

from django.urls import reverse

DASHBOARD = reverse("exports:dashboard")
GERMAN = {"Accept-Language": "de-AT,de;q=0.9,en;q=0.5"}


def html(response):
    return response.content.decode()
