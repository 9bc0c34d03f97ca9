"""The options of a file: each format takes those that mean something to it."""

from __future__ import annotations

import pytest

from exports.exceptions import InvalidOption
from exports.spec import options

# A copy of options.BY_FORMAT: an option in the wrong place there must fail here.
TAKEN = {
    "csv": {"delimiter": ";", "bom": True, "header": False, "gzip": True, "protect": False},
    "jsonl": {"gzip": True},
    "xlsx": {"header": False, "protect": False},
    "parquet": {},
}
ALL = TAKEN["csv"]


@pytest.mark.parametrize("name", TAKEN)
def test_options_that_differ_from_the_default_are_stored(name):
    assert options.validate(name, TAKEN[name]) == TAKEN[name]


@pytest.mark.parametrize("name", TAKEN)
def test_defaults_are_not_stored(name):
    asked = {each: options.DEFAULTS[each] for each in TAKEN[name]}

    assert options.validate(name, asked) == {}
    assert options.validate(name, None) == {}


@pytest.mark.parametrize(
    ("name", "option"), [(name, each) for name in TAKEN for each in ALL if each not in TAKEN[name]]
)
def test_option_of_another_format_is_refused(name, option):
    for value in (ALL[option], options.DEFAULTS[option]):
        with pytest.raises(InvalidOption, match=f'has no option "{option}"'):
            options.validate(name, {option: value})


@pytest.mark.parametrize(
    ("name", "there_is"),
    [
        (
            "csv",
            'CSV has no option "colour". Available: delimiter (one of "," ";" "|" and tab); '
            "bom (true or false); header (true or false); gzip (true or false); "
            "protect (true or false).",
        ),
        ("jsonl", 'JSON Lines has no option "colour". Available: gzip (true or false).'),
        ("parquet", 'Parquet has no option "colour". Available: none.'),
    ],
)
def test_refusal_lists_the_available_options(name, there_is):
    with pytest.raises(InvalidOption) as refused:
        options.validate(name, {"colour": "red"})

    assert str(refused.value) == there_is
    assert refused.value.field == "options"


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_delimiter_is_one_of_four(delimiter):
    assert options.validate("csv", {"delimiter": delimiter}).get("delimiter", ",") == delimiter


@pytest.mark.parametrize(
    ("option", "value", "allowed"),
    [
        *(("delimiter", value, 'one of "," ";" "|" and tab') for value in (":", ";;", "", None, 1)),
        *(("gzip", value, "true or false") for value in (1, 0, "true", None, [], {})),
    ],
)
def test_invalid_value_is_refused_with_the_valid_values(option, value, allowed):
    with pytest.raises(InvalidOption) as refused:
        options.validate("csv", {option: value})

    assert str(refused.value) == f'The option "{option}" must be {allowed}.'


def test_described_options_have_defaults_and_choices():
    assert options.describe("xlsx") == [
        {"name": "header", "default": True, "choices": [True, False]},
        {"name": "protect", "default": True, "choices": [True, False]},
    ]
    assert options.describe("csv")[0] == {
        "name": "delimiter",
        "default": ",",
        "choices": [",", ";", "\t", "|"],
    }
