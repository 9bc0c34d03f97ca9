"""Text of others in logs and terminals: it begins no entry, and steers nothing."""

from __future__ import annotations

import json
import logging
import logging.config
import sys

import pytest
from django.conf import settings
from hypothesis import given
from hypothesis import strategies as st

from notifications.printable import (
    CONTROL,
    INDENT,
    Escaping,
    escaped,
    in_json,
    one_line,
    storable,
    visible,
)

pytestmark = pytest.mark.only_on("sqlite")

NOT_TO_BE_SHOWN = [
    *map(chr, (*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029)),
    *map(chr, (*range(0x202A, 0x202F), *range(0x2066, 0x206A))),
]
FORGED = "\n2026-01-01 00:00:00,000 INFO root: forged \x1b[2J\x9b2J\u202egpj\u2066\u2028\x7f\r"


def formatter():
    options = dict(settings.LOGGING["formatters"]["line"])
    name = options.pop("class").rpartition(".")
    return getattr(sys.modules[name[0]], name[2])(options["format"])


def record(message, *args, name="some.logger", **more):
    made = logging.LogRecord(name, logging.ERROR, __file__, 1, message, args, None)
    vars(made).update(more)
    return made


def raised(error):
    try:
        raise error
    except type(error):
        return sys.exc_info()


@pytest.mark.parametrize("char", NOT_TO_BE_SHOWN, ids=ascii)
def test_control_characters_are_escaped(char):
    line = formatter().format(record("a%sb", char, name=f"logger{char}"))

    assert not CONTROL.search(line)
    assert len(line.splitlines()) == 1
    shown = {"\n": "\\n", "\t": "\t"}.get(char, ascii(char).strip("'"))
    assert line.endswith(f"logger{shown}: a{shown}b")


@pytest.mark.parametrize("kept", ["Zürich", "東京", "🚂", "\u200d", "a\\nb"])
def test_printable_text_of_any_language_is_unchanged(kept):
    assert formatter().format(record(kept)).endswith(f": {kept}")


def test_tracebacks_keep_their_lines_and_forge_no_entry():
    failed = record("Broken", exc_info=raised(LookupError(FORGED)), stack_info=f"Stack{FORGED}")

    first, *more = formatter().format(failed).split("\n")

    assert first.endswith("Broken")
    assert more[0] == f"{INDENT}Traceback (most recent call last):"
    assert all(line.startswith(INDENT) for line in more)
    assert not CONTROL.search("".join(more))


def test_refusal_with_a_reason_forges_no_log_entry():
    refused = record("Refused", exc_info=raised(PermissionError(FORGED)), status_code=403)

    assert not CONTROL.search(line := formatter().format(refused))
    assert "\n" not in line


def test_cached_traceback_is_escaped():
    failed = record("Broken", exc_info=raised(LookupError(FORGED)))
    plain = logging.Formatter().format(failed)

    assert not CONTROL.search(formatter().format(failed).replace("\n", ""))
    assert logging.Formatter().format(failed) == plain


def test_traceback_of_another_process_is_escaped():
    failed = record("Broken", exc_text=f"Traceback{FORGED}")

    _, *more = formatter().format(failed).split("\n")

    assert all(line.startswith(INDENT) and not CONTROL.search(line) for line in more)


def handlers(logger):
    """Those that a record of `logger` comes to."""
    while logger is not None:
        yield from logger.handlers
        logger = logger.parent if logger.propagate else None


@pytest.mark.proves("logs-cannot-be-forged")
def test_handlers_of_all_loggers_escape():
    configured = [logging.getLogger(), *map(logging.getLogger, logging.root.manager.loggerDict)]
    logging.config.dictConfig(settings.LOGGING)

    formatters = {
        (logger.name, type(handler).__name__): handler.formatter
        for logger in configured
        for handler in handlers(logger)
        if type(handler).__module__ in {"logging", "django.utils.log"}
        and not isinstance(handler, logging.NullHandler)
        and "email" not in type(handler).__name__.lower()
    }

    assert ("django.server", "StreamHandler") in formatters
    assert [name for name, found in formatters.items() if not isinstance(found, Escaping)] == []


def test_windows_line_breaks_are_line_breaks():
    assert escaped("a\r\nb\rc") == "a\nb\\rc"
    assert one_line("a\r\nb") == "a\\r\\nb"


@given(st.text())
def test_escaped_terminal_text_keeps_only_its_line_breaks(text):
    assert not CONTROL.search(escaped(text))
    assert "\n" not in one_line(text)


@given(st.text() | st.dictionaries(st.text(), st.text()))
def test_json_for_a_terminal_has_the_same_value(value):
    text = in_json(json.dumps(value, ensure_ascii=False))

    assert not CONTROL.search(text)
    assert json.loads(text) == value


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Ada Lovelace, Zürich 東京", "Ada Lovelace, Zürich 東京"),
        ("a\nb\tc\0d", "a\\nb\\tc\\x00d"),
        ("\x1b]0;x\x07", "\\x1b]0;x\\x07"),
        ("\u202egpj\u2066\u200b\ufeff\u2028", "\\u202egpj\\u2066\\u200b\\ufeff\\u2028"),
        ("\ud800", "\\ud800"),
    ],
)
def test_name_has_no_invisible_character(text, shown):
    assert visible(text, 200) == shown


def test_visible_name_is_cut_after_escaping():
    assert len(visible("x" * 500, 200)) == len(visible("\n" * 500, 200)) == 200


def test_storable_text_has_neither_nul_nor_half_a_surrogate_pair():
    assert storable("a\0b\ud83dc\n\t😀") == "a\ufffdb\ufffdc\n\t😀"
