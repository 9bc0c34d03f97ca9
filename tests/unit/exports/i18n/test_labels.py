"""What models and their fields are called: derived in English, translated where it is shown."""

from __future__ import annotations

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.admin.utils import flatten_fieldsets, label_for_field
from django.contrib.auth.models import User
from django.utils import translation
from django.utils.text import camel_case_to_spaces

OURS = ("exports", "notifications", "demo")
MODELS = [model for app in OURS for model in apps.get_app_config(app).get_models()]
# Those of the demo are named after the data set, and called by what it means.
DERIVED = [model for model in MODELS if model._meta.app_label != "demo"]
# Called the same everywhere.
NAMES = {"sha256"}
# The rule would say "retaineds", "inboxs" and "audit entrys".
IRREGULAR = {
    "Retained": ("retained value", "retained values"),
    "Inbox": ("inbox", "inboxes"),
    "AuditEntry": ("audit entry", "audit entries"),
}


@pytest.fixture
def request_of_staff(rf):
    request = rf.get("/admin/")
    request.user = User(username="ada", is_staff=True, is_superuser=True)
    return request


def name(model):
    return model._meta.label


def in_both(make):
    """What `make` gives to readers of English and of German."""
    texts = []
    for language in ("en", "de"):
        with translation.override(language):
            texts.append(str(make()))
    return tuple(texts)


def shown(model_admin, request):
    """Every column of its list, every field and filter of its pages: the owner, and its name."""
    model = model_admin.model
    names = [
        *model_admin.get_list_display(request),
        *flatten_fieldsets(model_admin.get_fieldsets(request)),
        *(
            each if isinstance(each, str) else each[0]
            for each in model_admin.list_filter
            if not isinstance(each, type)  # A filter with a title of its own.
        ),
    ]
    yield from ((model_admin, model, name) for name in names)
    for inline in model_admin.get_inline_instances(request):
        names = flatten_fieldsets(inline.get_fieldsets(request))
        yield from ((inline, inline.model, name) for name in names)


@pytest.mark.parametrize("model", DERIVED, ids=name)
def test_english_names_of_models_and_fields_are_derived(model):
    derived = camel_case_to_spaces(model.__name__)
    one, many = IRREGULAR.get(model.__name__, (derived, f"{derived}s"))

    with translation.override("en"):
        assert model._meta.verbose_name == one
        assert model._meta.verbose_name_plural == many
        for field in model._meta.local_fields:
            if not field.auto_created:
                assert field.verbose_name == field.name.replace("_", " ")


@pytest.mark.parametrize("app", OURS)
def test_apps_have_german_names(app):
    english, german = in_both(lambda: apps.get_app_config(app).verbose_name)

    assert english != german


@pytest.mark.parametrize("model", MODELS, ids=name)
def test_models_have_german_names(model):
    for kind in ("verbose_name", "verbose_name_plural"):
        english, german = in_both(lambda kind=kind: getattr(model._meta, kind))

        assert english != german


@pytest.mark.parametrize("model", MODELS, ids=name)
def test_help_texts_are_german(model):
    for field in model._meta.local_fields:
        english, german = in_both(lambda field=field: field.help_text)

        # The unit is its sign.
        assert english != german or english in {"", "°F."}, field.name


@pytest.mark.parametrize(
    "model", [each for each in MODELS if each in admin.site._registry], ids=name
)
def test_labels_of_the_admin_are_translated_into_german(model, request_of_staff):
    model_admin = admin.site._registry[model]
    labels = list(shown(model_admin, request_of_staff))

    assert labels
    for inline in model_admin.get_inline_instances(request_of_staff):
        english, german = in_both(lambda inline=inline: inline.verbose_name_plural)
        assert english != german, inline
    for owner, of, field in labels:
        english, german = in_both(
            lambda of=of, field=field, owner=owner: label_for_field(field, of, owner)
        )
        assert english != german or field in NAMES, (owner, field)
