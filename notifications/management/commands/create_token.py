"""manage.py create_token: create a bearer token for a program that uses the API or the socket."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError

from notifications.api import tokens
from notifications.models import TOKEN_DAYS, TokenScope

if TYPE_CHECKING:
    from argparse import ArgumentParser


class Command(BaseCommand):
    help = "Create a bearer token for a user and print it once. Revoke it in the admin."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("user", help="Username.")
        parser.add_argument(
            "--note", default="", metavar="TEXT", help="What the token is for; shown in the admin."
        )
        parser.add_argument(
            "--days",
            type=int,
            default=TOKEN_DAYS,
            metavar="N",
            help=f"Days until the token expires, at most {tokens.MAX_DAYS}. Default: {TOKEN_DAYS}.",
        )
        parser.add_argument(
            "--read-only",
            action="store_true",
            help="Allow only following streams and downloading files.",
        )

    def handle(self, *_: Any, **options: Any) -> None:
        model = get_user_model()
        try:
            user = model._default_manager.get_by_natural_key(options["user"])
        except model.DoesNotExist:
            raise CommandError(f'There is no user "{options["user"]}".') from None
        if not user.is_active:
            raise CommandError(f'The user "{options["user"]}" is deactivated. Activate them first.')
        scope = TokenScope.READ if options["read_only"] else TokenScope.FULL
        try:
            token = tokens.create(user, options["note"], days=options["days"], scope=scope)
        except ValueError as error:
            raise CommandError(f"--days: {error}") from None
        self.stdout.write(token)
