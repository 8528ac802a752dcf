"""Templates, style sheets and scripts keep the conventions that no tool checks."""

import re
from pathlib import Path

import pytest

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


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", STYLES, ids=name_of)
def test_every_colour_font_size_and_layer_comes_from_the_tokens(path: Path) -> None:
    text = _DATA_URL.sub("", path.read_text("utf-8"))
    if path != TOKENS:
        assert _RAW_COLOUR.findall(text) == []
        assert _RAW_SIZE.findall(text) == []


@pytest.mark.parametrize("path", STYLES, ids=name_of)
def test_every_breakpoint_is_in_the_list_of_the_tokens(path: Path) -> None:
    listed = set(re.findall(r"\d+px", TOKENS.read_text("utf-8").partition("*/")[0]))
    named = {
        width for condition in _CONDITION.findall(path.read_text("utf-8")) for width in pixels(condition)
    }
    assert named <= listed


def pixels(condition: str) -> list[str]:
    return re.findall(r"\d+px", condition)


@pytest.mark.parametrize("path", STYLES, ids=name_of)
def test_every_variable_is_defined(path: Path) -> None:
    everything = "".join(style.read_text("utf-8") for style in STYLES)
    defined = set(re.findall(r"(--[\w-]+):", everything))
    assert set(re.findall(r"var\((--[\w-]+)", path.read_text("utf-8"))) <= defined


@pytest.mark.parametrize("path", [*TEMPLATES, *SCRIPTS], ids=name_of)
def test_no_address_of_the_product_is_written_out(path: Path) -> None:
    """Addresses come from ``url_for``, and reach scripts in attributes."""
    assert re.findall(r"[\"'`]/(?:api|static)/[^\"'`]*", path.read_text("utf-8")) == []


@pytest.mark.parametrize("path", TEMPLATES, ids=name_of)
def test_no_template_line_is_wider_than_a_screen(path: Path) -> None:
    assert [line for line in path.read_text("utf-8").splitlines() if len(line) > _WIDEST] == []


@pytest.mark.parametrize("path", SCRIPTS, ids=name_of)
def test_every_imported_name_is_exported(path: Path) -> None:
    text = path.read_text("utf-8")
    assert not re.search("^(?:<{7}|>{7}) ", text, re.MULTILINE)  # of a merge
    for names, source in _IMPORT.findall(text):
        exported = _EXPORT.findall((path.parent / source).read_text("utf-8"))
        imported = [name.split()[0] for name in names.split(",") if name.strip()]
        assert set(imported) <= set(exported), source


@pytest.mark.parametrize("path", [*TEMPLATES, *SCRIPTS, *STYLES], ids=name_of)
def test_no_file_holds_the_markers_of_a_merge(path: Path) -> None:
    assert re.findall(r"^(?:<{7}|>{7}) .*", path.read_text("utf-8"), re.MULTILINE) == []
