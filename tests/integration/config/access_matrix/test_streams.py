"""Who may follow which stream: by long poll, as server-sent events, and over a socket.

Other threads read them, so these rows are committed.
"""

from __future__ import annotations

import pytest
from asgiref.sync import async_to_sync
from django.conf import settings as of_the_site
from django.db import transaction
from django.test import Client

from tests.integration.config.access_matrix.people import EXPORTS, PEOPLE, make_world
from tests.support.exporting import use_folders
from tests.support.streaming import Socket, headers

pytestmark = pytest.mark.django_db(transaction=True)

# The streams of which exports each person may follow.
OTHERS = {"teammate": {"shared"}, "reader": {"shared"}, "viewer": {*EXPORTS}, "manager": {*EXPORTS}}
OTHERS |= {"superuser": {*EXPORTS}, "owner": {*EXPORTS}, "token": {*EXPORTS}, "demoted": {*EXPORTS}}
NOBODY = ("anonymous", "inactive", "revoked")
ANALYSTS = ("owner", "token", "demoted", "teammate", "reader")


@pytest.fixture
def world(settings, tmp_path, quiet_streams):
    use_folders(settings, tmp_path)
    with transaction.atomic():
        return make_world()


def streams_for(world, person):
    """Each stream that there is, and whether `person` may follow it."""
    mine = OTHERS.get(person, set())
    found = {world.export(person, state).stream: state in mine for state in EXPORTS}
    owner, team = world.users["owner"], world.rows["auth.group"]
    found[f"user-{owner.pk}"] = person in {"owner", "token"}
    found[f"team-{team.pk}"] = person in ANALYSTS
    found["export-00000000-0000-4000-8000-000000000000"] = False
    found["secrets"] = False
    return found


@pytest.mark.proves("access-matches-the-table")
@pytest.mark.parametrize("ending", ["", "/sse"])
def test_streams_can_be_polled_by_their_readers_only(world, ending):
    client, found = Client(), []
    for person in PEOPLE:
        client.cookies.clear()
        if person in world.sessions:
            client.cookies[of_the_site.SESSION_COOKIE_NAME] = world.sessions[person]
        token = world.tokens.get(person)
        sent = {"Authorization": f"Bearer {token}"} if token else {}
        for stream, is_theirs in streams_for(world, person).items():
            response = client.get(f"/api/v1/streams/{stream}{ending}", headers=sent)
            expected = 401 if person in NOBODY else 200 if is_theirs else 404
            if response.status_code != expected:
                found.append(f"{person} {stream}: {response.status_code}")

    assert found == []


@pytest.mark.proves("access-matches-the-table")
def test_sockets_follow_streams_of_their_user_only(world):
    for person in PEOPLE:
        streams = streams_for(world, person)
        expected = {each: "subscribed" if may else "forbidden" for each, may in streams.items()}

        answers = followed(world, person, streams)

        assert (person, answers) == (person, None if person in NOBODY else expected)


@async_to_sync
async def followed(world, person, streams):
    """What the server says to each of `streams`; None if it lets nobody in."""
    token = world.tokens.get(person, "")
    cookie = world.sessions.get(person, "")
    socket = Socket(headers(cookie=cookie, token=token, **({"origin": None} if token else {})))
    accepted, _ = await socket.shake_hands()
    if not accepted:
        return None
    answers = {}
    await socket.send("subscribe", streams=dict.fromkeys(streams))
    while len(answers) < len(streams):
        frame = await socket.next()
        if frame["type"] in {"subscribed", "error"}:
            answers[frame["stream"]] = frame.get("code", frame["type"])
    await socket.disconnect()
    return answers
