"""Find out the IP address of a client, behind our own proxy or without one."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from django.http import HttpRequest

# Every IPv6 customer gets a network with a prefix of at most 64 bits, and can use all its
# addresses.
PREFIX_V6 = 64


def network_of(address: str | None) -> str | None:
    """Return the key of limits for `address`: an IPv4 address itself, or an IPv6 network."""
    if address is not None and isinstance(found := ip_address(address), IPv6Address):
        return str(IPv6Network((found, PREFIX_V6), strict=False).network_address)
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
    # Several headers with the same name are joined to one list, as Django joins them.
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
        # A dual-stack socket reports IPv4 clients as mapped addresses. `packed` drops the zone,
        # which has a meaning only on this host.
        return found.ipv4_mapped or IPv6Address(found.packed)
    return found
