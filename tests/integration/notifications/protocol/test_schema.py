"""What the consumer sends is what the published schema says, field by field."""

from __future__ import annotations

import asyncio

import pytest
from django.contrib.auth.models import User
from jsonschema import Draft202012Validator

from notifications.protocol import schema
from tests.support.streaming import TIMEOUT, Socket, append, headers, in_thread, retain, session_of

pytestmark = pytest.mark.django_db(transaction=True)

FRAMES = schema.frames()
SERVER = Draft202012Validator({**FRAMES, "anyOf": [{"$ref": "#/$defs/ServerFrame"}]})
# A reader is told to skip fields that it does not know. We must not send any.
FIELDS = {
    definition["properties"]["type"]["const"]: set(definition["properties"])
    for definition in FRAMES["$defs"].values()
    if "properties" in definition
}


@pytest.mark.proves("protocol-docs-match-code")
async def test_frames_conform_to_the_schema_without_extra_fields(settings):
    settings.NOTIFICATIONS_HEARTBEAT_SECONDS = 0.05
    user = await in_thread(User.objects.create_user, "ada")
    name = f"user-{user.pk}"
    await in_thread(append, name, "a")
    await in_thread(retain, name, "k", n=1)
    socket = Socket(headers(cookie=await in_thread(session_of, user)))
    assert (await socket.shake_hands())[0]

    await socket.send("subscribe", streams={name: "another-epoch.5.5", "user-0": None})
    await socket.send("ping", id="7")
    frames = []
    async with asyncio.timeout(60):
        while {frame["type"] for frame in frames} != FIELDS.keys() - {
            "subscribe",
            "unsubscribe",
            "ack",
            "ping",
        }:
            frames.append(await socket.communicator.receive_json_from(TIMEOUT))
    await socket.disconnect()

    for frame in frames:
        assert [error.message for error in SERVER.iter_errors(frame)] == []
        assert frame.keys() == FIELDS[frame["type"]]
