"""The demo's three accounts, whose passwords everybody knows."""

from __future__ import annotations

from typing import NamedTuple


class Account(NamedTuple):
    name: str  # This is also the password.
    rights: str  # A description of the fields below.
    is_staff: bool = False
    is_superuser: bool = False
    permissions: tuple[str, ...] = ()
    is_in_team: bool = False


TEAM = "Analysts"  # Its members can share exports.

ACCOUNTS = (
    Account(
        "demo",
        "may do everything, also in the admin",
        is_staff=True,
        is_superuser=True,
        is_in_team=True,
    ),
    Account(
        "staff",
        "may view and export flights, nothing else",
        is_staff=True,
        permissions=("view_flight", "export_flight"),
        is_in_team=True,
    ),
    Account("guest", "may export nothing"),
)
