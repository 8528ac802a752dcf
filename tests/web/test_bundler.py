"""Bundled modules: each runs once, after its imports; lazy ones import the shared from the page's script."""

import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
from playwright._impl._driver import compute_driver_executable
from rjsmin import jsmin

from app.config import Settings
from app.web.assets.bundler import Bundler
from app.web.assets.routes import AssetBundle
from app.web.i18n import script_in_english
from tests.wording import HAN, in_script
from web_app import create_app

JS = Path(__file__).parents[2] / "static/js"
SMALL = {
    "frame.js": 'import { add } from "./sums.js";\nadd(1);\n',
    "sums.js": "let total = 0;\nexport function add(n) {\n  total += n;\n  return total;\n}\n",
    "pages/a.js": (
        'import { add as plus } from "../sums.js";\n'
        "globalThis.seen = [plus(10)];\n"
        'const { more } = await import("../late/more.js");\n'
        'const { other } = await import("../late/other.js");\n'
        "globalThis.seen.push(more(), other(), plus(0));\n"
    ),
    "late/more.js": (
        'import { add } from "../sums.js";\nimport { both } from "./both.js";\n'
        "export function more() {\n  both();\n  return add(100);\n}\n"
    ),
    "late/other.js": 'import { both } from "./both.js";\nexport const other = () => both();\n',
    "late/both.js": "let calls = 0;\nexport const both = () => (calls += 1);\n",
}
_SAYS_NO_LITERAL = re.compile(r"(?<!function )(?<![\w.])_\((?!\s*\")")  # which could not be translated
ENTRIES = ["frame.js", "pages/a.js"]


def joiner(modules: Mapping[str, str] = SMALL) -> Bundler:
    return Bundler(
        modules, lambda page, late: f"./{(late or page).replace('/', '-').removesuffix('.js')}.mjs"
    )


def test_a_bundle_holds_every_dependency_before_its_user() -> None:
    text = joiner().page("a", ENTRIES)
    order = re.findall(r"^const (\$\w+) = \(\(\)|^\((async)", text, re.MULTILINE)
    names = [name or "the page" for name, _ in order]
    assert sorted(names) == ["$frame", "$late_both", "$sums", "the page"]
    assert names.index("$sums") < names.index("$frame") < names.index("the page")


def test_a_module_may_be_imported_for_what_it_does() -> None:
    modules = {"pages/a.js": 'import "../sums.js";\nsum();\n', "sums.js": "globalThis.sum = () => 1;\n"}
    text = joiner(modules).page("a", ["pages/a.js"])
    assert text.index("globalThis.sum") < text.index("sum();")
    assert "import" not in text


def test_modules_shared_by_two_late_bundles_belong_to_the_page_and_run_once() -> None:
    for late in ("late/more.js", "late/other.js"):
        assert "const $late_both = " not in joiner().lazy_chunk("a", ENTRIES, late)


def test_late_modules_imported_by_late_modules_are_found() -> None:
    modules = {
        **SMALL,
        "late/other.js": 'export const other = () => import("./deep.js");\n',
        "late/deep.js": "",
    }
    assert joiner(modules).lazy_modules(ENTRIES) == ["late/deep.js", "late/more.js", "late/other.js"]


@pytest.mark.parametrize("path", sorted(JS.glob("**/*.js")), ids=lambda p: str(p.relative_to(JS)))
def test_every_module_uses_the_supported_import_and_export_syntax(path: Path) -> None:
    for line in path.read_text("utf-8").splitlines():
        if line.startswith("import "):
            assert re.fullmatch(r'import (\{ [^}]+ \} from )?"\.[^"]+";', line)
        if line.startswith("export "):
            assert re.match(r"export ((async )?function|class|const) \w+", line)
        assert not re.search(r"\bimport\((?!\"\.)", line)


@pytest.mark.parametrize("page", ["shell", *sorted(path.stem for path in (JS / "pages").glob("*.js"))])
def test_minifying_a_page_keeps_its_syntax_tree(page: str) -> None:
    """Every literal included: rjsmin is a regular expression, not a parser."""
    entries = ["ui/shell.js", *([f"pages/{page}.js"] if page != "shell" else [])]
    bundler = joiner(
        {path.relative_to(JS).as_posix(): path.read_text("utf-8") for path in JS.glob("**/*.js")}
    )
    bundles = [
        bundler.page(page, entries),
        *(bundler.lazy_chunk(page, entries, module) for module in bundler.lazy_modules(entries)),
    ]
    for text in bundles:
        minified = jsmin(text)
        assert len(minified) < len(text)
        assert syntax_tree(minified) == syntax_tree(text)


def syntax_tree(script: str) -> str:
    """The syntax tree of a script without positions, as JSON, by the parser inside Playwright's Node."""
    node, _ = compute_driver_executable()
    done = subprocess.run(
        [node, "--expose-internals", "-e", _PARSE], input=script.encode(), capture_output=True, check=True
    )
    return done.stdout.decode()


_PARSE = """
const { parse } = require("internal/deps/acorn/acorn/dist/acorn");
const text = require("fs").readFileSync(0, "utf8");
const tree = parse(text, { ecmaVersion: "latest", sourceType: "module" });
console.log(JSON.stringify(tree, (key, value) => (key === "start" || key === "end" ? undefined : value)));
"""


def test_no_two_modules_import_each_other() -> None:
    modules = {path.relative_to(JS).as_posix(): path.read_text("utf-8") for path in JS.glob("**/*.js")}

    def needs(path: str) -> list[str]:
        found = re.findall(r'^import (?:.* from )?"(\.[^"]+)";', modules[path], re.MULTILINE)
        return [(JS / path).parent.joinpath(target).resolve().relative_to(JS).as_posix() for target in found]

    def walk(path: str, above: tuple[str, ...]) -> None:
        assert path not in above, (*above, path)
        for needed in needs(path):
            walk(needed, (*above, path))

    for path in modules:
        walk(path, ())


def test_templates_reference_bundles_by_page_name_only() -> None:
    for path in (JS.parents[1] / "templates").glob("**/*.html"):
        named = re.findall(r"filename='((?:js|css)/[^']+)'", path.read_text("utf-8"))
        assert set(named) <= {"js/theme.js"}, path.name  # separate, because it runs before the first paint


@pytest.mark.parametrize("path", sorted(JS.glob("**/*.js")), ids=lambda p: str(p.relative_to(JS)))
def test_the_english_bundle_has_no_chinese_sentence(path: Path) -> None:
    text = path.read_text("utf-8")
    left = in_script(script_in_english(text), "")
    assert [found.text for found in left if HAN.search(found.text)] == []
    assert not _SAYS_NO_LITERAL.search(text)


def test_bundle_names_are_stable() -> None:
    assert AssetBundle(JS.parent).version == AssetBundle(JS.parent).version


def test_a_page_from_before_an_update_gets_no_mixed_script_versions(settings: Settings) -> None:
    client = create_app(settings).test_client()
    version = AssetBundle(JS.parent).version
    late = "batch/batch/late.js"
    assert client.get(f"/assets/{version}/en/{late}").status_code == 200
    answer = client.get(f"/assets/000000000000/en/{late}")
    assert (answer.status_code, "请刷新页面" in answer.text) == (404, True)
    assert client.get("/assets/000000000000/en/batch.js").status_code == 200
