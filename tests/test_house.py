"""The house rules that a machine can keep: who imports whom, and one door for each foreign library."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = {"image_models", "storage", "picture_files", "sheets", "sample_library", "web"}

# Room -> the rooms it may know. A package behind a face may also know its own files.
_GROUND = {"domain", "errors", "config", "spending"}
_WATCH = {"journal", "disk_space"}
MAY_KNOW = {
    "errors": set(),
    "windows": set(),
    "sizes": set(),
    "references": set(),
    "fields": {"errors", "sizes", "references"},
    "domain": {"errors", "sizes", "references", "fields"},
    "config": {"errors"},
    "journal": {"domain"},
    "disk_space": {"errors", "windows"},
    "spending": {"domain"},
    "image_models": _GROUND,
    "storage": {"domain", "errors", "spending", "windows"},
    "picture_files": {"domain", "errors", "windows"},
    "sheets": {"domain", "errors", "spending"},
    "database": {"storage"},
    "generator": _GROUND | {"image_models"},
    "oss_client": _GROUND,
    "pictures": _GROUND | {"picture_files", "windows"},
    "output_copies": _GROUND | {"oss_client"},
    "sample_library": _GROUND | {"oss_client", "windows"},
    "sample_images": _GROUND | {"sample_library", "oss_client"},
    "spreadsheet": _GROUND | {"sheets"},
    "sending": {"domain", "errors", "database", "journal"},
    "housework": _GROUND | {"journal", "database", "output_copies", "pictures", "sample_images"},
    "worker": _GROUND
    | _WATCH
    | {"database", "generator", "output_copies", "pictures", "sample_images"}
    | {"housework", "pace", "pile", "sending"},
    "pace": set(),
    "pile": {"domain", "errors"},
    "store_check": _GROUND | {"database", "pictures", "windows"},
    "web": _GROUND
    | _WATCH
    | {"database", "generator", "output_copies", "pictures", "sample_images", "spreadsheet", "worker"},
    "http_server": set(),
    "listening": {"errors"},
    "machine": set(),
    "premises": {"config", "errors"},
    "web_app": _GROUND
    | _WATCH
    | {"database", "generator", "pictures", "sample_images", "worker", "web"}
    | {"http_server", "listening", "machine", "premises"},
}

# Foreign library -> the rooms that are its door.
DOORS = {
    "flask": {"web", "web_app"},
    "waitress": {"http_server"},
    "sqlite3": {"database", "storage"},
    "requests": {"image_models"},
    "PIL": {"picture_files.checking", "image_models.demo"},
    "oss2": {"oss_client"},
    "openpyxl": {"spreadsheet", "sheets"},
    "dotenv": {"config"},
    "flask_babel": {"web"},
    "babel": {"web"},
}


def product_files() -> list[Path]:
    files = [*ROOT.glob("*.py")]
    for package in sorted(PACKAGES):
        files += (ROOT / package).glob("**/*.py")
    return files


def room_of(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imports(path: Path) -> set[str]:
    tree = ast.parse(path.read_text("utf-8"))
    names = {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
    return names | {n.module or "" for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}


@pytest.mark.parametrize("path", product_files(), ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_point_down_only(path: Path) -> None:
    room = room_of(path)
    known = {name.split(".")[0] for name in imports(path)} & set(MAY_KNOW)
    assert known - {room} <= MAY_KNOW[room]


def test_the_rooms_are_those_of_the_map_that_newcomers_read() -> None:
    head = (ROOT / "docs/decisions.md").read_text("utf-8").partition("# Decisions")[0]
    assert [room for room in MAY_KNOW if not re.search(rf"\b{room}\b", head)] == []
    assert MAY_KNOW.keys() == {room_of(path) for path in product_files()}


@pytest.mark.parametrize("path", product_files(), ids=lambda p: str(p.relative_to(ROOT)))
def test_each_foreign_library_has_one_door(path: Path) -> None:
    room = room_of(path)
    inside = ".".join(path.relative_to(ROOT).with_suffix("").parts)
    used = {name.split(".")[0] for name in imports(path)} & set(DOORS)
    assert [name for name in used if not {room, inside} & DOORS[name]] == []


@pytest.mark.parametrize("path", product_files(), ids=lambda p: str(p.relative_to(ROOT)))
def test_threads_are_started_in_the_worker_only_and_settings_read_in_config_only(path: Path) -> None:
    text = path.read_text("utf-8")
    assert room_of(path) == "worker" or "Thread(" not in text
    assert room_of(path) == "config" or "os.environ" not in text


@pytest.mark.parametrize("path", product_files(), ids=lambda p: str(p.relative_to(ROOT)))
def test_every_room_says_what_it_is_for_and_keeps_its_size(path: Path) -> None:
    text = path.read_text("utf-8")
    assert ast.get_docstring(ast.parse(text))
    assert text.count("\n") <= 450


def test_everything_is_caught_in_one_place_only() -> None:
    catching = [p.name for p in product_files() if "except Exception" in p.read_text("utf-8")]
    assert catching == ["app/worker/worker.py"]


@pytest.mark.parametrize("path", sorted((ROOT / "templates").glob("**/*.html")), ids=lambda p: p.name)
def test_no_template_holds_code_or_style(path: Path) -> None:
    text = path.read_text("utf-8")
    assert " style=" not in text
    assert "<style" not in text
    assert "javascript:" not in text
    assert not [word for word in text.split() if word.startswith("on") and "=" in word and '"' in word]
    for part in text.split("<script")[1:]:
        opening, _, rest = part.partition(">")
        assert "src=" in opening or "application/json" in opening
        assert "application/json" in opening or rest.startswith("</script>")


@pytest.mark.parametrize("path", sorted((ROOT / "static/js").glob("**/*.js")), ids=lambda p: p.name)
def test_one_place_fetches_and_one_sets_markup(path: Path) -> None:
    text = path.read_text("utf-8")
    assert path.name == "api.js" or "fetch(" not in text
    assert path.name == "fragments.js" or "innerHTML" not in text


def test_the_gallery_shows_every_picture_there_is_and_stays_small() -> None:
    shown = set(
        re.findall(
            r"images/([\w.-]+\.png)",
            "".join(
                (ROOT / name).read_text("utf-8")
                for name in ("docs/gallery.md", "README.md", "docs/README.en.md")
            ),
        )
    )
    images = list((ROOT / "docs/images").iterdir())
    assert shown == {path.name for path in images}
    assert sum(path.stat().st_size for path in images) < 3_000_000
