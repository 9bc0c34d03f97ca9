"""The HTTP API of exports: its addresses, its clients, and its errors."""

from __future__ import annotations

import json

from django.test import Client

from exports.serialize import snapshot
from notifications.api import tokens

EXPORTS = "/api/v1/exports"
UNKNOWN = "6458b5bf-0000-4000-8000-000000000001"


def program(user):
    return Client(headers={"Authorization": f"Bearer {tokens.create(user)}"})


def post(client, path=EXPORTS, body=None, **more):
    return client.post(path, json.dumps(body), content_type="application/json", **more)


def of(export, action=""):
    return f"{EXPORTS}/{export.pk}/{action}".rstrip("/")


def assert_problem(response, status, detail, **members):
    """Check the form that all errors of the API have."""
    assert response.status_code == status
    assert response["Content-Type"] == "application/problem+json"
    body = response.json()
    assert detail in body.pop("detail")
    assert body.pop("status") == status
    assert (body.pop("type"), bool(body.pop("title"))) == ("about:blank", True)
    body.pop("errors", None)
    assert body == members


def answer(export):
    """Return the snapshot, with links for programs."""
    links = {"self": f"/api/v1/exports/{export.pk}", "download": None}
    if snapshot(export)["links"]["download"]:
        links["download"] = f"/api/v1/exports/{export.pk}/file"
    return {**snapshot(export), "links": links}
