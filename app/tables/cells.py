"""Reads the values that are written into cells of a table: kept as typed, refused past their bounds."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from typing import Any

from app.domain import MAX_OWN_COLUMNS, MAX_OWN_TEXT_LENGTH, READERS, ROW_FIELDS
from app.domain.row_extras import read_columns, read_templates
from app.domain.validation import read_whole_number, whole_characters
from app.errors import InvalidRequest

_LONGEST_CELL = 32_767  # characters, as in Excel


def read_cell(name: str, value: Any) -> Any:
    """An untrusted value of a field, as it is stored; None when it is empty.

    What no model takes, or is past its bounds, is kept: the check marks it. Raises InvalidRequest for what no
    cell holds.
    """
    if value in (None, "", []):
        return None
    if name == "sample_images":
        return [{"url": image.url, "filename": image.filename} for image in READERS[name](value)] or None
    if ROW_FIELDS[name].kind == "number":
        with suppress(ValueError):
            return None if read_whole_number(value) is None else value
    if not isinstance(value, str | int | float) or isinstance(value, bool):
        raise InvalidRequest(name, "「{name}」里的值读不出来，请写文字", name=name)
    text = whole_characters(str(value).replace("\x00", ""))
    if len(text) > _LONGEST_CELL:
        problem = "「{name}」里有 {n} 字，最多 {limit} 字"
        raise InvalidRequest(name, problem, name=name, n=len(text), limit=_LONGEST_CELL)
    return text or None


def read_own_cell(name: str, value: Any) -> str:
    """An untrusted value of an own column. Raises InvalidRequest."""
    if not isinstance(value, str | None):
        raise InvalidRequest(name, "「{name}」里的值读不出来，请写文字", name=name)
    if len(value or "") > MAX_OWN_TEXT_LENGTH:
        text = "「{name}」有 {n} 字，自己的列一格最多 {limit} 字"
        raise InvalidRequest(name, text, name=name, n=len(value or ""), limit=MAX_OWN_TEXT_LENGTH)
    return whole_characters((value or "").replace("\x00", ""))


def read_new_row(row: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """An untrusted row of a call or an import -> (its fields, its own columns). Raises InvalidRequest."""
    named = row.get("references")  # as an import has them
    if isinstance(named, list) and not row.get("sample_images"):
        row = {**row, "sample_images": [{"url": "", "filename": name} for name in named]}
    fields = {name: value for name in READERS if (value := read_cell(name, row.get(name))) is not None}
    if row.get("templates") is not None:
        fields["templates"] = read_templates(row["templates"])
    if type(row.get("position")) is int:
        fields["position"] = row["position"]
    return fields, read_columns(row.get("columns"))


def require_known_columns(names: Collection[str], known: Sequence[str]) -> None:
    """Raises InvalidRequest for a name that is no own column of the table."""
    for name in names:
        if name not in known:
            text = "这个表格里没有「{name}」这一列，请先加上这一列"
            raise InvalidRequest(name[:50], text, name=name[:50])


def check_number_of_columns(names: Sequence[str]) -> None:
    """Raises InvalidRequest for more own columns than a table takes."""
    if len(names) > MAX_OWN_COLUMNS:
        text = "自己的列有 {n} 列，最多 {limit} 列"
        raise InvalidRequest("columns", text, n=len(names), limit=MAX_OWN_COLUMNS)
