"""Bundled modules: each runs once, after its imports; the late script imports the shared from the page's."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from playwright._impl._driver import compute_driver_executable
from rjsmin import jsmin

from app.web.assets.bundler import Bundler
from app.web.assets.routes import AssetBundle
from app.web.i18n import script_in_english
from tools.wording import HAN, in_script

JS = Path(__file__).parents[2] / "static/js"
SMALL = {
    "frame.js": 'import { add } from "./sums.js";\nadd(1);\n',
    "sums.js": "let total = 0;\nexport function add(n) {\n  total += n;\n  return total;\n}\n",
    "pages/a.js": (
        'import { add as plus } from "../sums.js";\n'
        "globalThis.seen = [plus(10)];\n"
        'import("../late/more.js").then(({ more }) => globalThis.seen.push(more(), plus(0)));\n'
    ),
    "late/more.js": (
        'import { add } from "../sums.js";\nimport { both } from "./both.js";\n'
        "export function more() {\n  return add(100) + both();\n}\n"
    ),
    "late/both.js": "let calls = 0;\nexport const both = () => (calls += 1);\n",
}
_SAYS_NO_LITERAL = re.compile(r"(?<!function )(?<![\w.])_\((?!\s*\")")  # which could not be translated
ENTRIES = ["frame.js", "pages/a.js"]
PAGE = ["ui/shell.js", "pages/batch.js"]


@pytest.fixture(scope="module")
def modules() -> dict[str, str]:
    """Every script of the product: path -> text."""
    return {path.relative_to(JS).as_posix(): path.read_text("utf-8") for path in JS.glob("**/*.js")}


def test_a_bundle_holds_every_dependency_before_its_user() -> None:
    text = Bundler(SMALL).page(ENTRIES, str)
    order = re.findall(r"^const (\$\w+) = \(\(\)|^\((async)", text, re.MULTILINE)
    assert [name or page for name, page in order] == ["$sums", "$frame", "async"]


def test_the_late_script_holds_only_what_the_page_does_not() -> None:
    text = Bundler(SMALL).late(ENTRIES, "late/more.js", "./a.mjs")
    assert re.findall(r"^const (\$\w+) = \(\(\)", text, re.MULTILINE) == ["$late_both", "$late_more"]
    assert text.startswith('import { $sums } from "./a.mjs";\n')


def test_late_scripts_of_a_page_share_no_module_but_those_of_the_page(modules: dict[str, str]) -> None:
    bundler = Bundler(modules)
    late_ones = bundler.late_modules(PAGE)
    assert late_ones == [
        "ui/lists.js",
        "delivery/dialog.js",
        "recipes/dialog.js",
        "retouch/dialog.js",
        "table/gallery.js",
        "table/picture_rows.js",
        "table/table_import.js",
        "table/sets.js",
        "table/edit_tools.js",
        "table/budget_form.js",
        "rounds/dialog.js",
        "table/commands.js",
        "table/takeover.js",
    ]
    included = [
        re.findall(r"^const (\$\w+) = \(\(\)", bundler.late(PAGE, module, "page"), re.MULTILINE)
        for module in late_ones
    ]
    names = [name for of in included for name in of]
    assert sorted(names) == sorted(set(names))
    assert not any('import("' in modules[path] for path in late_ones)


def test_every_module_uses_the_supported_import_and_export_syntax(modules: dict[str, str]) -> None:
    for path, text in modules.items():
        for line in text.splitlines():
            if line.startswith("import "):
                assert re.fullmatch(r'import (\{ [^}]+ \} from )?"\.[^"]+";', line), path
            if line.startswith("export "):
                assert re.match(r"export ((async )?function|class|const) \w+", line), path
            assert not re.search(r"\bimport\((?!\"\.)", line), path


def test_minifying_keeps_the_syntax_tree_of_every_page(modules: dict[str, str]) -> None:
    """Every literal included: rjsmin is a regular expression, not a parser."""
    bundler, bundles = Bundler(modules), set[str]()
    for page in (path for path in modules if path.startswith("pages/")):
        entries = ["ui/shell.js", page]
        bundles.add(bundler.page(entries, str))
        bundles |= {bundler.late(entries, module, "page") for module in bundler.late_modules(entries)}
    minified = [jsmin(text) for text in bundles]
    assert sum(map(len, minified)) < sum(map(len, bundles))
    assert have_equal_trees([*bundles], minified)


def test_no_script_has_a_template_in_a_template(modules: dict[str, str]) -> None:
    """Until rjsmin keeps the blanks of the inner one, as the first lines would tell."""
    nested = "a(`${b(`c  d`)}`)"
    assert not have_equal_trees([nested], [jsmin(nested)])
    assert run_node(_NESTED, {**modules, "nested": nested}) == ["nested"]


def have_equal_trees(scripts: list[str], others: list[str]) -> bool:
    """Whether scripts have equal syntax trees but for positions, by the parser inside Playwright's Node."""
    return bool(run_node(_COMPARE, [scripts, others]))


