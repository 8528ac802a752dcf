"""Templates, style sheets and scripts keep the conventions that no tool checks."""

import functools
import re
from pathlib import Path
from posixpath import dirname, normpath

ROOT = Path(__file__).parents[2]
TEMPLATES, SCRIPTS, STYLES = "templates", "static/js", "static/css"
TOKENS = "static/css/tokens.css"
_CONDITION = re.compile(r"@(?:media|container) [^{]*")
_DATA_URL = re.compile(r'url\("data:[^"]*"\)')
_RAW_COLOUR = re.compile(r"#[0-9a-f]{3,8}\b|\b(?:rgb|hsl|oklch)a?\(|:\s*(?:black|white)\b", re.IGNORECASE)
_RAW_SIZE = re.compile(r"font-size: *[\d.]+(?:px|r?em)(?<!\.93em)|font: *[\d.]|z-index: *-?\d")
_IMPORT = re.compile(r'^import \{([^}]*)\} from "([^"]+)";', re.MULTILINE)
_ROOM = re.compile(r"""(?:\bfrom |\bimport\(|\bimport )"\.\./(\w+)/""")
_EXPORT = re.compile(r"^export (?:async )?(?:function\*?|class|const|let) (\w+)", re.MULTILINE)
# Hooks: data- attributes that scripts find elements by.
_ASKED = re.compile(r"\[data-([a-z][a-z0-9-]*)(?=[\]=]|[~|^$*]=)")  # by a selector
_IN_TEMPLATE = re.compile(r"(?<![\w-])data-([a-z][a-z0-9-]*)(?![\w-]*\{\{)(?=[\s=>{}'\"])")
_GIVEN = re.compile(r"\bdata-([a-z][a-z0-9-]*)")  # as text, to a query, an attribute or in markup
_KEY, _SET = re.compile(r"\b(\w+):"), re.compile(r"\bdataset\.(\w+) (?:\?\?)?= ")
_DATA = re.compile(r"\bdata(?::| =) \{([^{}]*)\}")  # of apply() and create(): a name alone is a value too
_NAMES_FROM_A_LOOP = {"negative-prompt"}  # of the fields in partials/lightbox.html
_WIDEST = 120  # characters


@functools.cache
def read(*folders: str) -> dict[str, str]:
    """The front-end files below these folders: name below the project -> text."""
    paths = [path for folder in folders for path in sorted((ROOT / folder).glob("**/*.*"))]
    texts = [path for path in paths if path.suffix in (".html", ".js", ".css")]
    return {path.relative_to(ROOT).as_posix(): path.read_text("utf-8") for path in texts}


def test_every_colour_font_size_and_layer_comes_from_the_tokens() -> None:
    texts = {name: _DATA_URL.sub("", text) for name, text in read(STYLES).items() if name != TOKENS}
    assert [name for name, text in texts.items() if _RAW_COLOUR.search(text) or _RAW_SIZE.search(text)] == []


def test_every_breakpoint_is_in_the_list_of_the_tokens() -> None:
    listed = set(re.findall(r"\d+px", read(STYLES)[TOKENS].partition("*/")[0]))
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
    texts = read(TEMPLATES, SCRIPTS)
    assert {name for name, text in texts.items() if re.search(r"[\"'`]/(?:api|static)/", text)} == set()


def test_no_template_line_is_wider_than_a_screen() -> None:
    assert [
        (name, line)
        for name, text in read(TEMPLATES).items()
        for line in text.splitlines()
        if len(line) > _WIDEST
    ] == []


def test_json_in_a_data_attribute_is_read_by_one_function() -> None:
    parsed = re.compile(r"JSON\.parse\((?:[^()]|\([^()]*\))*\bdataset\b")
    assert [name for name, text in read(SCRIPTS).items() if parsed.search(text)] == [f"{SCRIPTS}/core/dom.js"]


def test_every_imported_name_is_exported() -> None:
    exported = {name: _EXPORT.findall(text) for name, text in read(SCRIPTS).items()}
    assert [
        (path, name)
        for path, text in read(SCRIPTS).items()
        for names, source in _IMPORT.findall(text)
        for name in names.split(",")
        if name.strip() and name.split()[0] not in exported[normpath(f"{dirname(path)}/{source}")]
    ] == []


def test_no_two_rooms_of_scripts_need_each_other() -> None:
    """Also not over others: each room can be taken away that no room is left to need."""
    needed: dict[str, set[str]] = {}
    for path, text in read(SCRIPTS).items():
        needed.setdefault(Path(path).parent.name, set()).update(_ROOM.findall(text))
    while free := {room for room in needed if not any(room in needs for needs in needed.values())}:
        needed = {room: needs for room, needs in needed.items() if room not in free}
    assert needed == {}


def test_no_file_holds_the_markers_of_a_merge() -> None:
    texts = read(TEMPLATES, SCRIPTS, STYLES)
    markers = re.compile(r"^(?:<{7}|>{7}) ", re.MULTILINE)
    assert [name for name, text in texts.items() if markers.search(text)] == []


def as_attribute(name: str) -> str:
    """``rowNumber`` of ``dataset`` -> ``row-number`` of the attribute."""
    return re.sub(r"[A-Z]", lambda found: "-" + found[0].lower(), name)


def missing_hooks(templates: str, scripts: str) -> set[str]:
    """What scripts ask for by a selector, and neither a template has nor a script writes."""
    rest = _ASKED.sub("", scripts)
    written = {*_GIVEN.findall(rest), *map(as_attribute, _KEY.findall(rest) + _SET.findall(rest))}
    for names in _DATA.findall(rest):
        written |= {as_attribute(name) for name in re.findall(r"\w+", names)}
    return set(_ASKED.findall(scripts)) - set(_IN_TEMPLATE.findall(templates)) - written


def unread_hooks(templates: str, scripts: str, styles: str) -> set[str]:
    """What templates have, and neither a script nor a style asks for."""
    named = {as_attribute(name) for name in re.findall(r"[A-Za-z]\w*", scripts)}
    asked = {*_GIVEN.findall(scripts), *_GIVEN.findall(styles), *named}
    return set(_IN_TEMPLATE.findall(templates)) - asked


def test_every_hook_that_a_script_asks_for_is_there() -> None:
    templates, scripts = ("\n".join(read(folder).values()) for folder in (TEMPLATES, SCRIPTS))
    assert missing_hooks(templates, scripts) == _NAMES_FROM_A_LOOP


def test_every_hook_of_a_template_is_asked_for() -> None:
    texts = ("\n".join(read(folder).values()) for folder in (TEMPLATES, SCRIPTS, STYLES))
    assert unread_hooks(*texts) == set()


def test_a_hook_that_is_missing_or_unread_is_found() -> None:
    script = 'show(page, { "[data-here]": "", "[data-gone]": "" }); list.querySelector("[data-row-key=a]");'
    script += "apply(item, { data: { rowKey } });"
    assert missing_hooks("<p data-here></p>", script) == {"gone"}
    assert unread_hooks("<p data-here data-old></p>", script, "") == {"old"}
