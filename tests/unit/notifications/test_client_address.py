"""Whose address is written down: no client can choose it."""

from __future__ import annotations

import pytest
from django.test import RequestFactory

from notifications.client_address import client_address

PUBLIC, OTHER = "203.0.113.5", "8.8.8.8"


@pytest.mark.parametrize(
    ("peer", "forwarded", "found"),
    [
        # Nobody is between.
        ("127.0.0.1", None, "127.0.0.1"),
        (OTHER, None, OTHER),
        ("2001:4860::1", None, "2001:4860::1"),
        # Our proxy is: what it has appended is last, whatever it was sent.
        ("127.0.0.1", OTHER, OTHER),
        ("172.18.0.5", f"{PUBLIC}, {OTHER}", OTHER),
        ("10.0.0.1", f"made up,{OTHER}", OTHER),
        ("fd00::5", "10.1.2.3", "10.1.2.3"),
        # A unix socket has no peer.
        ("", OTHER, OTHER),
        ("", None, None),
        # Who comes from elsewhere is no proxy of ours, and can say what they like.
        (OTHER, "10.1.2.3", OTHER),
        # What is no address is not stored.
        ("127.0.0.1", "unknown", "127.0.0.1"),
        ("127.0.0.1", f"{OTHER}, ", "127.0.0.1"),
        ("127.0.0.1", "x" * 10_000, "127.0.0.1"),
        # The same client, however it is written.
        (f"::ffff:{OTHER}", None, OTHER),
        ("fe80::1%eth0", None, "fe80::1"),
    ],
)
def test_address_is_the_peers_or_the_one_of_the_proxy(peer, forwarded, found):
    headers = {} if forwarded is None else {"X-Forwarded-For": forwarded}
    request = RequestFactory(REMOTE_ADDR=peer).get("/", headers=headers)

    assert client_address(request) == found
