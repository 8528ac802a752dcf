"""Finds the header row and maps its columns to fields; headers may be Chinese or English."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from app.domain import (
    MAX_OWN_NAME_LENGTH,
    MAX_PICTURES_A_BATCH,
    ROW_FIELDS,
    Pick,
    Status,
    column_name,
    normal_text,
    trimmed_text,
    visible_text,
)
from app.domain.records import STATUS_LABELS
from app.domain.tables import MAX_ROWS_A_TABLE
from app.errors import Message, message
from app.sheets.header_synonyms import KEEP_WORDS, REJECT_WORDS, Meaning, meaning
from app.sheets.table import SheetRow, display_text

# In the order of the template's columns; the labels are part of the contract. OPTION_LABELS are columns that
# a table may have besides: see ``option_columns`` for when a column of this name is meant.
LABELS, OPTION_LABELS = (
    {each.sheet_name: each.column for each in ROW_FIELDS.values() if each.is_extra is is_extra}
    for is_extra in (False, True)
)
FIELD_LABELS: Mapping[str, str] = {**LABELS, **OPTION_LABELS}
# A header that asks for 是 or 否 about the background.
_OPTION_MEANINGS = {*OPTION_LABELS, "transparent"}

# Columns of a results workbook. When all three are present, each line is one picture of a submitted row.
RESULT_LABELS: Mapping[str, str] = {"row_number": "行号", "status": "状态", "image_file": "图片文件"}

MARK_LABEL = "AI 标识"  # see app/domain/records.py

# The columns that results are written into, in the imported file; earlier versions had three for the marks of
# a picture, or none. The last one is there when the words of a row differ from those of its cell.
OWN_RESULT_LABELS = ("状态", "原因", "文件", "费用", "选中", "缩略图", MARK_LABEL)
SENT_PROMPT_LABEL = "实际提示词"
# In a sheet of products the picture and the file of each role have a column of their own.
PRODUCT_RESULT_LABELS = tuple(label for label in OWN_RESULT_LABELS if label != "缩略图")
_ROLE_LABELS = ("图:", "image:")  # as compact_text returns the beginning of ``role_label``
_OWN_RESULTS = (
    OWN_RESULT_LABELS[:-1],
    ("status", "reason", "file", "cost", "selected", "thumbnail"),
    ("status", "reason", "file", "cost", "select", "thumbnail"),
    PRODUCT_RESULT_LABELS[:-1],
    ("status", "reason", "file", "cost", "selected"),
)
_OWN_MARKS: Sequence[tuple[str, ...]] = (
    (MARK_LABEL.casefold().replace(" ", ""), SENT_PROMPT_LABEL),
    ("aimark", "promptsent"),
    (MARK_LABEL.casefold().replace(" ", ""),),
    ("aimark",),
    ("可见标识", "隐式标识", "c2pa"),
    ("visiblemark", "implicitmark", "c2pa"),
    (),
)

RESULT_STATUSES: Mapping[Status, str] = {**STATUS_LABELS, Status.UNKNOWN: "结果未知，可能已计费"}

PICK_MARKS: Mapping[str, str] = {Pick.KEEP: "✓", Pick.REJECT: "✗"}
_PICK_WORDS = {**dict.fromkeys(KEEP_WORDS, Pick.KEEP), **dict.fromkeys(REJECT_WORDS, Pick.REJECT)}
_MARK_LABELS = {"pick": ("选中", "select", "selected"), "picture": ("第几张", "picturenumber")}

# Labels recognised when an exported workbook is imported again; 排队中 is of earlier versions.
_STATUS_NAMES: Mapping[str, Status] = {
    "on hold": Status.HELD,
    "queued": Status.QUEUED,
    "排队中": Status.QUEUED,
    "generating": Status.RUNNING,
    "success": Status.SUCCESS,
    "failed": Status.FAILED,
    "outcome unknown, may have been charged": Status.UNKNOWN,
    "cancelled": Status.CANCELLED,
} | {label: status for status, label in RESULT_STATUSES.items()}

# The other labels of our workbooks, in both languages: in one of those they are no columns of the user.
_OUR_LABELS = (
    *("缩略图", "第几张", "原因", "费用（元）", "可能已计费（元）", "次数"),
    *("ID", "生成时间（本机）", "同行张数"),
    *("宽", "高", "模型", "批次", "收藏", "完成时间（本机）", "选中", MARK_LABEL, "AI mark"),
    *("可见标识", "隐式标识", "C2PA", "Visible mark", "Implicit mark"),
    *("Thumbnail", "Picture number", "Reason", "Cost (CNY)", "Possibly charged (CNY)", "Attempts"),
    *("Created at (local time)", "Images of the row", "Width", "Height", "Model", "Batch", "Favourite"),
    *("Finished (local time)", "Select", "Selected"),
)

_MAX_COMPARED = 500
_Cell = tuple[int, str, Meaning | None]  # column, header text, its meaning


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """The number of the header row, the column of each field, and notes for the user.

    ``extra_columns`` hold more reference images. ``texts`` are the headers of all these columns as returned
    by ``compact_text``; ``unread`` are the columns with an unknown header, ``own`` the names of those that
    are kept as the user's own. ``options`` are columns that may hold an option, by meaning; they are among
    the own ones until ``take_options``. ``named`` are the headers of all own columns, ``unknown`` those of
    them to tell the user about. ``has_own_results``: results were written into the user's workbook. ``pick``
    and ``picture`` are the columns that say which picture is kept, and which of its row a line is about.
    """

    row: int
    columns: Mapping[str, int]
    extra_columns: Sequence[int]
    texts: Mapping[int, str]
    unread: frozenset[int]
    own: Mapping[int, str]
    options: Mapping[str, int]
    named: Mapping[int, str]
    unknown: frozenset[int]
    notes: Sequence[Message]
    has_own_results: bool = False
    pick: int | None = None
    picture: int | None = None

    @property
    def has_prompt(self) -> bool:
        """Whether a column has the prompts; else each line is a product, and its prompt column is empty."""
        return self.columns["prompt"] in self.texts

    @property
    def of_results(self) -> bool:
        """Whether this is a results workbook, with one picture per line."""
        return all(name in self.columns for name in RESULT_LABELS)

    @property
    def max_rows(self) -> int:
        """The number of rows that may be imported at a time."""
        return MAX_PICTURES_A_BATCH if self.of_results else MAX_ROWS_A_TABLE


def status_named(text: str) -> Status | None:
    """The status with this label in either language, or None."""
    return _STATUS_NAMES.get(trimmed_text(visible_text(text[:_MAX_COMPARED])).casefold())


def pick_named(text: str) -> Pick | None:
    """What is said of a picture, or None."""
    return _PICK_WORDS.get(compact_text(text))


def result_columns(texts: Mapping[int, str]) -> range | None:
    """The columns of the results that we have written into this header row; None when there are none."""
    names = {column: compact_text(text) for column, text in texts.items()}
    for labels in _OWN_RESULTS:
        for first in (column for column, name in names.items() if name == labels[0]):
            for written in ((*labels, *marks) for marks in _OWN_MARKS):
                if all(names.get(first + index) == label for index, label in enumerate(written)):
                    stop = first + len(written)
                    while names.get(stop, "").startswith(_ROLE_LABELS):
                        stop += 1
                    return range(first, stop)
    return None


def role_label(role: str) -> Message:
    """The header of the column with the pictures of a role."""
    return message("图：{role}", role=role)


def find_header(rows: Sequence[SheetRow]) -> Header | None:
    """The row with a prompt column and the most known headers (the first on a tie), or None."""
    found = [header for row in rows if (header := _read_header(row))]
    return max(found, key=lambda header: len(header.columns), default=None)


def find_header_of_products(rows: Sequence[SheetRow]) -> Header | None:
    """The first row with the most texts, two or more and all different, in a sheet without prompts."""
    found = list[tuple[int, SheetRow]]()
    for row in rows:
        texts = [compact_text(display_text(value)) for value in row.values.values()]
        if len(texts) > 1 and all(texts) and len({*texts}) == len(texts):
            found.append((len(texts), row))
    best = max(found, key=lambda one: one[0], default=None)
    header = _read_header(best[1], needs_prompt=False) if best else None
    return header if header and not header.has_prompt else None


def compact_text(text: str) -> str:
    """A text normalised for comparison: no whitespace, case-folded."""
    return re.sub(r"\s+", "", normal_text(text[:_MAX_COMPARED])).casefold()


@dataclass(slots=True)
class _Assignment:
    """The column assigned to each field, and what happened to the other headers."""

    columns: dict[str, int] = field(default_factory=dict)
    extra_columns: list[int] = field(default_factory=list)
    duplicates: list[str] = field(default_factory=list)
    guessed: list[Message] = field(default_factory=list)
    options: dict[str, int] = field(default_factory=dict)
    unknown: list[int] = field(default_factory=list)
    own: list[int] = field(default_factory=list)


def _read_header(row: SheetRow, *, needs_prompt: bool = True) -> Header | None:
    named = {column: trimmed_text(display_text(value)) for column, value in sorted(row.values.items())}
    results = result_columns(named)
    compact = {column: compact_text(text) for column, text in named.items()}
    marks = {
        name: next((column for column, text in compact.items() if text in labels), None)
        for name, labels in _MARK_LABELS.items()
    }
    for column in results or ():
        del named[column]
    cells = [(column, text, meaning(text)) for column, text in named.items()]
    assigned = _assign_columns(cells)
    columns = assigned.columns
    if not needs_prompt:
        columns.setdefault("prompt", max(row.values, default=0) + 1)
    elif "prompt" not in columns or _is_form(cells, columns["prompt"]):
        return None
    ours = _our_columns(named, columns)
    if any(name not in columns for name in RESULT_LABELS):
        assigned.own += [columns[name] for name in RESULT_LABELS if name in columns]
        columns = {name: column for name, column in columns.items() if name not in RESULT_LABELS}
    size = columns.get("size")
    notes = [*_assign_size(columns), *_assignment_notes(assigned)]
    has_marks = results is not None or all(name in columns for name in RESULT_LABELS)
    assigned.own += [size] if size is not None and size not in columns.values() else []
    read = {*columns.values(), *assigned.extra_columns}
    own = {column: named[column] for column in sorted({*assigned.own} - ours)}
    return Header(
        row=row.number,
        columns=columns,
        extra_columns=assigned.extra_columns,
        texts={column: compact[column] for column in named if column in read},
        unread=frozenset(named) - read,
        own=own_names(own),
        options=assigned.options,
        named=own,
        unknown=frozenset(assigned.unknown),
        notes=notes,
        has_own_results=results is not None,
        pick=marks["pick"] if has_marks else None,
        picture=marks["picture"] if has_marks else None,
    )


def _assign_columns(cells: Sequence[_Cell]) -> _Assignment:
    """Assign a column to each field; exact headers take precedence over guessed ones."""
    assigned = _Assignment()
    exact = {found.field for _, _, found in cells if found and not found.is_guess}
    for column, text, found in cells:
        if found is None or (found.is_guess and found.field in exact):
            assigned.unknown.append(column)
            assigned.own.append(column)
        elif found.field in _OPTION_MEANINGS:
            assigned.options.setdefault(found.field, column)
            assigned.unknown.append(column)
            assigned.own.append(column)
        elif found.field == "ignored":
            assigned.own.append(column)
        elif found.field not in assigned.columns:
            assigned.columns[found.field] = column
            if found.is_guess:
                label = message(LABELS.get(found.field, text))
                assigned.guessed.append(message("「{header}」→「{label}」", header=brief(text), label=label))
        elif found.is_numbered:
            assigned.extra_columns.append(column)
        elif found.field in RESULT_LABELS:
            assigned.own.append(column)
        else:
            assigned.duplicates.append(LABELS.get(found.field, text))
    return assigned


def _our_columns(named: Mapping[int, str], columns: Mapping[str, int]) -> set[int]:
    """In a workbook that we wrote, the columns of our own: for each label the leftmost one."""
    if "status" not in columns or "image_file" not in columns:
        return set()
    labels = {compact_text(label) for label in _OUR_LABELS}
    leftmost: dict[str, int] = {}
    for column, text in named.items():
        leftmost.setdefault(compact_text(text), column)
    found = {column for label, column in leftmost.items() if label in labels}
    return found | {columns[name] for name in RESULT_LABELS if name in columns}


def own_names(headers: Mapping[int, str]) -> dict[int, str]:
    """Column -> its name, which is unique: 备注, 备注 2."""
    names: dict[int, str] = {}
    taken: set[str] = set()
    for column, header in headers.items():
        first = name = column_name(header)[: MAX_OWN_NAME_LENGTH - 4]
        number = 1
        while compact_text(name) in taken:
            number += 1
            name = f"{first} {number}"
        taken.add(compact_text(name))
        names[column] = name
    return names


def _assign_size(columns: dict[str, int]) -> list[Message]:
    """Map a column named Size to the resolution, or to the ratio if that is taken; returns the notes."""
    column = columns.pop("size", None)
    if column is None:
        return []
    name = next((name for name in ("resolution", "aspect_ratio") if name not in columns), None)
    if name is None:
        return [message("未使用「尺寸」列：图片比例和分辨率已有各自的列")]
    columns[name] = column
    return [message("「尺寸」列按「{label}」读取", label=message(LABELS[name]))]


def _assignment_notes(assigned: _Assignment) -> Iterator[Message]:
    for label in dict.fromkeys(assigned.duplicates):
        yield message("「{label}」有不止一列，用的是最左边的一列", label=message(label))
    if assigned.extra_columns:
        count = len(assigned.extra_columns) + 1
        yield message("参考图分在 {count} 列里，每一行的都放在一起用", count=count)
    if assigned.guessed:
        yield message("列名已自动对应：{pairs}，请核对", pairs=tuple(assigned.guessed))


def _is_form(cells: Sequence[_Cell], prompt: int) -> bool:
    """Whether the only known header is a guessed prompt: a line of a form, not a header row."""
    is_guess = any(found and found.is_guess for column, _, found in cells if column == prompt)
    known = [found for _, _, found in cells if found and found.field not in _OPTION_MEANINGS]
    return is_guess and len(cells) > 1 and len(known) == 1


def brief(text: str) -> str:
    """The beginning of a header, on one line."""
    return " ".join(text[:20].split())
