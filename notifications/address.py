"""From where a request came, as far as that can be known."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from django.http import HttpRequest


def client_address(request: HttpRequest) -> str | None:
    """The client's address: the peer's, or what a proxy of ours says of its own peer.

    Anybody can send X-Forwarded-For, and a proxy appends to what it was sent. So of that
    header only the last entry counts, and only from a peer that is on this host or in a
    private network, as our proxies are. What the last entry is, config/proxy/nginx.conf
    decides: the address that whatever ends TLS has appended, or else nginx's own peer.
    """
    peer = _address(request.META.get("REMOTE_ADDR", ""))
    forwarded = request.headers.get("X-Forwarded-For", "").rpartition(",")[2]
    if peer is None or peer.is_private:  # None: over a unix socket.
        peer = _address(forwarded) or peer
    return None if peer is None else str(peer)


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        found = ip_address(text.strip())
    except ValueError:
        return None
    if isinstance(found, IPv6Address):
        # The same client, over a socket of both kinds; and no zone, which is this host's.
        return found.ipv4_mapped or IPv6Address(found.packed)
    return found
