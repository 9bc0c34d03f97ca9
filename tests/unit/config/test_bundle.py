"""Bundles are run by Node, as a browser would run them."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import playwright
import pytest
from django.contrib.staticfiles import finders

from config import bundle
from config.assets import ENTRIES
from tests.services.processes import ROOT

NODE = Path(playwright.__file__).parent / "driver" / "node"


def run(tmp_path: Path, files: dict[str, str], before: str = "") -> list[str]:
    """What the bundle of a/main.js prints."""
    path = tmp_path / "bundle.mjs"
    path.write_text(before + bundle.script("a/main.js", files.__getitem__))
    done = subprocess.run([NODE, path], check=False, capture_output=True, text=True, timeout=60)
    assert not done.returncode, f"{done.stderr}\n{path.read_text()}"
    return done.stdout.splitlines()


def static_file(name: str) -> str:
    path = finders.find(name)
    if path is None:
        raise KeyError(name)
    return Path(path).read_text()


def test_modules_run_once_before_their_importers(tmp_path):
    files = {
        "a/main.js": 'import "./first.js";\nimport "../b/second.js";\nconsole.log("main");\n',
        "a/first.js": 'import "../b/shared.js";\nconsole.log("first");\n',
        "b/second.js": 'import "./shared.js";\nconsole.log("second");\n',
        "b/shared.js": 'console.log("shared");\n',
    }

    assert run(tmp_path, files) == ["shared", "first", "second", "main"]


def test_every_export_of_a_module_can_be_imported_and_renamed(tmp_path):
    files = {
        "a/main.js": """\
import {
  answer, // of all
  later as soon,
  numbers,
  Small,
  $Great,
} from "./b.js";

console.log(answer, await_(), [...numbers()].join(), new $Great() instanceof Small);
soon().then((value) => console.log(value));
function await_() {
  return typeof soon;
}
""",
        "a/b.js": """\
export const answer = 42;
export async function later() {
  return await "late";
}
export function* numbers() {
  yield* [1, 2];
}
export class Small {}
export class $Great extends Small {}
""",
    }

    assert run(tmp_path, files) == ["42 function 1,2 true", "late"]


def test_names_of_modules_do_not_collide(tmp_path):
    files = {
        "a/main.js": 'import { get as other } from "./b.js";\n'
        "const here = 1;\nfunction get() {\n  return here;\n}\nconsole.log(get(), other());\n",
        "a/b.js": "const here = 2;\nexport function get() {\n  return here;\n}\n",
    }

    assert run(tmp_path, files) == ["1 2"]


def test_text_that_resembles_an_import_is_left_alone(tmp_path):
    main = r"""
