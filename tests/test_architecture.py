"""The structure: direction of imports, one importer per library, sizes."""

import ast
import functools
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

DATABASE = ("app.engine", "app.core", "app.migrations")
ROOT = Path(__file__).parents[1]
TOP_LEVEL = ("web_app", "database", "generator", "oss_client")

# Package or top-level module -> what it may import besides itself; see docs/architecture.md.
_BASE = {"app.errors", "app.setting", "app.config", "app.domain", "app.system"}
_BELOW_CONFIG = _BASE - {"app.config"}
MAY_IMPORT = {
    "app.errors": set(),
    "app.setting": {"app.errors"},
    "app.config": {"app.errors", "app.setting", "app.providers", "app.system"},
    "app.env_file": {"app.errors", "app.config", "app.system"},
    "app.domain": {"app.errors"},
    "app.log": {"app.domain"},
    "app.system": {"app.errors", "app.setting"},
    "app.engine": {"app.errors", "app.domain", "app.system"},
    "app.core": {"app.errors", "app.domain", "app.system", "app.engine"},
    "app.migrations": {"app.errors", "app.domain", "app.system", "app.engine", "app.core"},
    "app.providers": _BELOW_CONFIG | {"app.images"},
    "app.images": _BELOW_CONFIG,
    "app.sheets": {"app.errors", "app.domain", "app.system"},
    "app.delivery": _BASE | {"app.images", "app.library", "app.sheets", "app.tables", "app.web", "database"},
    "app.rounds": _BASE
    | {"app.delivery", "app.images", "app.log", "app.sheets", "app.tables", "app.web", "database"},
    "app.people": _BASE | {"app.web", "database"},
    "app.settings": _BASE | {"app.env_file", "app.library", "app.log", "app.web", "database", "generator"},
    "app.usage": _BASE | {"app.orders", "app.sheets", "app.web", "database"},
    "app.samples": _BASE | {"app.images", "app.library", "app.web", "database"},
    "app.library": _BASE | {"app.images", "oss_client"},
    "database": {"app.engine", "app.core", "app.migrations"},
    "generator": _BASE | {"app.providers"},
    "oss_client": _BASE,
    "app.tables": _BASE | {"app.orders", "app.sheets", "database"},
    "app.orders": _BASE | {"app.images", "app.library", "database"},
    "app.notifications": _BASE | {"app.log", "database", "generator"},
    "app.worker": _BASE
    | {"app.log", "app.images", "app.library", "app.notifications", "database", "generator"},
    "app.runtime": _BASE | {"app.library", "app.notifications", "app.worker", "database"},
    "app.web": _BASE
    | {
        "app.env_file",
        "app.log",
        "app.images",
        "app.library",
        "app.orders",
        "app.runtime",
        "app.sheets",
        "app.tables",
        "app.worker",
        "database",
    },
    "app.cli": _BASE | {"app.cli_words", "app.images", "app.library", "app.people", "database"},
    "app.cli_words": {"app.config", "app.domain", "database"},
    "web_app": _BASE
    | {
        *("app.env_file", "app.log", "app.images", "app.runtime", "app.web", "app.delivery"),
        *("app.rounds", "app.people", "app.samples", "app.settings", "app.usage", "database", "generator"),
    },
}

# Complete rooms: web_app registers what they serve, and the request is seen in these modules of them alone.
RIM = ("app.delivery", "app.people", "app.rounds", "app.samples", "app.settings", "app.usage")
SERVING = ("api", "login", "page")
IN_RIM = {
    "web_app": {*(f"{room}.{name}" for room in RIM for name in SERVING), "app.people.access"},
    "app.cli": {"app.people.sql"},
    "app.rounds": {"app.delivery.archive", "app.delivery.plan"},
}

