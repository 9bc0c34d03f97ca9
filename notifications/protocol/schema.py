"""The protocol as documents for programs: a JSON Schema of the frames and an AsyncAPI document.

Both are generated from the models in `frames`, so they always agree with the code. The site serves
them at /api/frames.schema.json and /api/asyncapi.json. `docs/` has copies for readers. `make
schemas` writes the copies, and a test compares them.
"""

from __future__ import annotations

import json
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from pydantic.json_schema import GenerateJsonSchema, models_json_schema

from notifications.conf import Conf
from notifications.protocol import frames as protocol
from notifications.protocol import rate_limits

if TYPE_CHECKING:
    from pydantic_core import core_schema

CLIENT: tuple[type[protocol.Frame], ...] = get_args(protocol.ClientFrame)
SERVER: tuple[type[protocol.Frame], ...] = get_args(protocol.ServerFrame)

LIMITS = {
    "MAX_FRAME_BYTES": "Bytes of a client frame. A longer frame closes the socket with 4400.",
    "MAX_BAD_FRAMES": "Invalid frames after which the socket is closed with 4400.",
    "MAX_STREAMS": "Streams on one socket. Further streams are refused: too_many_streams.",
    "MAX_NAMES": "Streams in one subscribe or unsubscribe frame. A frame with more is invalid.",
    "MAX_DETAIL": "Characters of the detail of an error.",
}


class _Schema(GenerateJsonSchema):
    """A generator without titles for fields, because a title would only repeat the field's name.

    It forbids keys that match no pattern, because pydantic refuses them when it validates a frame.
    """

    def dict_schema(self, schema: core_schema.DictSchema) -> dict[str, Any]:
        json_schema = super().dict_schema(schema)
        if "patternProperties" in json_schema:
            json_schema["additionalProperties"] = False
        return json_schema

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002 - pydantic's signature
        return False


@cache  # The URL is public, and generating the document takes milliseconds.
def frames() -> dict[str, Any]:
    """Return a JSON Schema for every frame in both directions."""
    definitions = _definitions("#/$defs/{model}")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"Frames of {protocol.SUBPROTOCOL}",
        "description": "The frames on Waybill's WebSocket. $defs has one schema for each"
        " direction: ClientFrame and ServerFrame.",
        "anyOf": [{"$ref": "#/$defs/ClientFrame"}, {"$ref": "#/$defs/ServerFrame"}],
        "$defs": {
            "ClientFrame": {
                "description": "A frame from the client. Unknown fields are refused.",
                "oneOf": [{"$ref": f"#/$defs/{each.__name__}"} for each in CLIENT],
            },
            "ServerFrame": {
                "description": "A frame from the server. Clients skip types and fields that they"
                " do not know, because a newer server may send more.",
                "oneOf": [{"$ref": f"#/$defs/{each.__name__}"} for each in SERVER],
            },
            **definitions,
        },
    }


