"""Record changes of users, their rights and their tokens from Django's signals.

`QuerySet.update()` and raw SQL send no signals, so their changes are not recorded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group, Permission
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.core.exceptions import FieldDoesNotExist
from django.db.backends.signals import connection_created
from django.db.models.signals import m2m_changed, post_delete, post_save, pre_save

from notifications.audit import attempts
from notifications.audit.guard import add_sqlite_function
from notifications.audit.record import About, about_token, about_user, record, record_each
from notifications.audit_actions import Action
from notifications.models import Token

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django.db.models import Model
    from django.http import HttpRequest

# Each of these fields is a right while it is true.
FLAGS = ("is_active", "is_staff", "is_superuser")
# The attribute of an instance that keeps the old values from one signal to the next.
BEFORE = "_audited_before"


def connect() -> None:
    """Connect the signal handlers. Called once, when the apps are ready."""
    user = get_user_model()
    connection_created.connect(add_sqlite_function)
    user_logged_in.connect(_signed_in)
    user_logged_out.connect(_signed_out)
    user_login_failed.connect(_sign_in_failed)
    pre_save.connect(_before_user_save, sender=user)
    post_save.connect(_after_user_save, sender=user)
    post_delete.connect(_user_deleted, sender=user)
    post_delete.connect(_group_deleted, sender=Group)
    post_delete.connect(_token_deleted, sender=Token)
    _record_changes_of(Group, "permissions")
    # A custom user model may lack these fields.
    for name in ("groups", "user_permissions"):
        if hasattr(user, name):
            _record_changes_of(user, name)


# -- Signing in ----------------------------------------------------------------------------


def _signed_in(user: Any, request: HttpRequest | None, **_: Any) -> None:
    record(Action.SIGNED_IN, about_user(user), by=user, request=request)


def _signed_out(user: Any, request: HttpRequest | None, **_: Any) -> None:
    if user is not None:
        record(Action.SIGNED_OUT, about_user(user), by=user, request=request)


def _sign_in_failed(
    credentials: dict[str, Any], request: HttpRequest | None = None, **_: Any
) -> None:
    field = get_user_model().USERNAME_FIELD
    name = str(credentials.get(field) or credentials.get("username") or "")
    attempts.record_refused(Action.SIGN_IN_FAILED, About("user", "", name), request)


# -- Users -----------------------------------------------------------------------------------


def _watched(model: type[Model]) -> list[str]:
    return [name for name in (*FLAGS, "password") if _has_field(model, name)]


def _has_field(model: type[Model], name: str) -> bool:
    try:
        model._meta.get_field(name)
    except FieldDoesNotExist:
        return False
    return True


def _before_user_save(
    *, instance: Any, raw: bool, using: str, update_fields: frozenset[str] | None, **_: Any
) -> None:
    """Keep the stored values of those watched fields that this save may change.

    A sign-in saves none of these fields, so it causes no query here.
    """
    instance.__dict__.pop(BEFORE, None)  # An earlier save that failed has left its values.
    watched = [
        name for name in _watched(type(instance)) if update_fields is None or name in update_fields
    ]
    if not raw and watched and instance.pk is not None and not instance._state.adding:
        stored = type(instance)._base_manager.using(using).filter(pk=instance.pk)
        setattr(instance, BEFORE, stored.values(*watched).first())


def _after_user_save(
    *, instance: Any, created: bool, raw: bool, update_fields: frozenset[str] | None, **_: Any
) -> None:
    before = instance.__dict__.pop(BEFORE, None)
    about = about_user(instance)
    if raw:
        return
    if created:
        rights = [name for name in FLAGS if getattr(instance, name, False)]
        record(Action.USER_CREATED, about, details={"rights": rights})
    if before is None:
        return
    changed = {name: old for name, old in before.items() if old != getattr(instance, name)}
    if "password" in changed and not _is_rehash(instance, update_fields):
        record(Action.PASSWORD_CHANGED, about)
    for action, was in ((Action.RIGHTS_WITHDRAWN, True), (Action.RIGHTS_GRANTED, False)):
        if rights := [name for name in FLAGS if changed.get(name) is was]:
            record(action, about, details={"rights": rights})


def _is_rehash(user: Any, update_fields: frozenset[str] | None) -> bool:
    """Return whether Django only hashed the same password again, at a sign-in after an upgrade."""
    return (
        update_fields == frozenset({"password"})
        and getattr(user, "_password", None) is None
        and user.has_usable_password()
    )


def _user_deleted(instance: Any, **_: Any) -> None:
    record(Action.USER_DELETED, about_user(instance))


# -- Groups and permissions ------------------------------------------------------------------


def _record_changes_of(holder: Any, name: str) -> None:
    """Record additions to and removals from `name`, a relation of users or groups."""
    field = holder._meta.get_field(name)
    ends = (field.m2m_field_name(), field.m2m_reverse_field_name())

    def changed(
        *, sender: Any, instance: Any, action: str, reverse: bool, model: Any, **more: Any
    ) -> None:
        using, keys = more["using"], more["pk_set"]
        if action == "pre_clear":
            # The signal after the removal does not have the keys.
            own, other = reversed(ends) if reverse else ends
            rows = sender._base_manager.using(using).filter(**{own: instance.pk})
            setattr(instance, BEFORE, set(rows.values_list(f"{other}_id", flat=True)))
            return
        if action not in {"post_add", "post_remove", "post_clear"}:
            return
        if action == "post_clear":
            keys = instance.__dict__.pop(BEFORE, set())
        # select_related() loads content types, which are part of the names of permissions.
        others = list(model._base_manager.using(using).select_related().filter(pk__in=keys))
        holders, rights = (others, [instance]) if reverse else ([instance], others)
        if holders and rights:
            done = Action.RIGHTS_GRANTED if action == "post_add" else Action.RIGHTS_WITHDRAWN
            names = {name: _names(rights)}
            record_each(done, [(_about(each), names) for each in holders])

    # Signals hold weak references by default, and nothing else refers to this receiver.
    m2m_changed.connect(changed, sender=getattr(holder, name).through, weak=False)


def _about(holder: Any) -> About:
    return _about_group(holder) if isinstance(holder, Group) else about_user(holder)


def _about_group(group: Group) -> About:
    return About("group", str(group.pk), group.name)


def _names(rights: Iterable[Any]) -> list[str]:
    return sorted(
        f"{each.content_type.app_label}.{each.codename}"
        if isinstance(each, Permission)
        else str(each)
        for each in rights
    )


def _group_deleted(instance: Group, **_: Any) -> None:
    record(Action.RIGHTS_WITHDRAWN, _about_group(instance), details={"deleted": True})


# -- Tokens ------------------------------------------------------------------------------------


def _token_deleted(instance: Token, **_: Any) -> None:
    record(Action.TOKEN_REVOKED, about_token(instance), owner=instance.user)
