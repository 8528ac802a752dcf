"""What a row has besides its request: the user's own columns, and its fields as typed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from app.domain.row_fields import MAX_PROMPT_LENGTH, TEXT_TEMPLATES
from app.domain.validation import read_sample_images, trimmed_text, whole_characters
from app.errors import InvalidRequest

MAX_OWN_COLUMNS = 50
MAX_OWN_NAME_LENGTH = 100
MAX_OWN_TEXT_LENGTH = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class RowExtras:
    """The own columns of a row, in the sheet's order, and those of its fields whose typed form differs.

    ``position`` is its ``{序号}``; None for a row that was filled before.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    templates: Mapping[str, Any] = field(default_factory=dict)
    position: int | None = None


def own_column_names(rows: Iterable[Mapping[str, str]]) -> list[str]:
    """The names of the own columns of all rows, in the order of first appearance."""
    return list(dict.fromkeys(name for columns in rows for name in columns))


def column_name(text: str) -> str:
    """A header as the name of an own column: white space folded."""
    return trimmed_text(" ".join(text.split()))


def read_columns(value: Any) -> dict[str, str]:
    """Untrusted own columns -> name to text. Raises InvalidRequest."""
    if not isinstance(value or {}, Mapping):
        raise InvalidRequest("columns", "columns 应为列名到文字的对象")
    columns = {column_name(name): text for name, text in (value or {}).items()}
    if not all(isinstance(text, str) for text in columns.values()):
        raise InvalidRequest("columns", "columns 应为列名到文字的对象")
    if len(columns) > MAX_OWN_COLUMNS:
        text = "自己的列有 {n} 列，最多 {limit} 列"
        raise InvalidRequest("columns", text, n=len(columns), limit=MAX_OWN_COLUMNS)
    for name, cell in columns.items():
        if not 0 < len(name) <= MAX_OWN_NAME_LENGTH:
            raise InvalidRequest("columns", "列名应为 1–{limit} 个字", limit=MAX_OWN_NAME_LENGTH)
        if len(cell) > MAX_OWN_TEXT_LENGTH:
            text, limit = "「{name}」有 {n} 字，自己的列一格最多 {limit} 字", MAX_OWN_TEXT_LENGTH
            raise InvalidRequest("columns", text, name=name, n=len(cell), limit=limit)
    return {name: whole_characters(cell) for name, cell in columns.items()}


def read_templates(value: Any) -> dict[str, Any]:
    """Untrusted ``templates`` of a record, to make it again. Raises InvalidRequest."""
    if not isinstance(value, Mapping) or not set(value) <= {*TEXT_TEMPLATES, "sample_images"}:
        raise InvalidRequest("templates", "templates 应为记录里的 templates")
    texts = {name: value[name] for name in TEXT_TEMPLATES if name in value}
    if not all(isinstance(text, str) and len(text) <= MAX_PROMPT_LENGTH for text in texts.values()):
        raise InvalidRequest("templates", "templates 应为记录里的 templates")
    images = read_sample_images(value.get("sample_images"))
    names = [{"url": image.url, "filename": image.filename} for image in images]
    texts = {name: whole_characters(text) for name, text in texts.items()}
    return {**texts, "sample_images": names} if names else texts
