"""Messages over the channel layer carry a signature: whoever reaches Redis can write there.

A message is JSON, signed with SECRET_KEY. It says where it belongs itself, so it is worth
nothing in another group. One that is sent again says what clients have already: they skip it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from django.core.signing import BadSignature, Signer

if TYPE_CHECKING:
    from collections.abc import Mapping

TYPE = "stream.signed"  # Of every message of ours; the type that it had is inside.


class Forged(Exception):
    """The message was not written by a process that knows SECRET_KEY."""


def sign(message: Mapping[str, Any]) -> dict[str, Any]:
    """`message` as it goes over the layer."""
    text = json.dumps(message, separators=(",", ":"), ensure_ascii=False)
    return {"type": TYPE, "signed": _signer().sign(text)}


def read(message: Mapping[str, Any]) -> dict[str, Any]:
    """What was signed. Raises Forged, or KeyError, TypeError or ValueError for other messages."""
    signed = message["signed"]
    if message["type"] != TYPE or not isinstance(signed, str):
        raise TypeError("not a signed message")
    try:
        # Nothing is parsed before this: a forged message costs one hash.
        text = _signer().unsign(signed)
    except BadSignature as error:
        raise Forged("its signature is not ours") from error
    found: dict[str, Any] = json.loads(text)
    return found


def _signer() -> Signer:
    return Signer(salt="notifications.push")
