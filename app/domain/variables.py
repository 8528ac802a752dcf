"""Variables of a table: ``{SKU}`` in a text becomes the row's cell of the column SKU. Plain substitution."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeVar

from app.domain.batches import MAX_ROW_NUMBER
from app.domain.requests import (
    ImageRequest,
    RowExtras,
    is_empty_row,
    own_column_names,
    read_columns,
    read_templates,
)
from app.domain.row_fields import MAX_PROMPT_LENGTH, TEXT_TEMPLATES
from app.domain.validation import normal_text, trimmed_text
from app.errors import InvalidRequest

BUILT_IN_NAMES = ("行号", "序号", "日期")

_VARIABLE = re.compile(r"\{([^{}\n]+)\}")
_TOKEN = re.compile(rf"\{{\{{|\}}\}}|{_VARIABLE.pattern}")
_NAMES = re.compile(r"[,，;；\n]")  # between the names of images in a cell
_NOT_IN_A_NAME = re.compile(r"""["':,;|=“”‘’：，；、。]""")
_MAX_UNKNOWN_LENGTH = 40  # a longer text in braces is not taken for the name of a missing column
_MAX_VALUES_LENGTH = 2 * MAX_PROMPT_LENGTH  # no field accepts more; what follows is left out
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class FilledRow:
    """An untrusted row with its variables replaced, except in fields that have one of the ``problems``.

    ``fields`` is None for a row that is no object.
    """

    fields: Mapping[str, Any] | None
    extras: RowExtras
    problems: Sequence[InvalidRequest]

    def read(self) -> tuple[ImageRequest | None, list[InvalidRequest]]:
        """(the request, all problems); None when its fields cannot be read."""
        request, problems = (None, []) if self.fields is None else ImageRequest.read(self.fields)
        return request, [*self.problems, *problems]


def fill_rows(
    rows: Sequence[Any],
    numbers: Sequence[int],
    *,
    date: str,
    own_names: Iterable[str] = (),
) -> Iterator[FilledRow]:
    """Replace the variables in the untrusted rows of one table.

    ``{行号}`` is the row's number, ``{日期}`` is ``date``, ``{序号}`` is the row's ``position`` or else
    counts the rows that are not empty; an own column of that name takes precedence. ``{{`` and ``}}`` are
    braces. In a table without own columns a text that names none of the three stays as it is. A row with
    ``templates`` is filled already. ``own_names`` are own columns of further rows of the table.
    """
    own = list[tuple[dict[str, str], list[InvalidRequest]]]()
    for row in rows:
        wrong: list[InvalidRequest] = []
        value = row.get("columns") if isinstance(row, Mapping) else None
        own.append((_collect(wrong, read_columns, value, {}), wrong))
    keys = {
        name: variable_key(name) for name in (*own_names, *own_column_names(columns for columns, _ in own))
    }
    count = 0
    for row, number, (columns, problems) in zip(rows, numbers, own, strict=True):
        count += not (isinstance(row, Mapping) and is_empty_row(row))
        if not isinstance(row, Mapping):
            problem = InvalidRequest("", "每一行应为一个对象")
            yield FilledRow(fields=None, extras=RowExtras(), problems=[problem])
        elif row.get("templates") is not None:
            no_templates: dict[str, Any] = {}
            templates = _collect(problems, read_templates, row["templates"], no_templates)
            extras = RowExtras(columns=columns, templates=templates)
            yield FilledRow(fields=row, extras=extras, problems=problems)
        else:
            position = _collect(problems, _read_position, row.get("position"), None) or count
            values = dict(zip(BUILT_IN_NAMES, (str(number), str(position), date), strict=True))
            values |= dict.fromkeys(keys.values(), "")
            values |= {keys[name]: text for name, text in columns.items()}
            filler = _Filler(values, problems, has_columns=bool(keys))
            sent, templates = filler.fill(row)
            extras = RowExtras(columns=columns, templates=templates, position=position)
            yield FilledRow(fields={**row, **sent}, extras=extras, problems=problems)


def _read_position(value: Any) -> int | None:
    if value is not None and (type(value) is not int or not 1 <= value <= MAX_ROW_NUMBER):
        raise InvalidRequest("position", "序号应为 1–{limit} 的整数", limit=MAX_ROW_NUMBER)
    return value


def variable_names(text: str) -> set[str]:
    """The names in braces in a text, for comparison with ``variable_key``."""
    return {variable_key(name) for name in _VARIABLE.findall(text)}


