"""The IP address of a client, as far as it can be known."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from django.http import HttpRequest

SUBNET_V6 = 64  # The smallest IPv6 network of a customer, who can use all of its addresses.


def network_of(address: str | None) -> str | None:
    """Return the key for limits: the IPv4 address, or the network of the IPv6 address."""
    if address is not None and isinstance(found := ip_address(address), IPv6Address):
        return str(IPv6Network((found, SUBNET_V6), strict=False).network_address)
    return address


def client_address(request: HttpRequest) -> str | None:
    """Return the address of the peer, or the one in the header of our own proxy.

    Anybody can send X-Forwarded-For, and a proxy appends to the header that it gets. So only the
    last entry counts, and only if the peer is on this host or in a private network, where our
    proxies are. config/proxy/nginx.conf sets the last entry: the address that the proxy before it
    (which terminates TLS) has appended, or else nginx's own peer.
    """
    return _client(request.META.get("REMOTE_ADDR", ""), request.headers.get("X-Forwarded-For", ""))


def scope_address(scope: Any) -> str | None:
    """Like `client_address`, for an ASGI connection of any type."""
    # Several headers of one name are joined to one list, as Django does it.
    values = [value for name, value in scope["headers"] if name == b"x-forwarded-for"]
    return _client((scope.get("client") or [""])[0], b",".join(values).decode("latin1"))


def _client(peer_text: str, forwarded: str) -> str | None:
    peer = _address(peer_text)
    if peer is None or peer.is_private:  # The peer is None on a Unix socket.
        peer = _address(forwarded.rpartition(",")[2]) or peer
    return None if peer is None else str(peer)


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        found = ip_address(text.strip())
    except ValueError:
        return None
    if isinstance(found, IPv6Address):
        # A dual-stack socket shows IPv4 clients as mapped addresses. `packed` drops the zone, which
        # has a meaning on this host only.
        return found.ipv4_mapped or IPv6Address(found.packed)
    return found
