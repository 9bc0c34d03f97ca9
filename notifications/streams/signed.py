"""Sign messages for the channel layer, because every program that reaches Redis can write there.

A message is JSON, signed with SECRET_KEY. It names its own stream, so copying it to another group
has no effect. Sending it again has no effect either, because clients skip events that they have.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from django.core.signing import BadSignature, Signer

if TYPE_CHECKING:
    from collections.abc import Mapping

TYPE = "stream.signed"  # The type of every signed message. The JSON has the original type.


class Forged(Exception):
    """The message was not written by a process that knows SECRET_KEY."""


def sign(message: Mapping[str, Any]) -> dict[str, Any]:
    """Return `message` in the signed form that is sent over the layer."""
    text = json.dumps(message, separators=(",", ":"), ensure_ascii=False)
    return {"type": TYPE, "signed": _signer().sign(text)}


def read(message: Mapping[str, Any]) -> dict[str, Any]:
    """Return the original message.

    Raise Forged for a wrong signature; KeyError, TypeError or ValueError for anything else.
    """
    signed = message["signed"]
    if message["type"] != TYPE or not isinstance(signed, str):
        raise TypeError("not a signed message")
    try:
        # The signature is checked before the JSON is parsed, so a forged message costs one hash.
        text = _signer().unsign(signed)
    except BadSignature as error:
        raise Forged("its signature is not ours") from error
    found: dict[str, Any] = json.loads(text)
    return found


def _signer() -> Signer:
    return Signer(salt="notifications.push")