/*
import { nothing } from "./nothing.js";
*/
// import "./nothing.js"; it's "not
const text = `
import "./nothing.js";
export default 'it`;
const quotes = "\"export {".replace(/["'`/[\]]|[/"]/g, "") + 'import "./nothing.js"; `';
const half = 4 / 2 / 1; const url = "http://example.com/*"; // "
const record = { import: 1, export: 2 };
console.log(text.length, quotes, half, url, record.import + record.export, important());
function important() {
  return /import/.test("import");
}
"""

    assert run(tmp_path, {"a/main.js": main}) == [
        '42 export {import "./nothing.js"; ` 2 http://example.com/* 3 true'
    ]


def test_worker_script_is_the_same_bundle(tmp_path):
    files = {
        "a/main.js": 'import { name } from "./b.js";\n'
        'const url = new URL("./worker.js", import.meta.url);\n'
        'console.log("page", name, String(url).endsWith("/bundle.mjs"));\n',
        "a/worker.js": 'import { name } from "./b.js";\nconsole.log("worker", name);\n',
        "a/b.js": 'export const name = "b";\n',
    }

    assert run(tmp_path, files) == ["page b true"]
    assert run(tmp_path, files, "globalThis.WorkerGlobalScope = class {};\n") == ["worker b"]


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("\nimport b from './b.js';", "line 2: import is not understood"),
        ("import * as b from './b.js';", "line 1: import is not understood"),
        ("import { b } from './b.js'", "line 1: import is not understood"),
        ("const b = () => import('./b.js');", "line 1: import is not understood"),
        ("const here = import.meta.url;", "line 1: import is not understood"),
        ("export default 1;", "line 1: export is not understood"),
        ("const a = 1;\nexport { a };", "line 2: export is not understood"),
        ("export * from './b.js';", "line 1: export is not understood"),
        ("export let a = 1;", "line 1: export is not understood"),
        ("export const { a } = {};", "line 1: export is not understood"),
        ("export const a = 1, b = 2;\nimport './b.js';", "line 2: Imports come before"),
        ("import { b, c } from './b.js';", "line 1: a/b.js exports no c."),
        ("import './c.js';", "line 1: There is no file a/c.js."),
        ("import 'b';", "line 1: There is no file a/b."),
        ("import './circle.js';", "a/circle.js, line 1: a/main.js is imported in a circle."),
        ("const a = 1;\nawait a;", "line 2: await needs a function"),
        ("for (const a of [await 1]) {\n}", "line 1: await needs a function"),
        ("const a = 'x;\nconst b = 1;", "line 1: ' is not understood"),
        ("const a = `b ${`'`} c`;", "line 1: ' is not understood"),
        ("const $import = 1;", "line 1: $import is not understood"),
        (
            'new URL("./b.js", import.meta.url);\nnew URL("./circle.js", import.meta.url);',
            "line 2: There can be one worker in a file.",
        ),
    ],
)
def test_unsupported_syntax_is_refused_with_its_line(text, why):
    files = {
        "a/main.js": text,
        "a/b.js": "export const b = 1;\n",
        "a/circle.js": 'import "./main.js";\n',
    }

    with pytest.raises(bundle.CannotBundle, match=re.escape(why)):
        bundle.script("a/main.js", files.__getitem__)


def test_stylesheet_imports_are_inlined_in_place():
    files = {
        "a/main.css": '/* "All */\n@import "css/one.css";\n@import "../b/two.css";\n\nmain {}\n',
        "a/css/one.css": '@import "zero.css";\n\n.one { content: "@import"; }\n',
        "a/css/zero.css": '.zero { background: url("data:,") }\n',
        "b/two.css": "/* @import 'x.css'; */\n.two {}\n",
    }

    found = bundle.stylesheet("a/main.css", files.__getitem__)

    assert re.findall(r"^(\S+) \{", found, re.MULTILINE) == [".zero", ".one", ".two", "main"]
    assert '@import "' not in found


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('@import url("b.css");', "line 1: @import is not understood"),
        ('@import "b.css" print;', "line 1: @import is not understood"),
        ('\nmain {}\n@import "b.css";', "line 3: Imports come before all other code."),
        ('@import "c.css";', "line 1: There is no file a/c.css."),
        ('@import "circle.css";', "a/circle.css, line 1: a/main.css is imported in a circle."),
        (
            '@import "picture.css";',
            "a/picture.css, line 2: An imported stylesheet can only have url()",
        ),
    ],
)
def test_unsupported_stylesheet_syntax_is_refused(text, why):
    files = {
        "a/main.css": text,
        "a/b.css": "b {}",
        "a/circle.css": '@import "main.css";',
        "a/picture.css": 'b {\nbackground: url("b.png") }',
    }

    with pytest.raises(bundle.CannotBundle, match=re.escape(why)):
        bundle.stylesheet("a/main.css", files.__getitem__)


@pytest.mark.parametrize("entry", [each for each in ENTRIES if each.endswith(".js")])
def test_bundled_scripts_are_valid_for_node(entry, tmp_path):
    path = tmp_path / "bundle.mjs"

    path.write_text(bundle.script(entry, static_file))

    done = subprocess.run([NODE, "--check", path], check=False, capture_output=True, text=True)
    assert not done.returncode, done.stderr


def test_failing_part_of_a_page_stops_no_other(tmp_path):
    # A page on which no part finds what it expects.
    before = """
let asked = 0;
globalThis.document = { title: "", querySelector: () => ((asked += 1), {}) };
globalThis.reportError = () => console.log("reported");
process.on("exit", () => console.log(asked >= 7 ? "all were asked for" : asked));
"""
    path = tmp_path / "bundle.mjs"
    path.write_text(before + bundle.script("exports/page.js", static_file))

    done = subprocess.run([NODE, path], check=False, capture_output=True, text=True, timeout=60)

    assert not done.returncode, done.stderr
    assert done.stdout.splitlines() == ["reported"] * 7 + ["all were asked for"]


def test_pages_load_bundle_entries_only():
    """Anything else would be loaded with its imports, one by one, without hashes."""
    templates = [
        path
        for app in ("demo", "exports", "notifications", "templates")
        for path in (ROOT / app).rglob("*.html")
    ]
    loaded = {
        name
        for path in templates
        for name in re.findall(
            r"""\{% static ["'](exports/[^"']+|notifications/[^"']+)""", path.read_text()
        )
    }

    assert "exports/page.js" in loaded
    assert {
        name for name in loaded if name.endswith(".js") or "@import" in static_file(name)
    } == set(ENTRIES)