# Foreign library -> the packages or modules that may import it.
ONLY_IN = {
    "flask": {
        *("app.web", "web_app"),
        *(f"{room}.{name}" for room in RIM for name in SERVING),
        "app.people.access",
    },
    "segno": {"app.rounds.api"},
    "babel": {"app.web"},
    "waitress": {"app.system.http_server"},
    "wakepy": {"app.system.process"},
    "rjsmin": {"app.web.assets.routes"},
    "zipstream": {"app.web.downloads", "app.web.zip_stream", "app.delivery.archive"},
    "sqlite3": {*DATABASE, "database"},
    "psycopg": {"app.engine"},
    "requests": {"app.providers"},
    "PIL": {
        *("app.images.cutout", "app.images.decode", "app.images.finishing", "app.images.ground"),
        *("app.images.masks", "app.images.fonts", "app.images.previews"),
        "app.images.demo_picture",
    },
    "oss2": {"oss_client"},
    "openpyxl": {"app.sheets"},
    "python_calamine": {"app.sheets.calamine_process"},
    "dotenv": {"app.config", "app.env_file"},
}


def product_files() -> list[Path]:
    return [*(ROOT / f"{name}.py" for name in TOP_LEVEL), *sorted((ROOT / "app").glob("**/*.py"))]


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def unit_of(module: str) -> str:
    """``app.core.queue.claim`` -> ``app.core``: a package of ``app``, or a module at top level."""
    return ".".join(module.split(".")[: 2 if module.startswith("app.") else 1])


@functools.cache
def trees() -> dict[str, ast.Module]:
    """Each module of the product, parsed."""
    return {module_of(path): ast.parse(path.read_text("utf-8")) for path in product_files()}


@functools.cache
def imports(tree: ast.Module) -> set[str]:
    names = {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"app.{a.name}" for a in node.names} if node.module == "app" else {node.module}
    return names


def test_imports_point_in_one_direction() -> None:
    assert [
        (module, name)
        for module, name in imported_names()
        if unit_of(name) in MAY_IMPORT
        and unit_of(name) not in {unit_of(module)} | MAY_IMPORT.get(unit_of(module), set())
    ] == []


def test_no_two_packages_may_import_each_other() -> None:
    assert [(one, two) for one, may in MAY_IMPORT.items() for two in may if one in MAY_IMPORT[two]] == []


def test_a_room_of_the_rim_is_imported_where_it_is_registered_and_imports_no_other() -> None:
    assert [
        (module, name)
        for module, name in imported_names()
        if unit_of(name) in {*RIM} - {unit_of(module)} and name not in IN_RIM.get(unit_of(module), ())
    ] == []


def test_rooms_of_the_rim_read_the_request_in_their_api_and_page_alone() -> None:
    ways = {"connection", "services", "picture_notes"}
    readers = modules_with(
        lambda node: (
            isinstance(node, ast.ImportFrom)
            and node.module == "app.web.services"
            and not ways.isdisjoint(name.name for name in node.names)
        )
    )
    assert [name for name in readers if unit_of(name) in RIM and name.split(".")[2] not in SERVING] == []


def test_a_class_of_a_room_of_the_rim_shares_its_name_with_no_other() -> None:
    names = Counter(
        (node.name, unit_of(module) in RIM)
        for module, tree in trees().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef)
    )
    assert [name for (name, is_of_rim), n in names.items() if is_of_rim and n + names[name, False] > 1] == []


def test_no_modules_of_the_database_import_each_other_in_a_circle() -> None:
    """Imports inside functions count too."""
    left = {name: database_imports(name, tree) for name, tree in trees().items() if name.startswith(DATABASE)}
    while ends := [name for name, found in left.items() if not found & left.keys()]:
        left = {name: found for name, found in left.items() if name not in ends}
    assert left == {}


def test_the_packages_of_the_core_import_each_other_in_one_direction() -> None:
    below = ("records", "money", "queue", "orders", "tables")  # the lower first
    core = [(name.split("."), tree) for name, tree in trees().items() if name.count(".") == 3]
    assert [
        (".".join(module), imported)
        for module, tree in core
        if module[1] == "core"
        for imported in imports(tree)
        if imported.startswith("app.core.") and imported.count(".") == 3
        if below.index(imported.split(".")[2]) > below.index(module[2])
    ] == []