def _collect(problems: list[InvalidRequest], read: Callable[[Any], T], value: Any, default: T) -> T:
    """The value as read; an InvalidRequest is added to the problems."""
    try:
        return read(value)
    except InvalidRequest as problem:
        problems.append(problem)
        return default


@lru_cache(maxsize=256)
def variable_key(name: str) -> str:
    """A name for comparison: letter case, width and white space at its ends do not count."""
    return " ".join(normal_text(name).split()).casefold()


class _Filler:
    """Fills one row. ``values``: the texts of all variables by ``variable_key``; ``problems`` is added to."""

    def __init__(
        self, values: Mapping[str, str], problems: list[InvalidRequest], *, has_columns: bool
    ) -> None:
        self._values = values
        self._problems = problems
        self._has_columns = has_columns

    def fill(self, row: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """(the fields that changed, the same as typed)."""
        sent: dict[str, Any] = {}
        templates: dict[str, Any] = {}
        for name in TEXT_TEMPLATES:
            typed = row.get(name)
            if not isinstance(typed, str):
                continue
            text = trimmed_text(typed)
            filled = self._fill_text(name, text)
            if filled is not None and filled != text:
                sent[name], templates[name] = filled, text
        typed_images, images = self._fill_names(row.get("sample_images"))
        if images != typed_images:
            sent["sample_images"], templates["sample_images"] = images, typed_images
        return sent, templates

    def _fill_names(self, images: Any) -> tuple[list[Any], list[Any]]:
        """(images as typed, images with the variables in their names replaced).

        An image named by variables has no URL: it is looked up by its name. One named by a column alone is
        all that the cell names.
        """
        if not isinstance(images, list) or not all(isinstance(image, Mapping) for image in images):
            return [], []
        typed = [{"url": image.get("url"), "filename": image.get("filename")} for image in images]
        filled = list[dict[str, Any]]()
        for image in typed:
            name = image["filename"]
            text = self._fill_text("sample_images", name) if isinstance(name, str) else None
            if text is None or text == name:
                filled.append({**image})
                continue
            image["url"] = ""
            names = map(trimmed_text, _NAMES.split(text)) if _VARIABLE.fullmatch(name) else [text]
            filled += [{"url": "", "filename": each} for each in names if each]
        return typed, filled

    def _fill_text(self, field: str, text: str) -> str | None:
        """The text with its variables replaced; None, and problems, when one cannot be."""
        if "{" not in text or len(text) > MAX_PROMPT_LENGTH:
            return text
        if not self._has_columns and not variable_names(text) & self._values.keys():
            return text
        known, depth, remaining = len(self._problems), 0, _MAX_VALUES_LENGTH

        def replacement(found: re.Match[str]) -> str:
            nonlocal depth, remaining
            if found[1] is None:
                is_alone = found[0] == "}}" and not depth  # the end of nested JSON
                depth += {"{{": 1, "}}": -1}[found[0]] if not is_alone else 0
                return found[0] if is_alone else found[0][0]
            value = self._value(field, found[1])
            remaining -= len(value or "")
            return found[0] if value is None else value if remaining >= 0 else ""

        filled = _TOKEN.sub(replacement, text)
        return filled if len(self._problems) == known else None

    def _value(self, field: str, name: str) -> str | None:
        """The text of a variable; None when the braces are text, or with a problem."""
        value = self._values.get(variable_key(name))
        shown = " ".join(name.split())
        if value is None:
            is_name = 0 < len(shown) <= _MAX_UNKNOWN_LENGTH and not _NOT_IN_A_NAME.search(shown)
            if is_name and self._has_columns:
                text = "没有「{name}」这一列，请改成表里的列名；要写花括号本身，请连写两个"
                if field == "sample_images":
                    text = "这张表没有「{name}」这一列：不用它，或改选写着图片名的一列"
                self._add(InvalidRequest(field, text, name=shown))
            return None
        value = trimmed_text(value)
        if not value:
            self._add(InvalidRequest(field, "这一行的「{name}」是空的，请填好这一格", name=shown))
            return None
        return re.sub(r"[/\\]", "_", value) if field == "filename" else value

    def _add(self, problem: InvalidRequest) -> None:
        said = [(one.field, one.message) for one in self._problems]
        if (problem.field, problem.message) not in said:
            self._problems.append(problem)
