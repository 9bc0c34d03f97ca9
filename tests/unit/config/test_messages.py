"""The catalogues: complete, and compiled. `make messages` writes them."""

from __future__ import annotations

import re
from collections import Counter

import pytest
from django.utils import translation

from config import messages

LANGUAGES = [(owner, language) for owner in messages.CATALOGUES for language in messages.LANGUAGES]
in_each = pytest.mark.parametrize(("owner", "language"), LANGUAGES)
# What a translation must have as often as what it translates: values, and tags.
FIXED = re.compile(r"%\(\w+\)[sd]|%[sd%]|\{\w+\}|</?\w+|href=|lang=")
HOW = "Run `make messages`, translate what it names, and run it again."


def ids(catalogue):
    return {(each.id, each.context) for each in catalogue if each.id}


def fixed(text):
    return Counter(FIXED.findall(text))


@in_each
def test_catalogue_has_exactly_the_translatable_strings(owner, language):
    stored, extracted = messages.stored(owner, language), messages.extracted(owner, language)

    assert ids(stored) == ids(extracted), HOW


@in_each
def test_catalogue_is_completely_translated(owner, language):
    missing = [each.id for each in messages.untranslated(messages.stored(owner, language))]

    assert missing == [], HOW


@in_each
def test_translation_has_the_values_and_tags_of_its_original(owner, language):
    for each in messages.stored(owner, language):
        originals = messages.texts_of(each.id)
        for translated in messages.texts_of(each.string) if each.id else ():
            assert fixed(translated) in [fixed(original) for original in originals], each.id


@in_each
def test_compiled_catalogue_matches_its_source(owner, language):
    path = messages.path_of(owner, language)

    assert path.with_suffix(".mo").read_bytes() == messages.compiled(
        messages.stored(owner, language)
    ), HOW


def test_catalogues_cover_the_languages_of_the_pages(settings):
    assert ["en", *messages.LANGUAGES] == [code for code, _ in settings.LANGUAGES]


def test_strings_are_extracted_from_every_kind_of_source():
    found = ids(messages.extracted("exports", "de"))

    assert ("Queued", None) in found  # gettext_lazy, as _
    assert (("{rows} row", "{rows} rows"), None) in found  # ngettext
    assert ("You already started this export.", None) in found  # gettext
    assert ("Start export", None) in found  # {% translate %}
    assert (("%(number)s row", "%(number)s rows"), None) in found  # {% blocktranslate count %}
    letters = "You can choose which notifications you get by e-mail on the “Notifications” page."
    assert (letters, None) in ids(messages.extracted("notifications", "de"))


def test_other_apps_do_not_override_a_translation():
    """Django merges the catalogues of all apps. Ours come after those of the admin."""
    with translation.override("de"):
        for owner, language in LANGUAGES:
            for each in messages.stored(owner, language):
                if isinstance(each.id, str) and each.id and not each.context:
                    assert translation.gettext(each.id) == each.string, (owner, each.id)