def database_imports(module: str, tree: ast.Module) -> set[str]:
    """The modules of the database that it imports, but the packages that it is in."""
    found = {
        f"{node.module}.{name.name}" if f"{node.module}.{name.name}" in trees() else node.module or ""
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for name in node.names
    }
    return {name for name in found if name.startswith(DATABASE) and not f"{module}.".startswith(f"{name}.")}


def test_records_are_queued_by_orders_that_are_placed_and_by_the_queue_alone() -> None:
    writers = ("insert_pictures", "queue_records_again", "requeue_as_they_are", "cancel_bought")
    assert modules_with(lambda node: getattr(node, "attr", "") in writers) == ["app.orders.place"]
    assigned = re.compile(r"status = '(?:queued|held)',")
    files = [path for path in product_files() if assigned.search(path.read_text("utf-8"))]
    assert [module_of(path) for path in files] == ["app.core.orders.orders", "app.core.queue.ends"]


def test_each_foreign_library_is_imported_in_one_place() -> None:
    assert [
        (module, name)
        for module, name in imported_names()
        if not {module, unit_of(module)} & ONLY_IN.get(name.split(".")[0], {module})
    ] == []


def test_the_product_imports_no_tools_and_tools_import_no_tests() -> None:
    assert [
        found for found in imported_names() if found[1].split(".")[0] in {"bench", "tests", "tools"}
    ] == []
    files = [path for name in ("bench", "tools") for path in (ROOT / name).glob("**/*.py")]
    importing = re.compile(r"^\s*(?:from|import) tests\b", re.MULTILINE)
    assert [path for path in files if importing.search(path.read_text("utf-8"))] == []


def imported_names() -> list[tuple[str, str]]:
    """(module, what it imports) of the product."""
    return [(module, name) for module, tree in trees().items() for name in imports(tree)]


def test_the_top_level_holds_nothing_else() -> None:
    assert {path.stem for path in ROOT.glob("*.py")} == set(TOP_LEVEL)
    assert {unit_of(module) for module in trees()} - {"app"} == set(MAY_IMPORT)


# Package -> what else a test of it may drive it by; those of the web and of rooms of the rim, by addresses.
DRIVEN_BY = {
    **dict.fromkeys(DATABASE, ("database", "app.core")),
    "app.library": ("oss_client", "app.runtime"),
    "app.orders": ("tests.web.harness",),
    "app.providers": ("tests.harness", "tests.providers"),
    "app.sheets": ("tests.sheets", "tools.workbooks"),
    "app.worker": ("app.runtime", "tests.harness", "tests.web.harness", "tools.server_process"),
}


def test_tests_are_where_what_they_test_is() -> None:
    files = (ROOT / "tests").glob("*/**/test_*.py")
    assert [
        path for path in files if path.parent.name not in ("browser", "js") and not is_in_place(path)
    ] == []


def is_in_place(test: Path) -> bool:
    """Whether it lies under the folder of a package that it imports, or drives."""
    package = ".".join(("app", *test.relative_to(ROOT).parts[1:-1]))
    tree = ast.parse(test.read_text("utf-8"))
    ways = tuple(f"{name}." for name in (package, *DRIVEN_BY.get(unit_of(package), ())))
    asks = unit_of(package) in ("app.web", *RIM) and any(
        isinstance(node, ast.Constant) and str(node.value).startswith("/") for node in ast.walk(tree)
    )
    is_package = (ROOT / package.replace(".", "/")).is_dir()
    return is_package and (asks or any(f"{name}.".startswith(ways) for name in imports(tree)))


def test_threads_start_and_bare_exceptions_are_caught_in_the_worker_and_settings_are_read_in_config() -> None:
    starts = modules_with(lambda node: isinstance(node, ast.Call) and named(node.func, "Thread"))
    assert starts == ["app.engine.links", *WORKER]  # the first to ask a silent server
    assert modules_with(catches_everything) == WORKER
    assert modules_with(reads_environment) == ["app.config"]


