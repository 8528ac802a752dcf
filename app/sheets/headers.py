"""Which column is which: the headers people write, in Chinese or English, and where the header row stands."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from app.domain import Status, normal_text, trimmed_text, visible_text
from app.sheets.header_synonyms import Meaning, meaning
from app.sheets.table import ExcelTime, Row, UnreadableCell, Value, number_text

# The order of the template's columns; labels as in the contract.
LABELS: Mapping[str, str] = {
    "prompt": "提示词",
    "negative_prompt": "负面提示词",
    "aspect_ratio": "图片比例",
    "resolution": "分辨率",
    "num_images": "生成数量",
    "filename": "文件名",
    "references": "参考示例图",
    "seed": "种子",
    "steps": "采样步数",
}

# What only a results workbook has. With all three, a line is one picture of a row that was run.
RESULT_LABELS: Mapping[str, str] = {"row_number": "行号", "status": "状态", "image_file": "图片文件"}

STATUS_LABELS: Mapping[Status, str] = {
    Status.QUEUED: "排队中",
    Status.RUNNING: "生成中",
    Status.SUCCESS: "成功",
    Status.FAILED: "失败",
    Status.UNKNOWN: "结果未知，可能已计费",
    Status.CANCELLED: "已取消",
}

# The English words of the same; like the labels above they stand in workbooks, and are known again.
_STATUS_NAMES: Mapping[str, Status] = {
    "queued": Status.QUEUED,
    "generating": Status.RUNNING,
    "success": Status.SUCCESS,
    "failed": Status.FAILED,
    "outcome unknown, may have been charged": Status.UNKNOWN,
    "cancelled": Status.CANCELLED,
} | {label: status for status, label in STATUS_LABELS.items()}


_LONGEST_COMPARED = 500
Named = tuple[int, str, Meaning | None]  # a column, its header, what that means


@dataclass(frozen=True, slots=True)
class Header:
    """The header row's number, its fields by column, and what was noticed while reading it.

    ``further`` are columns with more reference images beside the first. ``texts`` are the headers of all
    these columns as ``plain_header`` makes them; ``unread`` are the columns whose header is none of ours.
    """

    row: int
    columns: Mapping[str, int]
    notes: tuple[str, ...] = field(default=())
    extra_columns: tuple[int, ...] = field(default=())
    texts: Mapping[int, str] = field(default_factory=dict)
    unread: frozenset[int] = field(default=frozenset())

    @property
    def read(self) -> set[int]:
        """The columns something is read from."""
        return {*self.columns.values(), *self.extra_columns}

    @property
    def of_results(self) -> bool:
        """Whether each line is a picture of a batch that was run."""
        return all(name in self.columns for name in RESULT_LABELS)


def status_named(text: str) -> Status | None:
    """A status by its word in either language; None for one that is none."""
    return _STATUS_NAMES.get(trimmed_text(visible_text(text[:_LONGEST_COMPARED])).casefold())


def find_header(rows: Sequence[Row]) -> Header | None:
    """The first of these rows with a prompt column and the most headers that are known; None without one."""
    found = [header for row in rows if (header := _read_header(row))]
    return max(found, key=lambda header: len(header.columns), default=None)


def display_text(value: Value) -> str:
    """A cell's value in the words a person sees."""
    if isinstance(value, ExcelTime):
        return value.shown
    if isinstance(value, UnreadableCell):
        return value.seen
    return value if isinstance(value, str) else number_text(value)


def plain_header(text: str) -> str:
    """A header as it is compared with another: without spaces, small."""
    return re.sub(r"\s+", "", normal_text(text[:_LONGEST_COMPARED])).casefold()


@dataclass(slots=True)
class ColumnAssignment:
    """Which column each field got, and what came of the other headers."""

    columns: dict[str, int] = field(default_factory=dict)
    further: list[int] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    guessed: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)


def _read_header(row: Row) -> Header | None:
    named = [(column, trimmed_text(display_text(value))) for column, value in sorted(row.values.items())]
    told = [(column, text, meaning(text)) for column, text in named]
    claims = _claim(told)
    columns = claims.columns
    if "prompt" not in columns or _is_form(told, columns["prompt"]):
        return None
    if any(name not in columns for name in RESULT_LABELS):
        columns = {name: column for name, column in columns.items() if name not in RESULT_LABELS}
    notes = (*_place_size(columns), *_tell_claims(claims))
    header = Header(row.number, columns, notes, tuple(claims.further))
    texts = {column: plain_header(text) for column, text in named if column in header.read}
    return replace(header, texts=texts, unread=frozenset(column for column, _ in named) - texts.keys())


def _claim(told: Sequence[Named]) -> ColumnAssignment:
    """Give each field its column, clear headers before loose ones."""
    claims = ColumnAssignment()
    taken_clearly = {found.field for _, _, found in told if found and not found.is_loose}
    for column, text, found in told:
        if found is None or (found.is_loose and found.field in taken_clearly):
            claims.unknown.append(_briefly(text))
        elif found.field == "ignored":
            continue
        elif found.field not in claims.columns:
            claims.columns[found.field] = column
            if found.is_loose:
                claims.guessed.append(f"「{_briefly(text)}」→「{LABELS.get(found.field, text)}」")
        elif found.is_counted:
            claims.further.append(column)
        else:
            claims.doubled.append(LABELS.get(found.field, text))
    return claims


def _tell_claims(claims: ColumnAssignment) -> list[str]:
    notes = [f"「{label}」有不止一列，用的是最左边的一列" for label in dict.fromkeys(claims.doubled)]
    if claims.further:
        notes.append(f"参考图分在 {len(claims.further) + 1} 列里，每一行的都放在一起用")
    if claims.guessed:
        notes.append(f"列名已自动对应：{'、'.join(claims.guessed)}，请核对")
    if claims.unknown:
        notes.append(f"未使用的列：{'、'.join(claims.unknown[:20])}")
    return notes


def _is_form(told: Sequence[Named], prompt: int) -> bool:
    """Whether a loose word for the prompt stands beside mere text: a line of a form, not a header."""
    is_loose = any(found and found.is_loose for column, _, found in told if column == prompt)
    return is_loose and len(told) > 1 and sum(found is not None for _, _, found in told) == 1


def _briefly(text: str) -> str:
    return " ".join(text[:20].split())


def _place_size(columns: dict[str, int]) -> list[str]:
    """A column called Size is the resolution, or the ratio when that is taken; either way it is said."""
    column = columns.pop("size", None)
    if column is None:
        return []
    name = next((name for name in ("resolution", "aspect_ratio") if name not in columns), None)
    if name is None:
        return ["未使用「尺寸」列：图片比例和分辨率已有各自的列"]
    columns[name] = column
    return [f"「尺寸」列按「{LABELS[name]}」读取"]
