"""Messages: stored once, and read in each language. Every message has a translation."""

from __future__ import annotations

import ast
import json
import pickle

import pytest
from django.core.exceptions import ValidationError
from django.core.validators import MaxLengthValidator
from django.utils import translation
from django.utils.translation import gettext_lazy, gettext_noop

from config import messages
from exports import exceptions
from exports.i18n.message import (
    MAX_LENGTH,
    Message,
    dump,
    from_validation_error,
    join,
    load,
    localize,
)
from tests.support.source import imports, sources

# Errors whose message no reader of an export sees.
NOT_SHOWN = {
    *("LostRace", "Fenced", "Stopped"),  # These are for the log: nothing has failed.
    *("NoRoom", "WaitsForSpace"),  # So are these. The status shows that an export waits for room.
    *("DefinitionError", "TookTooLong"),  # These are not raised while an export runs.
    # These refuse a request.
    "IllegalMove",
    "OverLimit",
    "TooManyExports",
    "TooManyRequests",
    "TooManyRefusals",
    "TooManyInADay",
    "OverQuota",
    "OutOfSpace",
}
FORESEEN = {
    name
    for name, found in vars(exceptions).items()
    if isinstance(found, type)
    and issubclass(found, exceptions.ExportError)
    and name not in NOT_SHOWN | {"ExportError"}
}
MAKERS = {"Message", "join", "from_validation_error"}


def message(**more):
    return Message("It has %(rows)s rows: %(problem)s", **{"rows": 1_234_567, **more})


def in_german(stored, error=""):
    with translation.override("de"):
        return localize(error, stored)[0]


def test_message_is_english_in_any_active_language():
    with translation.override("de"):
        made = message(problem="no idea")

    assert made == "It has 1,234,567 rows: no idea"


def test_message_without_values_may_have_any_character():
    assert Message("100% of %(all)s") == "100% of %(all)s"


@pytest.mark.parametrize(
    "made",
    [
        Message("Nothing."),
        message(problem="no idea"),
        message(problem=Message("%(name)s is no number.", name="x")),
    ],
)
def test_stored_message_is_json_and_can_be_restored(made):
    stored = json.loads(json.dumps(made.stored()))

    restored = Message.restored(stored)

    assert (restored, restored.stored()) == (made, stored)


def test_message_survives_pickling_of_its_error():
    error = pickle.loads(pickle.dumps(exceptions.TooLarge(message(problem="?"))))

    assert error.args[0].params == {"rows": 1_234_567, "problem": "?"}


def test_stored_message_fits_every_database():
    made = message(problem="\0\ud800" + "x" * 2 * MAX_LENGTH)

    stored = dump(made)

    problem = stored["reason"]["values"]["problem"]
    assert problem.startswith(2 * "\N{REPLACEMENT CHARACTER}" + "xxx")
    assert problem.endswith("x …")
    assert len(problem) == len(stored["error"]) == MAX_LENGTH + len(" …")


@pytest.mark.parametrize("text", ["a\0b", "a\ud800b", "x" * 2 * MAX_LENGTH])
def test_stored_validation_error_fits_every_database(text):
    stored = dump(from_validation_error(ValidationError(text)))

    assert stored["reason"]["text"] == stored["error"]
    assert not {"\0", "\ud800"} & set(stored["error"])
    assert len(stored["error"]) <= MAX_LENGTH + len(" …")


def test_error_is_english_in_logs_and_localized_for_its_reader():
    error = exceptions.TooLarge(Message("Choose at least one column."))
    plain = exceptions.NoRoom("The disk is full.")

    with translation.override("de"):
        assert str(error) == "Choose at least one column."
        german = "Wählen Sie mindestens eine Spalte aus."
        assert error.localized() == error.page_message() == german
        assert plain.localized() == "The disk is full."
        assert exceptions.TookTooLong().localized() == ""


def test_field_message_with_a_plural_is_localized_by_django():
    with pytest.raises(ValidationError) as invalid:
        MaxLengthValidator(1)("abc")

    message = from_validation_error(invalid.value.error_list[0])

    assert message == "Ensure this value has at most 1 character (it has 3)."
    with translation.override("de"):
        assert message.localized().startswith("Bitte sicherstellen, dass der Wert aus höchstens 1 ")


def test_overlong_reason_is_stored_as_english_text_only():
    words = "x" * MAX_LENGTH
    several = join(message(problem=words) for _ in range(20))

    stored = dump(several)

    assert stored["reason"] is None
    assert stored["error"].startswith("It has 1,234,567 rows: xxx")
    assert len(stored["error"]) == MAX_LENGTH + len(" …")
    assert dump(message(problem=words))["reason"] is not None


