"""Templates, style sheets and scripts keep the conventions that no tool checks."""

import re
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).parents[2]
TEMPLATES = sorted((ROOT / "templates").glob("**/*.html"))
SCRIPTS = sorted((ROOT / "static/js").glob("**/*.js"))
STYLES = sorted((ROOT / "static/css").glob("**/*.css"))
TOKENS = ROOT / "static/css/tokens.css"
_CONDITION = re.compile(r"@(?:media|container) [^{]*")
_DATA_URL = re.compile(r'url\("data:[^"]*"\)')
_RAW_COLOUR = re.compile(r"#[0-9a-f]{3,8}\b|\b(?:rgb|hsl|oklch)a?\(|:\s*(?:black|white)\b", re.IGNORECASE)
_RAW_SIZE = re.compile(r"font-size: *[\d.]+(?:px|r?em)(?<!\.93em)|font: *[\d.]|z-index: *-?\d")
_IMPORT = re.compile(r'^import \{([^}]*)\} from "([^"]+)";', re.MULTILINE)
_EXPORT = re.compile(r"^export (?:async )?(?:function\*?|class|const|let) (\w+)", re.MULTILINE)
_WIDEST = 120  # characters


def read(paths: Iterable[Path]) -> dict[str, str]:
    """Name below the project -> text."""
    return {path.relative_to(ROOT).as_posix(): path.read_text("utf-8") for path in paths}


def test_every_colour_font_size_and_layer_comes_from_the_tokens() -> None:
    texts = {name: _DATA_URL.sub("", text) for name, text in read(STYLES).items()}
    del texts["static/css/tokens.css"]
    assert {
        name for name, text in texts.items() if _RAW_COLOUR.search(text) or _RAW_SIZE.search(text)
    } == set()


def test_every_breakpoint_is_in_the_list_of_the_tokens() -> None:
    listed = set(re.findall(r"\d+px", TOKENS.read_text("utf-8").partition("*/")[0]))
    assert [
        (name, width)
        for name, text in read(STYLES).items()
        for condition in _CONDITION.findall(text)
        for width in re.findall(r"\d+px", condition)
        if width not in listed
    ] == []


def test_every_variable_is_defined() -> None:
    everything = "".join(read(STYLES).values())
    assert set(re.findall(r"var\((--[\w-]+)", everything)) <= set(re.findall(r"(--[\w-]+):", everything))


def test_no_address_of_the_product_is_written_out() -> None:
    """Addresses come from ``url_for``, and reach scripts in attributes."""
    texts = read([*TEMPLATES, *SCRIPTS])
    assert {name for name, text in texts.items() if re.search(r"[\"'`]/(?:api|static)/", text)} == set()


def test_no_template_line_is_wider_than_a_screen() -> None:
    assert [
        (name, line)
        for name, text in read(TEMPLATES).items()
        for line in text.splitlines()
        if len(line) > _WIDEST
    ] == []


def test_every_imported_name_is_exported() -> None:
    exported = {path.resolve(): _EXPORT.findall(path.read_text("utf-8")) for path in SCRIPTS}
    assert [
        (path.name, name)
        for path in SCRIPTS
        for names, source in _IMPORT.findall(path.read_text("utf-8"))
        for name in names.split(",")
        if name.strip() and name.split()[0] not in exported[(path.parent / source).resolve()]
    ] == []


def test_no_file_holds_the_markers_of_a_merge() -> None:
    texts = read([*TEMPLATES, *SCRIPTS, *STYLES])
    markers = re.compile(r"^(?:<{7}|>{7}) ", re.MULTILINE)
    assert [name for name, text in texts.items() if markers.search(text)] == []
