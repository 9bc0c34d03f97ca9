"""A stored file and its downloads."""

from __future__ import annotations

import hashlib

CONTENT = bytes(range(256)) * 4_000  # Four blocks, so that a range can begin within a block.
SIZE = len(CONTENT)
ETAG = f'"{hashlib.sha256(CONTENT).hexdigest()}"'
BOTH = ["/exports/{}/file", "/api/v1/exports/{}/file"]


async def body(response):
    if not response.streaming:
        return response.content
    return b"".join([block async for block in response.streaming_content])
