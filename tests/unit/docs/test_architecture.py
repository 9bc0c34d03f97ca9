"""docs/architecture.md agrees with the code: the map, the walks, and the files of a change."""

from __future__ import annotations

import re

import pytest

from tests.support.package_map import DOCUMENT, ROOT, packages, updated, written

TEXT = DOCUMENT.read_text()
# A file or folder of the repository; names with a placeholder are none.
PATH = re.compile(r"`((?:[\w.-]+/)+(?:[\w.-]+\.\w+)?)`")
STEP = re.compile(r"^\d+\. `([^`]+)`(.*)$", re.MULTILINE)
MAX_SENTENCES = 5


@pytest.mark.parametrize("package", packages())
def test_map_has_the_docstring_of_a_package(package: str) -> None:
    assert written(TEXT).get(package) == packages()[package], "see tests/support/package_map.py"


def test_map_has_no_other_package() -> None:
    assert written(TEXT).keys() == packages().keys()
    assert updated(TEXT) == TEXT


@pytest.mark.parametrize("package", packages())
def test_docstring_of_a_package_has_at_most_five_sentences(package: str) -> None:
    sentences = re.findall(r"[.!?](?=\s|$)", packages()[package])

    assert 0 < len(sentences) <= MAX_SENTENCES


def walks() -> dict[str, str]:
    _, *sections = re.split(r"^### ", TEXT.partition("## Three walks")[2], flags=re.MULTILINE)
    return {name: text for name, _, text in (each.partition("\n") for each in sections)}


def test_architecture_has_three_walks() -> None:
    assert list(walks()) == ["A click", "A progress tick", "A download"]


@pytest.mark.parametrize("walk", walks())
def test_walk_counts_its_files(walk: str) -> None:
    text = walks()[walk]
    steps = [path for path, _ in STEP.findall(text)]
    [counted] = re.findall(r"(\d+) files", text)

    assert len(set(steps)) == len(steps) == int(counted)
    assert [int(each) for each in re.findall(r"^(\d+)\. ", text, re.MULTILINE)] == [
        *range(1, len(steps) + 1)
    ]


@pytest.mark.parametrize(("path", "text"), STEP.findall(TEXT))
def test_named_functions_exist_in_their_files(path: str, text: str) -> None:
    source = (ROOT / path).read_text()
    functions = re.findall(r"`(#?\w+)\(\)`", text)
    classes = re.findall(r"`([A-Z]\w+)`", text)
    absent = [name for name in functions if not defines(source, name)]

    assert absent == []
    assert [name for name in classes if not re.search(rf"\b{name}\b", source)] == []


def defines(source: str, name: str) -> bool:
    """Whether a Python or JavaScript file defines the function."""
    declared = rf"^\s*(?:async )?def {name}\(|^(?:export )?(?:async )?function {name}\("
    method = rf"^\s+(?:async )?{re.escape(name)}\(.*\) {{$"
    return re.search(rf"{declared}|{method}", source, re.MULTILINE) is not None


def test_named_files_exist() -> None:
    named = {path for path in PATH.findall(TEXT) if "locale/" not in path}

    assert named
    assert sorted(path for path in named if not (ROOT / path).exists()) == []
