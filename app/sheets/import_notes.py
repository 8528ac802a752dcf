"""What an import tells the user besides the problems of cells."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from app.domain import MAX_PICTURES_A_BATCH, MAX_ROWS_A_BATCH, OPTIONS, ModelSpec, Status
from app.errors import Message, message
from app.sheets.headers import FIELD_LABELS, LABELS, Header
from app.sheets.non_data_rows import row_list
from app.sheets.table import Grid

DEFAULTS = {"aspect_ratio": "1:1", "resolution": "2K", "num_images": "1"}


def grid_notes(header: Header, grid: Grid) -> Iterator[Message]:
    """Notes on hidden rows and columns, missing columns and images over the cells."""
    if hidden := grid.hidden_rows:
        text = "有 {count} 行在表格里是隐藏的（第 {rows} 行），也一起导入了"
        yield message(text, count=len(hidden), rows=row_list(hidden))
    labels = [
        message(FIELD_LABELS[name])
        for name, column in header.columns.items()
        if name in FIELD_LABELS and any(first <= column <= last for first, last in grid.hidden_columns)
    ]
    if labels:
        yield message("隐藏的列也一起导入了：{columns}", columns=tuple(labels))
    missing = {name: value for name, value in DEFAULTS.items() if name not in header.columns}
    if missing and header.has_prompt:  # of products the recipe says it
        defaults = [
            message("{label}（{value}）", label=message(LABELS[name]), value=value)
            for name, value in missing.items()
        ]
        yield message("表格里没有的列按默认值：{defaults}", defaults=tuple(defaults))
    has_thumbnails = header.of_results or header.has_own_results
    if grid.floating_images and not has_thumbnails:
        yield message(
            "有 {count} 张图片浮在表格上，没有读取；要用作参考图，"
            "请上传到「示例图」，再在「参考示例图」这一列写上它们的名字",
            count=grid.floating_images,
        )


def size_notes(rows: Sequence[tuple[Status | str | None, object]]) -> Iterator[Message]:
    """A note on more than can be started at once; ``rows`` are (status, number of pictures)."""
    left = [number if isinstance(number, int) else 1 for status, number in rows if status != Status.SUCCESS]
    if len(left) > MAX_ROWS_A_BATCH or sum(left) > MAX_PICTURES_A_BATCH:
        yield message(
            "有 {n} 行、{number} 张，一次最多开始 {rows} 行、{pictures} 张：请选出一部分行，分几次开始",
            n=len(left),
            number=sum(left),
            rows=MAX_ROWS_A_BATCH,
            pictures=MAX_PICTURES_A_BATCH,
        )


def unfinished_notes(statuses: Sequence[str | None]) -> Iterator[Message]:
    """Notes on rows that may be charged or generated twice when submitted again."""
    if unknown := sum(status == Status.UNKNOWN for status in statuses):
        text = "有 {count} 行结果未知，可能已计费：再生成会再花一次钱，可以先在原来的批次里取回"
        yield message(text, count=unknown)
    if pending := sum(status in (Status.HELD, Status.QUEUED, Status.RUNNING) for status in statuses):
        text = "有 {count} 行当时还在排队或生成中：原来的批次会接着做，再生成会多出一份"
        yield message(text, count=pending)


def model_notes(rows: Sequence[tuple[ModelSpec, Mapping[str, Any]]]) -> Iterator[Message]:
    """Notes on what the models of these rows do not take; ``rows`` are (model, fields)."""
    by_model: dict[str, list[Mapping[str, Any]]] = {}
    specs: dict[str, ModelSpec] = {}
    for spec, fields in rows:
        specs[spec.model_id] = spec
        by_model.setdefault(spec.model_id, []).append(fields)
    for model_id, fields_of_rows in by_model.items():
        yield from _unsupported_notes(specs[model_id], fields_of_rows, is_only=len(specs) == 1)


def _unsupported_notes(
    spec: ModelSpec, rows: Sequence[Mapping[str, Any]], *, is_only: bool
) -> Iterator[Message]:
    model = message(spec.label)
    taken = {"seed": spec.takes_seed, "steps": spec.takes_steps}
    taken |= {name: name in spec.options for name in OPTIONS}
    for name, is_taken in taken.items():
        if not is_taken and any(fields[name] not in (None, "") for fields in rows):
            text = "{model} 不接受{column}，这一列不会用到"
            if not is_only:
                text = "{model} 不接受{column}，由它来画的行不会用到这一列"
            note = spec.field_notes.get(name, text)
            yield message(note, model=model, column=message(FIELD_LABELS[name]))
    if count := sum(len(fields["prompt"]) > spec.prompt_limit for fields in rows):
        text = "有 {count} 行的提示词超过 {model} 建议的 {limit} 字，可能被忽略一部分"
        yield message(text, count=count, model=model, limit=spec.prompt_limit)
