"""Create the demo's three accounts, whose passwords everybody knows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib.auth.models import Group, Permission, User
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from demo.accounts import ACCOUNTS, TEAM

if TYPE_CHECKING:
    from demo.accounts import Account


class Command(BaseCommand):
    help = (
        f"Create the accounts {'; '.join(f'{each.name}: {each.rights}' for each in ACCOUNTS)}. "
        f"Each password is the account's name, so this works only with DEBUG on. Existing "
        f"accounts are not changed."
    )

    def handle(self, **_: Any) -> None:
        if not settings.DEBUG:
            raise CommandError(
                "The demo accounts have well-known passwords, so they are created only with "
                "DEBUG=1. Create your own account: manage.py createsuperuser"
            )
        for account in ACCOUNTS:
            self.stdout.write(f"{account.name}: {_create(account)}")


@transaction.atomic
def _create(account: Account) -> str:
    if User.objects.filter(username=account.name).exists():
        return "exists; not changed"
    user = User.objects.create_user(
        account.name,
        f"{account.name}@example.com",  # For e-mails, which beat writes to var/mail.
        password=account.name,
        is_staff=account.is_staff,
        is_superuser=account.is_superuser,
    )
    user.user_permissions.set(
        Permission.objects.filter(content_type__app_label="demo", codename__in=account.permissions)
    )
    if account.is_in_team:
        user.groups.add(Group.objects.get_or_create(name=TEAM)[0])
    return "created"
