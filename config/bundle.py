"""Bundle a script or stylesheet with its imports into one file. No Django.

This is no parser. It knows the forms of import and export that our files use. Any other form raises
an error with the file and the line.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator

Read = Callable[[str], str]  # Returns the text of a file, or raises KeyError.


class CannotBundle(ValueError):
    """A file has a form that this module does not know, or imports a missing file."""


class _Source:
    """A file. `code` is its text with blanks in place of comments, strings and replaced text."""

    def __init__(self, name: str, text: str, non_code: re.Pattern[str]) -> None:
        self.name, self.text = name, text
        self.code = non_code.sub(_blank, text)

    def each(self, pattern: re.Pattern[str]) -> Iterator[re.Match[str]]:
        """Yield each match. The caller must replace it, or the iteration never ends."""
        while found := pattern.search(self.code):
            yield found

    def replace(self, found: re.Match[str], new: str = "") -> None:
        start, end = found.span()
        new += "\n" * found[0].count("\n")  # Lines keep their numbers.
        self.text = self.text[:start] + new + self.text[end:]
        self.code = self.code[:start] + re.sub(r"[^\n]", " ", new) + self.code[end:]

    def imported(self, found: re.Match[str], read: Read, above: tuple[str, ...] = ()) -> str:
        """Return the name of the imported file.

        The files of `above` import this one. Importing one of them would be a circle.
        """
        path = self.text[slice(*found.span("path"))]
        name = posixpath.normpath(posixpath.join(posixpath.dirname(self.name), path))
        if self.code[: found.start()].strip() and above:
            raise self.error(found, "Imports come before all other code.")
        if name in above:
            raise self.error(found, f"{name} is imported in a circle.")
        try:
            read(name)
        except KeyError:
            raise self.error(found, f"There is no file {name}.") from None
        return name

    def refuse(self, pattern: re.Pattern[str]) -> None:
        """Raise CannotBundle at the first match."""
        for found in pattern.finditer(self.code):
            raise self.error(found, f"{found[0]} is not understood here, or not in this form.")

    def error(self, found: re.Match[str], why: str) -> CannotBundle:
        line = self.code.count("\n", 0, found.start()) + 1
        return CannotBundle(f"{self.name}, line {line}: {why}")


def _blank(found: re.Match[str]) -> str:
    blank = re.sub(r"[^\n]", " ", found[0])
    return f"§{blank[1:-1]}§" if found[0][0] in "\"'" else blank


# -- scripts -------------------------------------------------------------------------------

# Comments, strings and regular expressions. A slash begins a regular expression only after code
# that cannot end a value.
_NON_CODE_JS = re.compile(
    r"""//[^\n]* | /\*.*?\*/ | "(?:\\.|[^"\\\n])*" | '(?:\\.|[^'\\\n])*' | `(?:\\.|[^`\\])*`
    | (?:(?<=[(\[,=:!&|?{};>]) | (?<=[(\[,=:!&|?{};>]\ ) | (?<=\breturn\ ))
      /(?![*/])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\[\n])+/""",
    re.DOTALL | re.VERBOSE,
)
_IMPORT = re.compile(r"^import\s+(?:\{(?P<names>[^{}]*)\}\s*from\s*)?§(?P<path> *)§;", re.M)
_EXPORT = re.compile(r"^export (?=(?:(?:async )?function\*?|class|const) ([\w$]+)( =|[ (]))", re.M)
_WORKER = re.compile(r"new URL\(§(?P<path> *)§, import\.meta\.url\)")
# A remaining quotation mark has no partner: the pattern above has taken code for a string.
_UNKNOWN = re.compile(r"(?<![\w$.])(?:import|export)\b(?!:)|[\"'`]|\$(?:import|made|modules)\b")
_AWAIT = re.compile(r"\bawait\b")

_SCRIPT = """\
// Made by collectstatic. Each module is a function with its name as the key.

const $made = {{}};
const $import = (name) => ($made[name] ??= $modules[name]());
const $modules = {{
{modules}
}};
$import({start});
"""


def script(entry: str, read: Read) -> str:
    """Return a script with the module `entry` and its imports, which run in the order of imports.

    If a module starts a worker, the same script contains the worker's module. The script detects
    whether it runs in a page or in a worker.
    """
    modules = _Modules(read)
    modules.add(entry)
    start = f'"{entry}"'
    for worker in list(modules.workers):
        modules.add(worker)
        start = f'typeof WorkerGlobalScope === "undefined" ? {start} : "{worker}"'
    return _SCRIPT.format(modules="\n\n".join(modules.functions), start=start)


class _Modules:
    def __init__(self, read: Read) -> None:
        self._read = read
        self._exports: dict[str, list[str]] = {}
        self.functions: list[str] = []
        self.workers: set[str] = set()

    def add(self, name: str, above: tuple[str, ...] = ()) -> None:
        if name in self._exports:
            return
        source = _Source(name, self._read(name), _NON_CODE_JS)
        for found in source.each(_IMPORT):
            source.replace(found, self._import(source, found, (*above, name)))
        exports = self._exports[name] = []
        for found in source.each(_EXPORT):
            exports.append(found[1])
            source.replace(found)
        for found in source.each(_WORKER):
            self.workers.add(source.imported(found, self._read))
            if len(self.workers) > 1:
                raise source.error(found, "There can be one worker in a file.")
            source.replace(found, "import.meta.url")
        source.refuse(_UNKNOWN)
        for found in _AWAIT.finditer(source.code):
            before = source.code[: found.start()]
            if before.count("{") == before.count("}"):
                raise source.error(found, "await needs a function with braces around it.")
        returned = ", ".join(exports)
        self.functions.append(f'"{name}": () => {{\n{source.text}\nreturn {{ {returned} }};\n}},')

    def _import(self, source: _Source, found: re.Match[str], above: tuple[str, ...]) -> str:
        target = source.imported(found, self._read, above)
        self.add(target, above)
        pairs = [each.split(" as ") for each in re.findall(r"[\w$][^,]*", found["names"] or "")]
        for name, *_ in pairs:
            if name.strip() not in self._exports[target]:
                raise source.error(found, f"{target} exports no {name.strip()}.")
        bindings = ", ".join(": ".join(map(str.strip, pair)) for pair in pairs)
        return f'{f"const {{ {bindings} }} = " if bindings else ""}$import("{target}");'


# -- stylesheets ---------------------------------------------------------------------------

_NON_CODE_CSS = re.compile(r"""/\*.*?\*/|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'""", re.DOTALL)
_SHEET = re.compile(r"^@import §(?P<path> *)§;", re.M)
_UNKNOWN_RULE = re.compile(r"@(?:import|charset|namespace)\b|[\"']")
_URL = re.compile(r"\burl\(")
_SELF_CONTAINED = re.compile(r"url\([\"']?(?:data:|#)")


def stylesheet(entry: str, read: Read, above: tuple[str, ...] = ()) -> str:
    """Return the stylesheet `entry`, preceded by the stylesheets that it imports."""
    source = _Source(entry, read(entry), _NON_CODE_CSS)
    sheets = []
    for found in source.each(_SHEET):
        name = source.imported(found, read, (*above, entry))
        sheets.append(stylesheet(name, read, (*above, entry)))
        source.replace(found)
    source.refuse(_UNKNOWN_RULE)
    for found in _URL.finditer(source.code):
        if above and not _SELF_CONTAINED.match(source.text, found.start()):
            raise source.error(found, "An imported stylesheet can only have url() with data:.")
    return "\n".join([*sheets, f"/* {entry} */", source.text.strip(), ""])
