"""``.env.example`` and the tables of ``docs/settings.md`` and ``settings.en.md``, from the declared settings.

``python -m tools.settings_docs`` writes their names, order and defaults; what a setting means is written once
a language, in the last column, which stays. The comments of ``.env.example`` are those of ``settings.md``.
"""

import re
from itertools import groupby
from pathlib import Path

from app.config import DECLARING, SETTINGS
from app.providers.base import ModelSettings

ROOT = Path(__file__).parents[1]
_HEAD = (
    "# 复制为 .env 后按需填写；空着的就用默认值。用记事本改过之后重新启动；"
    "密钥、价格也可以在网页的「模型与密钥」里填，马上生效。\n"
)
_ROWS = re.compile(r"(?<=\n\|---\|---\|---\|\n)(\|[^\n]*\n)*")
_ROW = re.compile(r"^\| `([A-Z_]+)` \| .*? \| (.*) \|$", re.MULTILINE)


def documents() -> dict[Path, str]:
    """What the command writes: file -> its text; a new setting has no meaning yet."""
    chinese, english = ROOT / "docs/settings.md", ROOT / "docs/settings.en.md"
    return {
        ROOT / ".env.example": _example(dict(_ROW.findall(chinese.read_text("utf-8")))),
        chinese: _with_tables(chinese.read_text("utf-8"), "空"),
        english: _with_tables(english.read_text("utf-8"), "empty"),
    }


def _example(meanings: dict[str, str]) -> str:
    parts = [_HEAD]
    for _, names in groupby(DECLARING, DECLARING.__getitem__):
        parts.append("".join(_lines(name, meanings.get(name, "")) for name in names))
    return "\n".join(parts)


def _lines(name: str, meaning: str) -> str:
    default = _default(name)
    return f"# {meaning.replace('`', '')}{f'（默认 {default}）' if default else ''}\n{name}=\n"


def _with_tables(text: str, empty: str) -> str:
    """The text with a table of the settings of the services, then one of every other class."""
    meanings = dict(_ROW.findall(text))
    tables = (
        "".join(f"| `{name}` | {_default(name) or empty} | {meanings.get(name, '')} |\n" for name in names)
        for _, names in groupby(DECLARING, _table_of)
    )
    return _ROWS.sub(lambda _found: next(tables), text)


def _table_of(name: str) -> type:
    return ModelSettings if issubclass(DECLARING[name], ModelSettings) else DECLARING[name]


def _default(name: str) -> str:
    """As ``.env`` would write it; empty when there is none."""
    default = SETTINGS[name].default
    return "" if default is None or default == () else str(default).lower()


if __name__ == "__main__":
    for written, text in documents().items():
        written.write_text(text, "utf-8")
