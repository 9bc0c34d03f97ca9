"""The documents name what the code has, and nothing that it has not."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path
from typing import get_args

import pytest
from django.core.management import get_commands, load_command_class
from django.core.management.base import BaseCommand
from django.http import HttpRequest
from environs import Env
from pydantic import ByteSize

import exports.conf
import notifications.conf
from config import app_settings
from demo.accounts import ACCOUNTS
from exports import health
from exports.exporters import registry
from exports.spec import filters
from exports.status import Status
from notifications.protocol import frames as protocol

ROOT = Path(__file__).resolve().parents[3]
DOCS = ROOT / "docs"
PAGES = [ROOT / name for name in ("README.md", "SECURITY.md", "CONTRIBUTING.md")]
DOCUMENTS = sorted([*PAGES, *DOCS.glob("**/*.md")])
OUR_APPS = ("notifications", "exports", "demo")


# -- Settings ------------------------------------------------------------------------------


@cache
def settings_read() -> dict[str, object]:
    """Each variable that the settings read, with its default where that is a literal."""
    found = {name: app_default(name) for name in app_settings.parsers(Env())}
    sources = [(ROOT / "config" / name).read_text() for name in ("settings.py", "database.py")]
    for node in ast.walk(ast.parse("\n".join(sources))):
        if not (
            isinstance(node, ast.Call) and re.fullmatch(r"env(\.\w+)?", ast.unparse(node.func))
        ):
            continue
        name, *defaults = node.args
        assert isinstance(name, ast.Constant), f"no literal name: {ast.unparse(node)}"
        default = defaults[0] if defaults else None
        found[name.value] = default.value if isinstance(default, ast.Constant) else None
    return found


def app_default(name: str) -> object:
    """The default in the app's conf.py; a size as the documents write it."""
    prefix, _, attribute = name.partition("_")
    conf = {"EXPORTS": exports.conf.Conf, "NOTIFICATIONS": notifications.conf.Conf}[prefix]
    default = vars(conf)[attribute]
    if "_BYTES" in name and default:
        return re.sub(r"\.0", "", ByteSize(default).human_readable())
    return default


@cache
def settings_documented() -> dict[str, str]:
    """The rows of the tables in docs/settings.md, by the name in their first cell."""
    rows = re.findall(r"^\| *`([A-Z_]+)` *\|(.*)$", (DOCS / "settings.md").read_text(), re.M)
    return dict(rows)


def test_documented_settings_are_the_settings_that_are_read() -> None:
    assert sorted(settings_documented()) == sorted(settings_read())


@pytest.mark.parametrize(
    "name", sorted(name for name, default in settings_read().items() if default)
)
def test_documented_default_is_the_default(name: str) -> None:
    default = settings_read()[name]
    written = "1" if default is True else str(default)

    row = re.sub(r"(?<=\d)[\s,_](?=\d{3})", "", settings_documented()[name])

    assert re.search(rf"(?<![\w.]){re.escape(written)}(?!\w)", row), row


# -- Commands ------------------------------------------------------------------------------


@cache
def commands() -> dict[str, BaseCommand]:
    return {
        name: load_command_class(app, name)
        for name, app in get_commands().items()
        if isinstance(app, str) and app in OUR_APPS
    }


def test_commands_are_found() -> None:
    assert "replay_events" in commands()


@pytest.mark.parametrize("name", sorted(commands()))
def test_command_is_documented_with_all_its_options(name: str) -> None:
    sections = re.split(r"^#+ ", (DOCS / "commands.md").read_text(), flags=re.M)
    section = next((text for text in sections if name in text.partition("\n")[0]), "")
    parser = commands()[name].create_parser("manage.py", name)
    own = {
        option
        for action in parser._actions
        for option in action.option_strings
        if option.startswith("--") and option not in djangos_options()
    }

    assert section, f"docs/commands.md has no heading with {name}"
    assert sorted(option for option in own if option not in section) == []


def exports_documented() -> list[tuple[str, str]]:
    """Each `manage.py export` of the documents: the exporter, and the rest of the line."""
    return [
        found
        for document in DOCUMENTS
        for found in re.findall(r"manage\.py export ([a-z_]+) ([^\n`]+)", document.read_text())
    ]


@pytest.mark.parametrize(("exporter", "options"), exports_documented())
def test_documented_export_names_filters_that_exist(exporter: str, options: str) -> None:
    named = set(re.findall(r"--filter (\w+)=", options))

    assert named <= set(filters.filter_names(registry.get(exporter), HttpRequest()))


@pytest.mark.parametrize("part", [check.name for check in health.CHECKS])
def test_part_of_the_healthcheck_is_documented(part: str) -> None:
    text = (DOCS / "commands.md").read_text()

    assert f"\n| {part} | " in text, "what it means"
    assert re.search(rf"^(OK|NO)  {part}: ", text, re.M), "the example"


@pytest.mark.parametrize("part", [check.name for check in health.PROCESS_CHECKS])
def test_part_of_the_health_page_is_documented(part: str) -> None:
    assert f"\n| {part} | " in (DOCS / "operations.md").read_text()


