"""Which column is which: the headers people write, in Chinese or English, and where the header row stands."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from domain import Status
from sheets.grid import Moment, Row, Unreadable, Value, number_text

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

_NAMES: Mapping[str, str] = {
    "prompt": "提示词 正面提示词 正向提示词 图片提示词 prompt prompts positiveprompt",
    "negative_prompt": "负面提示词 反向提示词 负向提示词 反面提示词 negativeprompt negativeprompts negative",
    "aspect_ratio": "图片比例 比例 画面比例 宽高比 长宽比 aspectratio aspect ratio",
    "resolution": "分辨率 图片分辨率 清晰度 resolution",
    "size": "尺寸 图片尺寸 大小 size imagesize",
    "num_images": "生成数量 数量 张数 生成张数 图片数量 numimages count imagecount quantity number images",
    "filename": "文件名 文件名称 保存文件名 filename file outputname outputfilename",
    "references": "参考示例图 参考图 示例图文件名 示例图 参考图片 参考图文件名 referenceimages referenceimage"
    " references reference sampleimages sampleimage samples",
    "seed": "种子 随机种子 seed",
    "steps": "采样步数 步数 steps samplingsteps",
    "row_number": "行号 rownumber",
    "status": "状态 status",
    "image_file": "图片文件 imagefile",
    "ignored": "序号 编号 缩略图 第几张 原因 费用 可能已计费 次数 # no id"
    " thumbnail picturenumber reason cost possiblycharged attempts",
}
_FIELD_OF = {name: key for key, names in _NAMES.items() for name in names.split()}
_REMARK = re.compile(r"\([^()]*\)|\[[^\[\]]*\]|【[^【】]*】")
_NOT_LETTERS = re.compile(r"[\s_\-*:.。、/\u200b\ufeff]+")


@dataclass(frozen=True, slots=True)
class Header:
    """The header row's number, its fields by column, and what was noticed while reading it."""

    row: int
    columns: Mapping[str, int]
    notes: tuple[str, ...] = field(default=())

    @property
    def of_results(self) -> bool:
        """Whether each line is a picture of a batch that was run."""
        return all(name in self.columns for name in RESULT_LABELS)


def header_field(text: str) -> str | None:
    """``" Negative\\nPrompt*"`` -> ``negative_prompt``; None for a header that says nothing to us."""
    plain = _REMARK.sub("", unicodedata.normalize("NFKC", text[:80]).casefold())
    return _FIELD_OF.get(_NOT_LETTERS.sub("", plain))


def status_named(text: str) -> Status | None:
    """A status by its word in either language; None for one that is none."""
    return _STATUS_NAMES.get(text.casefold())


def find_header(rows: Sequence[Row]) -> Header | None:
    """The first of these rows with a prompt column and the most headers that are known; None without one."""
    found = [header for row in rows if (header := _read_header(row))]
    return max(found, key=lambda header: len(header.columns), default=None)


def shown(value: Value) -> str:
    """A cell's value in the words a person sees."""
    if isinstance(value, Moment):
        return value.shown
    if isinstance(value, Unreadable):
        return value.seen
    return value if isinstance(value, str) else number_text(value)


def _read_header(row: Row) -> Header | None:
    columns: dict[str, int] = {}
    doubled: list[str] = []
    unknown: list[str] = []
    for column, value in sorted(row.values.items()):
        text = shown(value).strip()
        name = header_field(text)
        if name is None:
            unknown.append(" ".join(text[:20].split()))
        elif name == "ignored":
            continue
        elif name in columns:
            doubled.append(LABELS.get(name, text))
        else:
            columns[name] = column
    if "prompt" not in columns:
        return None
    if any(name not in columns for name in RESULT_LABELS):
        columns = {name: column for name, column in columns.items() if name not in RESULT_LABELS}
    notes = [f"「{label}」有不止一列，用的是最左边的一列" for label in dict.fromkeys(doubled)]
    notes += _place_size(columns)
    if unknown:
        notes.append(f"没有用到的列：{'、'.join(unknown[:20])}")
    return Header(row.number, columns, tuple(notes))


def _place_size(columns: dict[str, int]) -> list[str]:
    """A column called Size is the resolution, or the ratio when that is taken; either way it is said."""
    column = columns.pop("size", None)
    if column is None:
        return []
    name = next((name for name in ("resolution", "aspect_ratio") if name not in columns), None)
    if name is None:
        return ["「尺寸」这一列没有用到：图片比例和分辨率已有各自的列"]
    columns[name] = column
    return [f"「尺寸」这一列当作「{LABELS[name]}」"]
