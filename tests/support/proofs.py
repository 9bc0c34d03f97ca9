"""The page docs/proofs.md: which tests prove each promise of docs/guarantees.md.

    python -m tests.support.proofs

writes the page again after a promise, a marker or the name of a test has changed. A Python test
has the marker `pytest.mark.proves("<id>", …)`, and `pytestmark` has it for all tests of a file.
A JavaScript test has the comment `// proves: <id>, …` on the line above it.
"""

from __future__ import annotations

import ast
import re
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
GUARANTEES = ROOT / "docs" / "guarantees.md"
PAGE = ROOT / "docs" / "proofs.md"
HEAD = """# Proofs

Which tests prove a promise of [guarantees.md](guarantees.md)? This page is generated from the markers of the tests: `.venv/bin/python -m tests.support.proofs` writes it.
"""
ID = re.compile(r"\[`([a-z0-9-]+)`\]\(proofs\.md#\1\) \|$")
COMMENT = re.compile(r"^ *// proves: (.+)\n *test\(\s*\"(.+?)\",", re.MULTILINE)
MARKER = "pytest.mark.proves"


class Promise(NamedTuple):
    """A row of a table in docs/guarantees.md."""

    section: str
    text: str
    id: str  # Empty if the row has none.


class Proof(NamedTuple):
    """A test that is marked as the proof of a promise."""

    promise: str
    path: str
    test: str  # Empty if all tests of the file prove the promise.


def promises(document: str) -> list[Promise]:
    """Return the promises of `document`, in their order."""
    found = []
    section = ""
    for line in document.splitlines():
        if line.startswith("## "):
            section = line.removeprefix("## ")
        elif line.startswith("| ") and not line.startswith("| Promise |"):
            text, _, _ = line.removeprefix("| ").partition(" |")
            id_ = ID.search(line)
            found.append(Promise(section, text, id_[1] if id_ else ""))
    return found


def proofs() -> list[Proof]:
    """Return the proofs that all test files declare, by promise and path."""
    tests = ROOT / "tests"
    python, javascript = tests.rglob("test_*.py"), tests.rglob("*.test.mjs")
    found = [
        Proof(promise, path.relative_to(ROOT).as_posix(), test)
        for paths, declared in ((python, in_python), (javascript, in_javascript))
        for path in paths
        for promise, test in declared(path.read_text())
    ]
    # Tests of a file stay in their order.
    return sorted(found, key=lambda proof: (proof.promise, proof.path))


def in_python(source: str) -> Iterator[tuple[str, str]]:
    """Yield each promise that a marker names, with the test that has the marker.

    Raises ValueError for a marker that is neither a decorator nor in `pytestmark`.
    """
    if MARKER not in source:
        return
    nodes = [*ast.walk(ast.parse(source))]
    count = 0
    for node in nodes:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            test, marked = node.name, node.decorator_list
        elif isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "pytestmark":
            test, marked = "", [node.value]
        else:
            continue
        for call in (call for each in marked for call in ast.walk(each)):
            if isinstance(call, ast.Call) and ast.unparse(call.func) == MARKER:
                count += 1
                yield from ((ast.literal_eval(promise), test) for promise in call.args)
    if count != sum(
        isinstance(node, ast.Attribute) and ast.unparse(node) == MARKER for node in nodes
    ):
        raise ValueError(f"{MARKER} belongs to a test or to pytestmark.")


def in_javascript(source: str) -> Iterator[tuple[str, str]]:
    """Yield each promise that a comment names, with the title of the test below it.

    Raises ValueError for a comment without a test.
    """
    found = COMMENT.findall(source)
    if len(found) != source.count("// proves:"):
        raise ValueError("A comment `// proves:` belongs on the line above a test.")
    for named, title in found:
        for promise in named.split(","):
            yield promise.strip(), title


def page(promises: list[Promise], proofs: list[Proof]) -> str:
    """Return the text of docs/proofs.md."""
    parts = [HEAD]
    for section, of_section in groupby(promises, key=lambda promise: promise.section):
        parts.append(f"\n## {section}\n")
        for promise in of_section:
            proving = [proof for proof in proofs if proof.promise == promise.id]
            parts.append(f"\n### {promise.id}\n\n{promise.text}\n\n")
            for path, of_path in groupby(proving, key=lambda proof: proof.path):
                parts.append(f"- [{path}](../{path})\n")
                parts += [f"  - {_named(proof.test)}\n" for proof in of_path]
    return "".join(parts)


def _named(test: str) -> str:
    if not test:
        return "all its tests"
    return f"`{test}`" if test.isidentifier() else f'"{test}"'


if __name__ == "__main__":
    PAGE.write_text(page(promises(GUARANTEES.read_text()), proofs()))