@cache
def djangos_options() -> set[str]:
    class Bare(BaseCommand):
        pass

    actions = Bare().create_parser("manage.py", "bare")._actions
    return {option for action in actions for option in action.option_strings}


# -- The wire, the life of an export ---------------------------------------------------------


def frame_types() -> list[str]:
    frames = (*get_args(protocol.ClientFrame), *get_args(protocol.ServerFrame))
    return sorted({frame.model_fields["type"].default for frame in frames})


@pytest.mark.parametrize("type_", frame_types())
def test_frame_is_documented(type_: str) -> None:
    text = (DOCS / "protocol.md").read_text()

    assert re.search(rf"""`{type_}`|"type": *"{type_}\"""", text)


@pytest.mark.parametrize("code", [code.value for code in protocol.CloseCode])
def test_close_code_is_documented(code: int) -> None:
    assert str(code) in (DOCS / "protocol.md").read_text()


@pytest.mark.parametrize(
    "code", get_args(protocol.ErrorFrame.model_fields["code"].annotation), ids=str
)
def test_error_code_is_documented(code: str) -> None:
    assert f"`{code}`" in (DOCS / "protocol.md").read_text()


@pytest.mark.parametrize("status", Status.values)
def test_status_is_documented(status: str) -> None:
    assert f"`{status}`" in (DOCS / "lifecycle.md").read_text()


# -- Commands and links that can be followed ---------------------------------------------------


def test_makefile_has_every_target_that_the_documents_name() -> None:
    targets = set(re.findall(r"^([a-z][\w-]*):", (ROOT / "Makefile").read_text(), re.M))
    named = {
        (document.name, target)
        for document in [*DOCUMENTS, ROOT / "CONTRIBUTING.md"]
        for code in _code(document.read_text())
        for target in re.findall(r"(?:^ *|&& |`)make ([a-z][\w-]*)", code, re.M)
    }

    assert named, "no document names a make target"
    assert sorted(each for each in named if each[1] not in targets) == []


def _code(text: str) -> list[str]:
    return re.findall(r"^ *```.*?^ *```|`make [^`]+`", text, re.M | re.S)


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_local_links_lead_to_existing_targets(document: Path) -> None:
    assert broken_links(document, document.read_text()) == []


def broken_links(document: Path, text: str) -> list[str]:
    prose = re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)
    targets = re.findall(
        r"\]\(<?([^)>\s]+)>?(?: \"[^\"]*\")?\)|(?:src|href|srcset)=\"([^\"]+)\"", prose
    )
    broken = []
    for target in (first or second for first, second in targets):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = document.parent / path
        there = text if not path else file.read_text() if anchor and file.is_file() else ""
        if not file.exists() or (anchor and anchor not in anchors(there)):
            broken.append(target)
    return broken


def anchors(text: str) -> set[str]:
    """The anchors that GitHub gives to the headings of `text`."""
    headings = re.findall(r"^#+ +(.+?) *$", text, re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_broken_link_is_found() -> None:
    text = "# Here we are\n[a](#here-we-are) [b](#nowhere) [c](nothing.md) [d](https://x.org/y)"

    assert broken_links(ROOT / "README.md", text) == ["#nowhere", "nothing.md"]


# -- Tests ---------------------------------------------------------------------------------------


def test_tests_named_in_security_md_exist() -> None:
    tests = [*(ROOT / "tests").rglob("test_*.py")]
    source = "\n".join(path.read_text() for path in tests)
    exist = set(re.findall(r"def (test_\w+)", source)) | {path.name for path in tests}

    named = re.findall(r"`(test_\w+(?:\.py)?)`", (ROOT / "SECURITY.md").read_text())

    assert named
    assert sorted(name for name in named if name not in exist) == []


# -- What a stranger's machine must not see of ours ----------------------------------------------


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-dev.lock"])
def test_lock_names_hashes_and_no_index(name: str) -> None:
    text = (ROOT / name).read_text()

    assert "--hash=sha256:" in text
    assert re.findall(r"^.*(?:index-url|find-links|https?://).*$", text, re.M) == []


def test_files_name_no_home_directory() -> None:
    home = re.compile(r"/(?:home|Users)/\w+/|/root/\w")
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in _files()
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), start=1)
        if home.search(line)
    ]

    assert found == []


def test_tour_names_every_login_of_the_demo():
    named = re.findall(r"^\| `(\w+)` \|", (DOCS / "tour.md").read_text(), re.MULTILINE)

    assert named == [account.name for account in ACCOUNTS]


def _files() -> list[Path]:
    """What a clone has: everything but what git ignores."""
    ignored = {line.strip("/") for line in (ROOT / ".gitignore").read_text().split()} | {".git"}
    return [
        path
        for path in ROOT.rglob("*")
        if path.is_file()
        and not ignored & set(path.relative_to(ROOT).parts)
        and path != Path(__file__)
    ]
