"""From where a request came, as far as that can be known."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from django.http import HttpRequest

SUBNET_V6 = 64  # The smallest network that a customer gets: they can use all its addresses.


def client_address(request: HttpRequest) -> str | None:
    """The client's address: the peer's, or what a proxy of ours says of its own peer.

    Anybody can send X-Forwarded-For, and a proxy appends to what it was sent. So of that
    header only the last entry counts, and only from a peer that is on this host or in a
    private network, as our proxies are. What the last entry is, config/proxy/nginx.conf
    decides: the address that whatever ends TLS has appended, or else nginx's own peer.
    """
    return _client(request.META.get("REMOTE_ADDR", ""), request.headers.get("X-Forwarded-For", ""))


def scope_address(scope: Any) -> str | None:
    """Like `client_address`, for an ASGI connection of any type."""
    # As Django reads it: several headers of one name are one list.
    values = [value for name, value in scope["headers"] if name == b"x-forwarded-for"]
    return _client((scope.get("client") or [""])[0], b",".join(values).decode("latin1"))


def network(address: str) -> str:
    """Return an IPv4 address as it is, and of an IPv6 address its network."""
    if isinstance(found := _address(address), IPv6Address):
        return str(IPv6Network((found, SUBNET_V6), strict=False).network_address)
    return address


def _client(peer_text: str, forwarded: str) -> str | None:
    peer = _address(peer_text)
    if peer is None or peer.is_private:  # None: over a unix socket.
        peer = _address(forwarded.rpartition(",")[2]) or peer
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
