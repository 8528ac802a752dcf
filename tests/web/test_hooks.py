"""The hooks that scripts find elements by: each is in a template or written by a script, and each is used."""

import re

from tests.web.test_front_end_files import SCRIPTS, STYLES, TEMPLATES, read

_ASKED = re.compile(r"\[data-([a-z][a-z0-9-]*)(?=[\]=]|[~|^$*]=)")  # by a selector
_IN_TEMPLATE = re.compile(r"(?<![\w-])data-([a-z][a-z0-9-]*)(?![\w-]*\{\{)(?=[\s=>{}'\"])")
_GIVEN = re.compile(r"\bdata-([a-z][a-z0-9-]*)")  # as text, to a query, an attribute or in markup
_KEY, _SET = re.compile(r"\b(\w+):"), re.compile(r"\bdataset\.(\w+) (?:\?\?)?= ")
_DATA = re.compile(
    r"\bdata(?::| =) \{([^{}]*)\}"
)  # of apply() and create(), where a name alone is a value too
_NAMES_FROM_A_LOOP = {"negative-prompt"}  # of the fields in partials/lightbox.html


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