WORKER = ["app.worker.threads"]


def test_one_module_builds_what_a_process_works_with() -> None:
    parts = {"Worker", "Library", "Outputs", "Engines", "ConnectionPool", "open_guard", "Pipeline"}
    parts |= {"Maintenance", "Peers", "Notifier", "DiskSpace", "Threads"}
    built = modules_with(lambda node: isinstance(node, ast.Call) and any(named(node.func, p) for p in parts))
    assert built == ["app.runtime"]


def modules_with(is_wanted: Callable[[ast.AST], bool]) -> list[str]:
    return [module for module, tree in trees().items() if any(map(is_wanted, ast.walk(tree)))]


def named(node: ast.AST, name: str) -> bool:
    """Whether this is that name, alone or as an attribute."""
    return getattr(node, "attr", getattr(node, "id", None)) == name


def reads_environment(node: ast.AST) -> bool:
    if isinstance(node, ast.ImportFrom) and node.module == "os":
        return any(imported.name in ("environ", "getenv") for imported in node.names)
    return isinstance(node, ast.Attribute) and ast.unparse(node) in ("os.environ", "os.getenv")


def catches_everything(node: ast.AST) -> bool:
    caught = node.type if isinstance(node, ast.ExceptHandler) else None
    kinds = caught.elts if isinstance(caught, ast.Tuple) else [caught]
    return any(kind is not None and named(kind, "Exception") for kind in kinds)


def test_each_module_has_a_docstring() -> None:
    assert [module for module, tree in trees().items() if not ast.get_docstring(tree)] == []


def test_templates_hold_no_inline_code_or_style() -> None:
    templates = sorted((ROOT / "templates").glob("**/*.html"))
    assert [path for path in templates if has_inline_code(path.read_text("utf-8"))] == []


def has_inline_code(text: str) -> bool:
    handlers = [word for word in text.split() if word.startswith("on") and "=" in word and '"' in word]
    scripts = [part.partition(">") for part in text.split("<script")[1:]]
    inline = [
        opening
        for opening, _, rest in scripts
        if "application/json" not in opening and not ("src=" in opening and rest.startswith("</script>"))
    ]
    return bool(handlers or inline or re.search(r" style=|<style|javascript:", text))


def test_one_script_uses_fetch_and_one_inner_html() -> None:
    scripts = {path.name: path.read_text("utf-8") for path in (ROOT / "static/js").glob("**/*.js")}
    comment = re.compile(r"/\*.*?\*/|^\s*//[^\n]*", re.DOTALL | re.MULTILINE)
    code = {name: comment.sub("", text) for name, text in scripts.items()}
    assert [name for name, text in code.items() if re.search(r"\bfetch\(", text)] == ["http.js"]
    assert [name for name, text in code.items() if re.search(r"\binnerHTML\b", text)] == ["dom.js"]


def test_the_gallery_shows_every_image_and_stays_small() -> None:
    pages = "".join(
        (ROOT / name).read_text("utf-8") for name in ("docs/gallery.md", "README.md", "docs/README.en.md")
    )
    images = list((ROOT / "docs/images").iterdir())
    assert set(re.findall(r"images/([\w.-]+\.png)", pages)) == {path.name for path in images}
    assert sum(path.stat().st_size for path in images) < 3_000_000


def test_the_map_names_every_folder_of_the_front_end_and_files_that_exist() -> None:
    text = (ROOT / "docs/architecture.md").read_text("utf-8")
    folders = [path for top in ("static/js", "static/css", "templates") for path in (ROOT / top).iterdir()]
    assert [path.name for path in folders if path.is_dir() and f"{path.name}/" not in text] == []
    assert [path.name for path in (ROOT / "static/css").glob("*.css") if path.stem not in text] == []
    named = re.findall(r"`((?:app|static|templates|docs|tests)/[\w./-]+)`", text)
    assert [path for path in named if not (ROOT / path).exists()] == []
