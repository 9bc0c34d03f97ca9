"""What the API refuses, in the language that the request asks for."""

from __future__ import annotations

from uuid import UUID

import pytest
from pydantic_core import PydanticKnownError

from notifications.api import problems
from tests.support.languages import GERMAN

pytestmark = pytest.mark.django_db


# A request that is wrong in one way, and what of its answer is in the language of who asks.
REFUSED = {
    "nothing": ("get", "/api/v1/nothing", None, "Unter dieser Adresse wurde nichts gefunden."),
    "method": ("put", "/api/v1/exports", {}, "Diese Adresse nimmt nur GET oder POST an."),
    "export": (
        "get",
        f"/api/v1/exports/{UUID(int=0)}",
        None,
        f"Es gibt keinen Export {UUID(int=0)}.",
    ),
    "stream": (
        "get",
        "/api/v1/streams/nobodys",
        None,
        "Es gibt keinen Stream mit diesem Namen, oder Sie haben keinen Zugriff darauf.",
    ),
    "cursor": ("get", "/api/v1/streams/x?after=y", None, "„y“ ist kein gültiger Cursor."),
    "cursor of events": (
        "get",
        "/api/v1/streams/x/sse?after=y",
        None,
        "„y“ ist kein gültiger Cursor.",
    ),
    "body": ("post", "/api/v1/exports", "{", "Die Anfrage ist kein gültiges JSON"),
    "exporter": ("post", "/api/v1/exports", {"exporter": "x"}, "Es gibt keinen Exporter „x“."),
    "missing": ("post", "/api/v1/exports", {}, "exporter: Dieses Feld ist erforderlich"),
    "extra": (
        "post",
        "/api/v1/exports",
        {"exporter": "x", "colour": 1},
        "colour: Dieses Feld ist nicht bekannt",
    ),
    "text": ("post", "/api/v1/exports", {"exporter": 1}, "exporter: Muss ein Text sein"),
    "too long": (
        "post",
        "/api/v1/exports",
        {"exporter": "x", "label": 201 * "x"},
        "label: Darf höchstens 200 Zeichen haben",
    ),
    "pattern": (
        "post",
        "/api/v1/exports",
        {"exporter": "x", "label": "\0"},
        "label: Muss dem Muster '",
    ),
    "list": (
        "post",
        "/api/v1/exports",
        {"exporter": "x", "columns": 1},
        "columns: Muss eine Liste sein",
    ),
    "object": (
        "post",
        "/api/v1/exports",
        {"exporter": "x", "filters": 1},
        "filters: Muss ein Objekt sein",
    ),
    "no object": ("post", "/api/v1/exports", [], "body: Muss ein JSON-Objekt sein"),
    "integer": (
        "post",
        "/api/v1/exports",
        {"exporter": "x", "team": "1"},
        "team: Muss eine ganze Zahl sein",
    ),
    "number in a text": (
        "get",
        "/api/v1/exports?limit=x",
        None,
        "limit: Muss eine ganze Zahl sein; dieser Text ist keine",
    ),
    "digits": (
        "get",
        f"/api/v1/exports?limit={5_000 * '1'}",
        None,
        "limit: Diese ganze Zahl hat zu viele Ziffern",
    ),
    "fraction": (
        "post",
        "/api/v1/inbox/read",
        {"up_to": 1.5},
        "up_to: Muss eine ganze Zahl sein; diese hat Nachkommastellen",
    ),
    "least": ("get", "/api/v1/exports?limit=0", None, "limit: Muss mindestens 1 sein"),
    "most": ("get", "/api/v1/exports?limit=101", None, "limit: Darf höchstens 100 sein"),
    "choice": (
        "get",
        "/api/v1/exports?status=x",
        None,
        "status: Muss einer dieser Werte sein: 'queued', 'running', ",
    ),
    "enumeration": (
        "patch",
        "/api/v1/inbox/preferences",
        {"email": "x"},
        "email: Muss einer dieser Werte sein: 'all', 'failures', 'none'",
    ),
    "float": ("get", "/api/v1/streams/x?wait=x", None, "wait: Muss eine Zahl sein; dieser Text"),
}


def refused(client, name, **headers):
    method, url, body, _ = REFUSED[name]
    sent = {} if body is None else {"data": body, "content_type": "application/json"}
    return getattr(client, method)(url, headers=headers, **sent).json()["detail"]


@pytest.mark.django_db(transaction=True)  # Streams are read in threads of their own.
@pytest.mark.parametrize("name", REFUSED)
def test_refusal_is_in_the_requested_language(signed_in, name):
    english = refused(signed_in, name)

    german = refused(signed_in, name, **GERMAN)

    assert german.startswith(REFUSED[name][-1])
    assert german != english


def test_authentication_error_is_in_the_requested_language(client):
    nobody = client.get("/api/v1/exports", headers=GERMAN)
    stranger = client.get("/api/v1/exports", headers={**GERMAN, "Authorization": "Bearer x"})

    assert nobody.json()["detail"] == "Melden Sie sich an, oder senden Sie ein Bearer-Token."
    assert stranger.json()["detail"] == "Das Bearer-Token ist ungültig."


def test_asynchronous_view_answers_in_the_requested_language(client):
    nobody = client.get("/api/v1/streams/x", headers=GERMAN)

    assert nobody.json()["detail"] == "Melden Sie sich an, oder senden Sie ein Bearer-Token."


@pytest.mark.parametrize("kind", problems.PYDANTIC_MESSAGES)
def test_pydantic_message_uses_only_values_that_pydantic_gives(kind):
    """Pydantic refuses a type of error that it does not have, and values that miss one."""
    values = {"max_length": 200, "pattern": "x", "ge": 1, "le": 2, "expected": "'a' or 'b'"}
    named = {
        name: values[name] for name in values if f"%({name})s" in problems.PYDANTIC_MESSAGES[kind]
    }

    own = PydanticKnownError(kind, named or None)

    assert own.type == kind
    assert "%" not in problems.PYDANTIC_MESSAGES[kind] % named
