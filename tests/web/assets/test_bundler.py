"""Bundled modules: each runs once, after its imports; later scripts import what is shared."""

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

JS = Path(__file__).parents[3] / "static/js"
SMALL = {
    "frame.js": 'import { add } from "./sums.js";\nadd(1);\n',
    "sums.js": "let total = 0;\nexport function add(n) {\n  total += n;\n  return total;\n}\n",
    "core/lazy.js": "export const load = (loading) => loading;\n",
    "pages/a.js": (
        'import { add as plus } from "../sums.js";\n'
        "globalThis.seen = [plus(10)];\n"
        'const { more } = await import("../later/more.js");\n'
        'const { other } = await import("../later/other.js");\n'
        "globalThis.seen.push(more(), await other(), plus(0));\n"
    ),
    "later/more.js": (
        'import { both } from "./both.js";\nimport { add } from "../sums.js";\n'
        "export function more() {\n  return add(100) + both();\n}\n"
    ),
    "later/other.js": (
        'import { both } from "./both.js";\n'
        'export const other = async () => both() + (await import("./last.js")).last();\n'
    ),
    "later/last.js": 'import { both } from "./both.js";\nexport const last = () => 10 * both();\n',
    "later/both.js": "let calls = 0;\nexport const both = () => (calls += 1);\n",
}
_SAYS_NO_LITERAL = re.compile(r"(?<!function )(?<![\w.])_\((?!\s*\")")  # which could not be translated
ENTRIES = ["frame.js", "pages/a.js"]


@pytest.fixture(scope="module")
def modules() -> dict[str, str]:
    """Every script of the product: path -> text."""
    return {path.relative_to(JS).as_posix(): path.read_text("utf-8") for path in JS.glob("**/*.js")}


def test_a_bundle_holds_every_dependency_before_its_user() -> None:
    text = Bundler(SMALL).page(ENTRIES, str)
    order = re.findall(r"^const (\$\w+) = \(\(\)|^\((async)", text, re.MULTILINE)
    assert [name or page for name, page in order] == ["$sums", "$frame", "$core_lazy", "async"]


def test_what_later_scripts_share_is_one_script_unless_another_has_loaded_it() -> None:
    """last.js comes only after other.js, which has loaded both.js."""
    bundler = Bundler(SMALL)
    assert bundler.later_scripts(ENTRIES) == {
        "later/both.js": ["later/both.js"],
        "later/more.js": ["later/more.js"],
        "later/other.js": ["later/other.js"],
        "later/last.js": ["later/last.js"],
    }
    assert bundler.needed_for(ENTRIES, "later/more.js") == ["later/both.js", "later/more.js"]
    alone = {**SMALL, "pages/a.js": 'await import("../later/other.js");\n'}
    shared = {name: set(paths) for name, paths in Bundler(alone).later_scripts(ENTRIES).items()}
    assert shared == {
        "later/other.js": {"later/both.js", "later/other.js"},
        "later/last.js": {"later/last.js"},
    }


def test_a_later_script_imports_from_the_scripts_that_hold_what_it_needs() -> None:
    text = Bundler(SMALL).later(ENTRIES, "later/more.js", lambda name: f"/{name or 'page'}")
    assert re.findall(r"^const (\$\w+) = \(\(\)", text, re.MULTILINE) == ["$later_more"]
    assert text.startswith('import { $later_both } from "/later/both.js";\nimport { $sums } from "/page";\n')


def test_no_module_of_a_page_runs_twice_and_no_two_scripts_wait_for_each_other(
    modules: dict[str, str],
) -> None:
    bundler = Bundler(modules)
    for entries in entries_of(modules):
        later = bundler.later_scripts(entries)
        names = [path for paths in later.values() for path in paths]
        assert len(names) == len(set(names))
        inside = re.findall(r"^const (\$\w+) = \(\(\)", bundler.page(entries, str), re.MULTILINE)
        assert not set(inside) & {"$" + re.sub(r"\W", "_", path[:-3]) for path in names}
        needs = {
            name: set(re.findall(r'^import .* from "(.+)";', bundler.later(entries, name, str), re.M))
            for name in later
        }
        while loaded := {name for name, needed in needs.items() if not needed & needs.keys()}:
            needs = {name: needed for name, needed in needs.items() if name not in loaded}
        assert needs == {}


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
    for entries in entries_of(modules):
        bundles.add(bundler.page(entries, str))
        bundles |= {bundler.later(entries, name, str) for name in bundler.later_scripts(entries)}
    minified = [jsmin(text) for text in bundles]
    assert sum(map(len, minified)) < sum(map(len, bundles))
    assert have_equal_trees([*bundles], minified)


def test_no_script_has_a_template_in_a_template(modules: dict[str, str]) -> None:
    """Until rjsmin keeps the blanks of the inner one, as the first lines would tell."""
    nested = "a(`${b(`c  d`)}`)"
    assert not have_equal_trees([nested], [jsmin(nested)])
    assert run_node(_NESTED, {**modules, "nested": nested}) == ["nested"]


def entries_of(modules: dict[str, str]) -> list[list[str]]:
    """The entries of each page."""
    return [["ui/shell.js", path] for path in modules if path.startswith("pages/")]


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
    later = "batch/table/tools.js"
    assert module_client.get(f"/assets/{version}/en/{later}").status_code == 200
    answer = module_client.get(f"/assets/000000000000/en/{later}")
    assert (answer.status_code, "请刷新页面" in answer.text) == (404, True)
    assert module_client.get("/assets/000000000000/en/batch.js").status_code == 200
