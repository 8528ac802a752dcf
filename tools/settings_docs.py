"""``.env.example`` and the tables of ``docs/settings.md`` and ``settings.en.md``: every setting as declared.

``python -m tools.settings_docs`` writes them, the English from the catalogue.
"""

import re
from collections.abc import Callable, Iterator
from itertools import groupby
from pathlib import Path

from app.config import DECLARING, SERVICES, SETTINGS
from app.errors import message
from app.providers.base import ModelSettings
from tools.wording import read_catalogue

ROOT = Path(__file__).parents[1]
_HEAD = (
    "# 复制为 .env 后按需填写；空着的就用默认值。用记事本改过之后重新启动；"
    "密钥、价格也可以在网页的「模型与密钥」里填，马上生效。\n\n"
)
_ROWS = re.compile(r"(?<=\n\|---\|---\|---\|\n)(\|[^\n]*\n)*")
_EMPTY, _MEANING = "空", "{label}：{about}"
_ENGLISH = {_EMPTY: "empty", _MEANING: "{label}: {about}"}

Translate = Callable[[str], str]


def documents() -> dict[Path, str]:
    """What the command writes: file -> its text."""
    catalogue = read_catalogue()

    def english(text: str) -> str:
        entry = catalogue.get(text)
        return _ENGLISH.get(text) or str(entry.string if entry else "") or text

    groups = groupby(DECLARING, DECLARING.__getitem__)
    example = _HEAD + "\n".join("".join(map(_lines, names)) for _, names in groups)
    return {ROOT / ".env.example": example} | {
        path: _with_rows(path.read_text("utf-8"), _tables(translate))
        for path, translate in ((ROOT / "docs/settings.md", str), (ROOT / "docs/settings.en.md", english))
    }


def _lines(name: str) -> str:
    default = _default(name)
    return f"# {_meaning(name, str)}{f'（默认 {default}）' if default else ''}\n{name}=\n"


def _with_rows(text: str, tables: Iterator[str]) -> str:
    return _ROWS.sub(lambda _found: next(tables), text)


def _tables(translate: Translate) -> Iterator[str]:
    """The rows of each table: of the services, then of every other class of settings."""
    for _, names in groupby(DECLARING, _table_of):
        yield "".join(
            f"| `{name}` | {_default(name) or translate(_EMPTY)} | {_meaning(name, translate)} |\n"
            for name in names
        )


def _table_of(name: str) -> type:
    return ModelSettings if issubclass(DECLARING[name], ModelSettings) else DECLARING[name]


def _default(name: str) -> str:
    """As ``.env`` would write it; empty when there is none."""
    default = SETTINGS[name].default
    return "" if default is None or default == () else str(default).lower()


def _meaning(name: str, translate: Translate) -> str:
    label = translate(SETTINGS[name].label)
    about = message(SETTINGS[name].about, services=tuple(SERVICES)).render(translate)
    return translate(_MEANING).format(label=label, about=about) if label and about else label or about


if __name__ == "__main__":
    for written, text in documents().items():
        written.write_text(text, "utf-8")