def run_node(program: str, given: object) -> Any:
    """What a program that is given this makes of it, with parse(script)."""
    node, _ = compute_driver_executable()
    done = subprocess.run(
        [node, "--expose-internals", "-e", _PARSER + program],
        input=json.dumps(given).encode(),
        capture_output=True,
        check=True,
    )
    return json.loads(done.stdout)


_PARSER = """
const acorn = require("internal/deps/acorn/acorn/dist/acorn");
const parse = (text) => acorn.parse(text, { ecmaVersion: "latest", sourceType: "module" });
const given = JSON.parse(require("fs").readFileSync(0, "utf8"));
"""
_COMPARE = """
const isPosition = (key) => key === "start" || key === "end";
const tree = (text) => JSON.stringify(parse(text), (key, value) => (isPosition(key) ? undefined : value));
const [scripts, others] = given;
console.log(scripts.every((text, at) => tree(text) === tree(others[at])));
"""
_NESTED = """
const hasNested = (node, isInside = false) => {
  if (node === null || typeof node !== "object") return false;
  const isTemplate = node.type === "TemplateLiteral";
  if (isTemplate && isInside) return true;
  return Object.values(node).some((part) => hasNested(part, isInside || isTemplate));
};
console.log(JSON.stringify(Object.keys(given).filter((name) => hasNested(parse(given[name])))));
"""


def test_no_two_modules_import_each_other(modules: dict[str, str]) -> None:
    checked = set[str]()

    def needs(path: str) -> list[str]:
        found = re.findall(r'^import (?:.* from )?"(\.[^"]+)";', modules[path], re.MULTILINE)
        return [(JS / path).parent.joinpath(target).resolve().relative_to(JS).as_posix() for target in found]

    def walk(path: str, above: tuple[str, ...]) -> None:
        assert path not in above, (*above, path)
        if path not in checked:
            for needed in needs(path):
                walk(needed, (*above, path))
            checked.add(path)

    for path in modules:
        walk(path, ())


def test_templates_reference_bundles_by_page_name_only() -> None:
    for path in (JS.parents[1] / "templates").glob("**/*.html"):
        named = re.findall(r"filename='((?:js|css)/[^']+)'", path.read_text("utf-8"))
        assert set(named) <= {"js/theme.js"}, path.name  # separate, because it runs before the first paint


def test_the_english_bundle_has_no_chinese_sentence(modules: dict[str, str]) -> None:
    left = [found.text for text in modules.values() for found in in_script(script_in_english(text), "")]
    assert [text for text in left if HAN.search(text)] == []
    assert [name for name, text in modules.items() if _SAYS_NO_LITERAL.search(text)] == []


def test_bundle_names_are_stable() -> None:
    bundle = AssetBundle(JS.parent)
    assert type(bundle)(JS.parent).version == bundle.version


def test_a_page_from_before_an_update_gets_no_mixed_script_versions(module_client: FlaskClient) -> None:
    version = AssetBundle(JS.parent).version
    late = "batch/table/commands.js"
    assert module_client.get(f"/assets/{version}/en/{late}").status_code == 200
    answer = module_client.get(f"/assets/000000000000/en/{late}")
    assert (answer.status_code, "请刷新页面" in answer.text) == (404, True)
    assert module_client.get("/assets/000000000000/en/batch.js").status_code == 200
