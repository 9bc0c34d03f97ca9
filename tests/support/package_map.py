"""The map of packages in docs/architecture.md, which consists of their docstrings.

    python -m tests.support.package_map

rewrites the map after a docstring has changed.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = ROOT / "docs" / "architecture.md"
# The order in which imports point.
APPS = ("config", "demo", "exports", "notifications")
LINE = re.compile(r"^- `([\w/]+)/`: (.+)$", re.MULTILINE)


def packages() -> dict[str, str]:
    """Return the docstring of each package in one line, by the path of the package."""
    found = {}
    for app in APPS:
        for module in sorted((ROOT / app).rglob("__init__.py")):
            if text := ast.get_docstring(ast.parse(module.read_text())):
                found[str(module.parent.relative_to(ROOT))] = " ".join(text.split())
    return found


def written(document: str) -> dict[str, str]:
    """Return the packages of the map in `document`, with what it says of them."""
    return dict(LINE.findall(document))


def updated(document: str) -> str:
    """Return `document` with the map as the docstrings are now."""
    lines = "\n".join(f"- `{path}/`: {text}" for path, text in packages().items())
    first, *_, last = LINE.finditer(document)
    return document[: first.start()] + lines + document[last.end() :]


if __name__ == "__main__":
    DOCUMENT.write_text(updated(DOCUMENT.read_text()))