@cache
def asyncapi() -> dict[str, Any]:
    """Return an AsyncAPI 3.0 document that describes the WebSocket from the server's side."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Waybill's streams",
            "version": "1",
            "description": "Follow streams without missing anything: subscribe with your last"
            " cursor, and everything after it arrives once and in order. docs/protocol.md"
            " explains how the frames work together.",
            "license": {"name": "MIT"},
        },
        "defaultContentType": "application/json",
        "servers": {
            "local": {
                "host": "127.0.0.1:8000",
                "protocol": "ws",
                "description": "`make run`, on your own machine.",
                "security": _security(),
            },
            "site": {
                "host": "{host}",
                "protocol": "wss",
                "description": "Waybill behind TLS.",
                "variables": {"host": {"description": "The site's name, with a port if any."}},
                "security": _security(),
            },
        },
        "channels": {
            "streams": {
                "address": "/ws/streams/",
                "title": "Streams",
                "description": _channel_description(),
                "messages": {
                    _type(each): {"$ref": f"#/components/messages/{_type(each)}"}
                    for each in (*CLIENT, *SERVER)
                },
                "bindings": {
                    "ws": {
                        "method": "GET",
                        "headers": {
                            "type": "object",
                            "required": ["Sec-WebSocket-Protocol"],
                            "properties": {
                                "Sec-WebSocket-Protocol": {"const": protocol.SUBPROTOCOL}
                            },
                        },
                        "bindingVersion": "0.1.0",
                    }
                },
                "x-subprotocol": protocol.SUBPROTOCOL,
                "x-heartbeat-seconds": Conf.HEARTBEAT_SECONDS,
                "x-window": Conf.WINDOW,
                "x-limits": {
                    name.removeprefix("MAX_").lower(): {
                        "maximum": getattr(protocol, name),
                        "description": description,
                    }
                    for name, description in LIMITS.items()
                },
                "x-rates": {
                    "frames": {
                        "at_once": rate_limits.FRAMES_AT_ONCE,
                        "a_second": rate_limits.FRAMES_A_SECOND,
                        "description": "Frames from the client. Acks that free part of the"
                        " window do not count.",
                    },
                    "names": {
                        "at_once": rate_limits.NAMES_AT_ONCE,
                        "a_second": rate_limits.NAMES_A_SECOND,
                        "description": "Names of streams in subscribe frames.",
                    },
                    "bytes": {
                        "at_once": rate_limits.BYTES_AT_ONCE,
                        "a_second": rate_limits.BYTES_A_SECOND,
                        "description": "Bytes of frames from the client. Acks that free part of"
                        " the window do not count.",
                    },
                    "user": {
                        "factor": rate_limits.USER_FACTOR,
                        "description": "All sockets of a user in one web process may together"
                        " send this many times what one socket may.",
                    },
                },
                "x-close-codes": [
                    {
                        "code": each.value,
                        "name": each.name.lower(),
                        "why": each.why,
                        "reconnect": each.reconnect,
                    }
                    for each in protocol.CloseCode
                ],
            }
        },
        "operations": {
            "subscribe": _receive(protocol.Subscribe, protocol.Subscribed, protocol.ErrorFrame),
            "unsubscribe": _receive(protocol.Unsubscribe),
            "acknowledge": _receive(protocol.Ack),
            "ping": _receive(protocol.Ping, protocol.Pong),
            "deliver": {
                "action": "send",
                "channel": {"$ref": "#/channels/streams"},
                "summary": "Frames that the server sends on its own.",
                "messages": _messages(
                    protocol.Welcome,
                    protocol.EventFrame,
                    protocol.StateFrame,
                    protocol.Reset,
                    protocol.Heartbeat,
                    protocol.ErrorFrame,
                ),
            },
        },
        "components": {
            "messages": {
                _type(each): {
                    "name": _type(each),
                    "title": each.__name__.removesuffix("Frame"),
                    "summary": _summary(each),
                    "payload": {"$ref": f"#/components/schemas/{each.__name__}"},
                    **_correlation(each),
                }
                for each in (*CLIENT, *SERVER)
            },
            "schemas": _definitions("#/components/schemas/{model}"),
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "For programs. `manage.py create_token` creates a token.",
                },
                "session": {
                    "type": "httpApiKey",
                    "in": "cookie",
                    "name": "sessionid",
                    "description": "For browsers, on pages of the site's own origin.",
                },
            },
        },
    }


def _definitions(ref_template: str) -> dict[str, Any]:
    """Return the schema of each frame by the name of its model.

    Frames from clients allow no further fields. Frames from the server do: a newer server may
    send more.
    """
    _, document = models_json_schema(
        [
            *((each, "validation") for each in CLIENT),
            *((each, "serialization") for each in SERVER),
        ],
        ref_template=ref_template,
        schema_generator=_Schema,
    )
    definitions: dict[str, Any] = document["$defs"]
    for model in CLIENT:
        # `type` has a default only for our own code. In a frame it is required.
        definitions[model.__name__].setdefault("required", []).insert(0, "type")
    for model in SERVER:
        # The server sends every field, even if it has the default value.
        definitions[model.__name__]["required"] = list(model.model_fields)
        del definitions[model.__name__]["additionalProperties"]
    for definition in definitions.values():
        definition["properties"]["type"].pop("default")
    return definitions


def _receive(frame: type[protocol.Frame], *replies: type[protocol.Frame]) -> dict[str, Any]:
    """Return the operation for a client frame and its possible replies."""
    operation = {
        "action": "receive",
        "channel": {"$ref": "#/channels/streams"},
        "summary": _summary(frame),
        "messages": _messages(frame),
    }
    if replies:
        operation["reply"] = {
            "channel": {"$ref": "#/channels/streams"},
            "messages": _messages(*replies),
        }
    return operation


def _messages(*models: type[protocol.Frame]) -> list[dict[str, str]]:
    return [{"$ref": f"#/channels/streams/messages/{_type(each)}"} for each in models]


def _type(model: type[protocol.Frame]) -> str:
    return str(model.model_fields["type"].default)


def _summary(model: type[protocol.Frame]) -> str:
    return (model.__doc__ or "").partition("\n")[0]


def _correlation(model: type[protocol.Frame]) -> dict[str, Any]:
    if "id" not in model.model_fields:
        return {}
    return {"correlationId": {"location": "$message.payload#/id"}}


def _security() -> list[dict[str, str]]:
    return [{"$ref": f"#/components/securitySchemes/{each}"} for each in ("token", "session")]


def _channel_description() -> str:
    codes = [f"| {each.value} | {each.why} | {each.reconnect} |" for each in protocol.CloseCode]
    return "\n".join(
        [
            f"JSON text in the subprotocol `{protocol.SUBPROTOCOL}`. The first frame is `welcome`."
            f" By default, the server sends a heartbeat every {Conf.HEARTBEAT_SECONDS:g} s, and"
            f" {Conf.WINDOW} events and values of a stream may be unacknowledged. `welcome` has"
            " the actual numbers.",
            "",
            "The reply to an invalid frame is `error`, and the socket stays open. The server"
            " refuses a handshake with HTTP 403 if the client is not signed in, comes from a"
            " foreign origin or offers another subprotocol.",
            "",
            "| Close code | Why | Reconnect? |",
            "|---|---|---|",
            *codes,
        ]
    )


DOCUMENTS = {"frames.schema.json": frames, "asyncapi.json": asyncapi}


def text(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":  # make schemas
    for name, make in DOCUMENTS.items():
        Path(sys.argv[1], name).write_text(text(make()))
