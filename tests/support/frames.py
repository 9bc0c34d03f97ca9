"""Frames that hypothesis generates: valid, nearly valid, and arbitrary data."""

from __future__ import annotations

import json

from hypothesis import strategies as st

OWN = "{own}"  # The name of the client's own stream.
NUMBERS = st.one_of(
    st.integers(-3, 3), st.sampled_from([2**31, 2**63, -(2**64), 10**400, 1e308]), st.floats()
)
WORDS = st.one_of(
    st.text(max_size=8), st.sampled_from(["latest", "\ud800", "\0", "é" * 200, "x" * 5000, OWN])
)
JUNK = st.recursive(
    st.one_of(st.none(), st.booleans(), NUMBERS, WORDS),
    lambda some: st.lists(some, max_size=3) | st.dictionaries(WORDS, some, max_size=3),
    max_leaves=8,
)
NAMES = st.one_of(
    st.just(OWN),
    st.just(OWN),
    st.sampled_from(["user-0", "team-1", "team-9999999999999999999999", "waybill.v1", "-", "."]),
    st.from_regex(r"(user|team|export)-[A-Za-z0-9._-]{1,20}", fullmatch=True),
)
CURSORS = st.one_of(
    st.none(),
    st.sampled_from(["latest", "e.0.0", "e.9999999999999999999.9999999999999999999", "e.-1.0"]),
    st.from_regex(r"[\w-]{1,12}\.\d{1,21}\.\d{1,21}", fullmatch=True),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=8),
)
# These have a valid form. Their names and cursors may be unknown.
VALID = st.one_of(
    st.fixed_dictionaries(
        {"type": st.just("subscribe"), "streams": st.dictionaries(NAMES, CURSORS, max_size=4)}
    ),
    st.fixed_dictionaries({"type": st.just("unsubscribe"), "streams": st.lists(NAMES, max_size=4)}),
    st.fixed_dictionaries({"type": st.just("ack"), "stream": NAMES, "cursor": CURSORS}),
    st.fixed_dictionaries({"type": st.just("ping")}, optional={"id": st.text(max_size=8)}),
)
# In these a value has another type, or a field is missing or added.
NEAR = st.builds(
    lambda frame, key, junk: {**frame, key: junk},
    VALID,
    st.sampled_from(["type", "streams", "stream", "cursor", "id", "ID", "", "\ud800"]),
    st.one_of(JUNK, st.dictionaries(WORDS, WORDS, max_size=3), st.lists(WORDS, max_size=3)),
)
# These are large, deep, long, or no JSON.
BOMBS = [
    "[" * 32_768,
    '{"type":' * 4_000,
    '{"type":"ping","id":' + "[" * 30_000,
    '{"type":"ping","id":' + "9" * 30_000 + "}",
    '{"type":"ping","id":"' + "\\ud800" * 5_000 + '"}',
    '{"type":"unsubscribe","streams":[' + "1," * 16_000 + "1]}",
    '{"type":"subscribe","streams":{' + ",".join(f'"{n}!":1' for n in range(3_000)) + "}}",
    '{"type":"subscribe","streams":{' + ",".join(f'"{n}":""' for n in range(199)) + "}}",
    '{"type":"ping","type":"ping","type":"dance"}',
    '{"type":"' + "x" * 30_000 + '"}',
    '{"type":"ping","' + "x" * 30_000 + '":1}',
    "NaN",
    "\ufeff{}",
    "\0",
    " " * 32_768,
]
# Most frames are valid, because the server closes the socket after ten others.
TEXTS = st.one_of(
    VALID.map(json.dumps),
    VALID.map(json.dumps),
    VALID.map(json.dumps),
    st.one_of(NEAR, JUNK).map(json.dumps),
    st.one_of(
        st.builds(lambda one, two: json.dumps(one)[:-1] + "," + json.dumps(two)[1:], VALID, VALID),
        st.builds(lambda frame, at: json.dumps(frame)[:at], VALID, st.integers(1, 60)),
        st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40),
    ),
)
# A few messages are binary or too long, and close the socket. None is empty, because the client of
# the tests cannot send an empty message.
MESSAGES = st.one_of(
    *[TEXTS] * 12,
    st.integers(0, len(BOMBS) - 1).map(lambda number: BOMBS[number]),
    st.binary(min_size=1, max_size=40) | st.sampled_from("xé").map(lambda letter: letter * 32_769),
)
