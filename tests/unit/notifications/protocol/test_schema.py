"""The wire's documents say what the code says, and what docs/protocol.md shows."""

from __future__ import annotations

import copy
import hashlib
import json
import re
from pathlib import Path

import pytest
from jsonschema import Draft7Validator, Draft202012Validator
from pydantic import ValidationError

from notifications.protocol import frames, schema

ROOT = Path(__file__).resolve().parents[4]
DOCS = ROOT / "docs"
SPEC = Path(__file__).parent / "asyncapi_spec"
EXAMPLES = re.findall(r"^```json\n(.*?)^```", (DOCS / "protocol.md").read_text(), re.M | re.S)


def validator(direction: str) -> Draft202012Validator:
    """Of one direction: "ClientFrame" or "ServerFrame"."""
    return Draft202012Validator({**schema.frames(), "anyOf": [{"$ref": f"#/$defs/{direction}"}]})


def complaints(document: object) -> list[str]:
    """What AsyncAPI's own schema finds wrong in an AsyncAPI document."""
    spec = json.loads((SPEC / "asyncapi-3.0.0.json").read_text())
    return [
        f"{error.json_path}: {error.message}"
        for error in Draft7Validator(spec).iter_errors(document)
    ]


# -- The copies in docs/ ---------------------------------------------------------------------


@pytest.mark.proves("protocol-docs-match-code")
@pytest.mark.parametrize("name", schema.DOCUMENTS)
def test_published_schemas_match_the_code(name):
    made = schema.text(schema.DOCUMENTS[name]())

    assert (DOCS / name).read_text() == made, f"docs/{name} is old. Run: make schemas"


@pytest.mark.parametrize("name", schema.DOCUMENTS)
def test_schemas_are_served_without_sign_in(client, name):
    response = client.get(f"/api/{name}")

    assert response.status_code == 200
    assert response.json() == schema.DOCUMENTS[name]()


@pytest.mark.parametrize("name", schema.DOCUMENTS)
def test_api_description_links_the_schemas(client, name):
    description = client.get("/api/openapi.json").json()["info"]["description"]

    assert f"({name})" in description  # Beside the page of the documentation.


# -- The frames ------------------------------------------------------------------------------


def test_frame_schema_is_a_json_schema():
    Draft202012Validator.check_schema(schema.frames())


def test_documents_show_a_frame_of_each_type():
    shown = {json.loads(example)["type"] for example in EXAMPLES}

    assert shown == {each.model_fields["type"].default for each in (*schema.CLIENT, *schema.SERVER)}


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda text: json.loads(text)["type"])
def test_documented_frame_conforms(example):
    frame = json.loads(example)
    is_from_client = frame["type"] in {"subscribe", "unsubscribe", "ack", "ping"}

    assert validator("ClientFrame").is_valid(frame) == is_from_client
    assert validator("ServerFrame").is_valid(frame) == (not is_from_client)


@pytest.mark.parametrize(
    "frame",
    [
        [],
        None,
        {},
        {"type": "dance"},
        {"streams": {}},
        {"type": "subscribe"},
        {"type": "subscribe", "streams": ["user-42"]},
        {"type": "subscribe", "streams": {"user-42": 7}},
        {"type": "subscribe", "streams": {"a" * 1_001: None}},
        {"type": "subscribe", "streams": {}, "after": "e.1.2"},
        {"type": "unsubscribe", "streams": ["a:b"]},
        {"type": "unsubscribe", "streams": ["a" * 100]},
        {"type": "ack", "stream": "user-42"},
        {"type": "ping", "id": 7},
        {"type": "ping", "id": "x" * 101},
        {"type": "ping", "ID": "7"},
    ],
    ids=json.dumps,
)
def test_frame_that_the_server_refuses_does_not_conform(frame):
    with pytest.raises(ValidationError):
        frames.client_frames.validate_python(frame)

    assert not validator("ClientFrame").is_valid(frame)


def test_unknown_server_field_conforms_and_a_missing_does_not():
    pong = {"type": "pong", "id": "7"}

    assert validator("ServerFrame").is_valid({**pong, "new": 1})
    assert not validator("ServerFrame").is_valid({"type": "pong"})


@pytest.mark.parametrize("model", [*schema.CLIENT, *schema.SERVER])
def test_frames_are_all_described(model):
    assert schema.frames()["$defs"][model.__name__]["description"].endswith(".")


# -- AsyncAPI ----------------------------------------------------------------------------------


def test_asyncapi_schema_is_the_published_one():
    digest = hashlib.sha256((SPEC / "asyncapi-3.0.0.json").read_bytes()).hexdigest()

    assert digest in (SPEC / "README.md").read_text()


def test_document_is_built_once():
    """Anybody may ask for it, so it must cost nothing."""
    assert all(make() is make() for make in schema.DOCUMENTS.values())


def test_asyncapi_document_is_valid():
    assert complaints(schema.asyncapi()) == []


def test_mistake_in_an_asyncapi_document_is_found():
    document = copy.deepcopy(schema.asyncapi())
    document["operations"]["ping"]["action"] = "listen"

    assert complaints(document) != []


def test_references_of_the_document_resolve():
    document = schema.asyncapi()
    references = re.findall(r'"\$ref": "#/([^"]+)"', json.dumps(document))

    assert references
    for reference in references:
        found = document
        for key in reference.split("/"):
            found = found[key]


def test_asyncapi_directions_match_the_code():
    operations = schema.asyncapi()["operations"].values()
    received = {
        each["$ref"].rpartition("/")[2]
        for operation in operations
        if operation["action"] == "receive"
        for each in operation["messages"]
    }
    sent = {
        each["$ref"].rpartition("/")[2]
        for operation in operations
        for each in (
            operation["messages"]
            if operation["action"] == "send"
            else operation.get("reply", {}).get("messages", [])
        )
    }

    assert received == {each.model_fields["type"].default for each in schema.CLIENT}
    assert sent == {each.model_fields["type"].default for each in schema.SERVER}


def test_asyncapi_document_has_limits_and_close_codes():
    channel = schema.asyncapi()["channels"]["streams"]

    assert channel["x-subprotocol"] == "waybill.v1"
    assert channel["x-limits"]["frame_bytes"]["maximum"] == 32_768
    assert channel["x-rates"]["frames"].items() >= {"at_once": 1000, "a_second": 200}.items()
    assert channel["x-rates"]["names"].items() >= {"at_once": 2000, "a_second": 100}.items()
    assert channel["x-rates"]["bytes"].items() >= {"at_once": 524_288, "a_second": 65_536}.items()
    assert channel["x-rates"]["user"]["factor"] == 2
    assert channel["x-heartbeat-seconds"] == 20.0
    assert channel["x-window"] == 256
    assert [each["code"] for each in channel["x-close-codes"]] == [
        4400,
        4401,
        4408,
        4500,
        1012,
        1013,
    ]


def test_limits_are_all_described():
    limits = [name for name in vars(frames) if name.startswith("MAX_")]

    assert list(schema.LIMITS) == limits, "describe each limit in schema.LIMITS"