def test_booleans_are_not_formatted_as_numbers():
    made = Message("%(one)s, %(other)s", one=True, other=False)

    assert made == "True, False"
    assert in_german(made.stored()) == "True, False"


def test_message_is_localized_with_its_numbers():
    stored = dump(
        Message(
            "This export has %(rows)s rows; the limit is %(allowed)s. Add filters, or "
            "ask an administrator to raise the limit.",
            rows=336_776,
            allowed=100_000,
        )
    )

    assert stored["error"].startswith("This export has 336,776 rows; the limit is 100,000.")
    assert in_german(stored["reason"]).startswith(
        "Dieser Export hat 336.776 Zeilen, erlaubt sind höchstens 100.000."
    )


def test_nested_message_is_translated():
    with translation.override("de"):
        made = Message(
            'The filter "%(name)s" is not valid: %(problem)s',
            name="date",
            problem=Message("it contains an invalid character."),
        )

    german = "Der Filter „date“ ist ungültig: Er enthält ein ungültiges Zeichen."
    assert in_german(made.stored()) == german
    assert made == 'The filter "date" is not valid: it contains an invalid character.'
    with translation.override("de"):
        assert made.localized() == german


def test_lazy_value_is_in_the_readers_language():
    made = Message("You do not have permission to view %(name)s.", name=gettext_lazy("exports"))

    assert made == "You do not have permission to view exports."
    assert in_german(made.stored()) == "Sie haben keine Berechtigung, „Exporte“ anzusehen."


@pytest.mark.parametrize(
    "stored",
    [
        None,
        {},
        {"text": "It has %(rows)s rows.", "values": {"lines": 1}},
        {"text": "%(rows)d rows", "values": {"rows": "many"}},
        {"text": None, "values": {"rows": 1}},
        "a text",
    ],
)
def test_reason_of_another_version_is_read_in_english(stored):
    assert in_german(stored, "As it was.") == "As it was."
    assert load("As it was.", stored) == "As it was."


# -- All messages -------------------------------------------------------------------------------


# Modules that work on an export and are loaded by name.
WORK = ("exports.formats", "exports.readers", "exports.files.storage", "exports.worker")


def reachable():
    """Return all modules that the tasks import, directly or indirectly."""
    graph = {}
    for each in imports(sources()):
        if not each.typing:
            graph.setdefault(each.importer, set()).add(each.imported)
    found, ahead = set(), {"exports.tasks"}
    while ahead:
        name = ahead.pop()
        found.add(name)
        ahead |= {each for each in graph.get(name, ()) if each.startswith("exports")} - found
    return found & set(sources())


def called(node):
    return ast.unparse(node.func).rpartition(".")[2] if isinstance(node, ast.Call) else ""


def makers(tree):
    """The functions of a module that return a message."""
    return MAKERS | {
        node.name
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef)
        and node.returns is not None
        and ast.unparse(node.returns) == "Message"
    }


def untranslatable(modules):
    """Where an error that may end an export has no message."""
    return [
        f"{name}:{node.lineno} {ast.unparse(node)[:60]}"
        for name, source in modules.items()
        for tree in [ast.parse(source)]
        for known in [makers(tree)]
        for node in ast.walk(tree)
        if called(node) in FORESEEN and not (node.args and called(node.args[0]) in known)
    ]


def texts(modules):
    """The text of each message in the code."""
    return [
        node.args[0].value
        for source in modules.values()
        for node in ast.walk(ast.parse(source))
        if called(node) in {"Message", "gettext_noop"}
        and node.args
        and isinstance(node.args[0], ast.Constant)
    ]


def test_every_error_that_ends_an_export_is_a_message():
    found, modules = reachable(), sources()
    # Formats are imported by their names: see WRITERS.
    work = {
        name: source for name, source in modules.items() if name in found or name.startswith(WORK)
    }

    assert {"exports.lifecycle.limits", "exports.spec.queryset", "exports.spec.changelist"} <= found
    assert untranslatable(work) == []


def test_untranslatable_error_is_found():
    found = untranslatable(
        {
            "exports.worker.new": 'raise TooLarge(f"{rows} rows")',
            "exports.worker.fine": 'raise TooLarge(Message("Too many."))',
            "exports.worker.made": (
                "def why() -> Message: ...\nraise exceptions.Unwritable(why()) from error"
            ),
        }
    )

    assert found == ["exports.worker.new:1 TooLarge(f'{rows} rows')"]


@pytest.mark.parametrize("language", messages.LANGUAGES)
def test_every_message_is_translated(language):
    found = texts({name: each for name, each in sources().items() if name.startswith("exports")})

    assert gettext_noop("Could not save the file: %(problem)s") in found
    with translation.override(language):
        assert [text for text in found if translation.gettext(text) == text] == []
