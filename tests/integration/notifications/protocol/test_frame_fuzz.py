"""Frames that no client of ours would send, made up by hypothesis.

Each gets the answer that docs/protocol.md names. Whatever one socket sends, the server's log has
no traceback, the socket beside it goes on, and nothing is left when both have gone.
"""

from __future__ import annotations

import json
import logging

import pytest
from asgiref.sync import async_to_sync
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from notifications.delivery import hub
from notifications.protocol import frames as protocol
from notifications.protocol import schema
from tests.support.frames import BOMBS, MESSAGES, OWN
from tests.support.streaming import (
    TIMEOUT,
    append,
    connected,
    eventually,
    in_thread,
    session_of,
    tasks_of_streams,
)

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("quiet_streams"),
]

SCHEMA = schema.frames()
SERVER, CLIENT = (
    Draft202012Validator({**SCHEMA, "anyOf": [{"$ref": f"#/$defs/{direction}"}]})
    for direction in ("ServerFrame", "ClientFrame")
)


@pytest.fixture
def neighbours_cookie(grace):
    return session_of(grace)


# Else a failure with a large frame would be one of printing it.
@pytest.mark.proves("bad-frames-disturb-nobody-else")
@pytest.mark.filterwarnings("ignore:Generating overly large repr")
@settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],  # To make a failure smaller takes longer than a test may.
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(texts=st.lists(MESSAGES, min_size=8, max_size=30))
def test_any_frame_is_answered_and_disturbs_no_other_client(
    *, ada, grace, cookie, neighbours_cookie, caplog, texts
):
    end = send_all(ada, cookie, grace, neighbours_cookie, texts)

    assert end in {"the end", 4400}
    assert [each for each in caplog.records if each.levelno >= logging.ERROR] == []


@pytest.mark.proves("bad-frames-disturb-nobody-else")
def test_nested_bomb_is_one_bad_frame(*, ada, grace, cookie, neighbours_cookie, caplog):
    assert max(len(bomb.encode()) for bomb in BOMBS) <= protocol.MAX_FRAME_BYTES
    for start in range(0, len(BOMBS), protocol.MAX_BAD_FRAMES - 1):
        some = BOMBS[start : start + protocol.MAX_BAD_FRAMES - 1]

        assert send_all(ada, cookie, grace, neighbours_cookie, some) == "the end"
    assert [each for each in caplog.records if each.levelno >= logging.ERROR] == []


@async_to_sync
async def send_all(ada, cookie, grace, neighbours_cookie, frames):
    """How a socket ended that sent `frames`, with a neighbour who was served all the same.

    Afterwards nothing is left of either: no task, and nothing that the hub follows.
    """
    own = f"user-{ada.pk}"
    async with connected(cookie) as socket, connected(neighbours_cookie) as neighbour:
        await neighbour.subscribe({f"user-{grace.pk}": "latest"})
        await socket.subscribe({own: None})
        end, bad = "the end", 0
        for number, frame in enumerate(frames):
            if number == len(frames) // 2:
                await in_thread(append, own, "in the middle")
            sent = frame if isinstance(frame, bytes) else frame.replace(OWN, own)
            answers = await answered(socket, sent, number)
            complaint = wrong_answer(sent, answers)
            assert complaint is None, (complaint, sent[:200], answers)
            bad += sum(each.get("code") == "bad_frame" for each in answers)
            if answers and answers[-1]["type"] == "close":
                end = answers[-1]["code"]
                break
        assert (end == 4400) == ((bad >= 9 and end != "the end") or is_fatal(sent)), (end, bad)
        await in_thread(append, f"user-{grace.pk}", "undisturbed")
        assert await neighbour.events_until("undisturbed") == ["undisturbed"]
    await eventually(lambda: tasks_of_streams() == [], "no task is left")
    assert hub.current().streams == 0
    assert len(hub.current().connections) == 0
    return end


async def answered(socket, sent, number):
    """What the server says to one frame: up to the answer to a ping after it, or its close."""
    kind = "bytes_data" if isinstance(sent, bytes) else "text_data"
    await socket.communicator.send_to(**{kind: sent})
    await socket.send("ping", id=f"after {number}")
    answers = []
    while True:
        message = await socket.communicator.receive_output(TIMEOUT)
        if message["type"] == "websocket.close":
            return [*answers, {"type": "close", "code": message["code"]}]
        frame = json.loads(message["text"])
        SERVER.validate(frame)
        assert len(frame.get("detail", "")) <= protocol.MAX_DETAIL
        if frame == {"type": "pong", "id": f"after {number}"}:
            return answers
        # What the pump sends comes when it does, and belongs to no frame.
        if frame["type"] in {"pong", "error"}:
            answers.append(frame)


def is_fatal(sent):
    """Whether docs/protocol.md has it close the socket at once."""
    return isinstance(sent, bytes) or len(sent.encode()) > protocol.MAX_FRAME_BYTES


def wrong_answer(sent, answers):
    """Why this is not what docs/protocol.md says is answered to `sent`; None if it is."""
    if answers and answers[-1]["type"] == "close":
        return None if answers[-1]["code"] == 4400 else "It closes with another code than 4400."
    if is_fatal(sent):
        return "It should have been closed."
    if is_valid(sent):
        return wrong_answer_to_valid(json.loads(sent), answers)
    refused = [{**each, "detail": ""} for each in answers]
    is_right = refused == [{"type": "error", "code": "bad_frame", "detail": "", "stream": None}]
    return None if is_right else "It is not valid, and is no bad frame."


def wrong_answer_to_valid(frame, answers):
    if frame["type"] == "subscribe":
        about = [each.get("stream") for each in answers]
        are_errors = all(each["type"] == "error" for each in answers)
        is_once_each = len(about) == len(set(about)) and set(about) <= {*frame["streams"]}
        return None if are_errors and is_once_each else "One error for a stream, at most."
    is_ping = frame["type"] == "ping"
    expected = [{"type": "pong", "id": frame.get("id", "")}] if is_ping else []
    return None if answers == expected else f"The answer to it is {expected}."


def is_valid(sent):
    """Whether the published schema has such a frame."""
    try:
        frame = json.loads(sent)
        # Half of a surrogate pair is no character, though JSON can spell it.
        json.dumps(frame, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return False
    return CLIENT.is_valid(frame)
