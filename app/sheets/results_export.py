"""Records as workbooks: the results of a batch, one line per picture, and the list of records."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import chain, count, islice
from typing import IO, Any

from openpyxl import Workbook
from openpyxl.drawing.image import Image
from openpyxl.drawing.spreadsheet_drawing import AnchorMarker, OneCellAnchor
from openpyxl.drawing.xdr import XDRPositiveSize2D

from app.domain import Batch, Record, Status
from app.sheets.cells import join_names
from app.sheets.headers import LABELS, RESULT_LABELS, STATUS_LABELS
from app.sheets.sheet_writer import Column, SheetWriter, Translate, local_time, open_workbook
from app.sheets.template_export import WIDTHS

# Thumbnail size in pixels, and the total of their bytes, which keeps the file small enough to import.
THUMBNAIL_BOX = (96, 76)
MAX_THUMBNAIL_BYTES = 15 * 2**20
_ROW_HEIGHT = 62  # points, for a thumbnail of 76 pixels
_EMU_A_PIXEL = 9_525
_ROWS_A_SHEET = 1_000_000
_LEFT_OUT = "缩略图太多，此处从略"

CellWriter = Callable[[Record], Any]


def write_results(
    batch: Batch,
    records: Iterable[Record],
    *,
    thumbnails: Callable[[int], bytes | None],
    translate: Translate = str,
) -> IO[bytes]:
    """The results of a batch -> a temporary file with the workbook, rewound; the caller closes it.

    One line per picture, in row order. ``thumbnails`` maps a record id to PNG or JPEG bytes, or None.
    ``tell`` translates the labels; in either language ``read_workbook`` restores each row's status, so that
    only unfinished rows are run.
    """
    with open_workbook() as workbook:
        _add_results(workbook, records, thumbnails, translate)
        _add_summary(workbook, batch, translate)
        return _saved(workbook)


def write_records(records: Iterable[Record], *, translate: Translate = str) -> IO[bytes]:
    """Records -> a temporary file with the workbook, rewound; the caller closes it.

    Streams any number of records, a million per sheet. Times are in local time.
    """
    columns = _record_columns(translate)
    rest = iter(records)
    with open_workbook() as workbook:
        for number in count(1):
            first = list(islice(rest, 1))
            if not first and number > 1:
                break
            title = translate("生成记录") + (f" {number}" if number > 1 else "")
            sheet = SheetWriter(workbook, title, [column for column, _ in columns])
            for record in chain(first, islice(rest, _ROWS_A_SHEET - 1)):
                sheet.append([write(record) for _, write in columns])
        return _saved(workbook)


def _add_results(
    workbook: Workbook,
    records: Iterable[Record],
    thumbnails: Callable[[int], bytes | None],
    translate: Translate,
) -> None:
    columns = _result_columns(translate)
    headers = [column for column, _ in columns]
    sheet = SheetWriter(workbook, translate("结果"), headers, frozen_columns=2, row_height=_ROW_HEIGHT)
    budget = MAX_THUMBNAIL_BYTES
    for line, record in enumerate(sorted(records, key=lambda record: record.id), 2):
        values = [write(record) for _, write in columns]
        thumbnail = thumbnails(record.id) if budget else None
        budget = max(budget - len(thumbnail or b""), 0)
        if thumbnail and budget:
            _add_thumbnail(sheet, line, thumbnail)
        elif record.status == Status.SUCCESS and not budget:
            values[1] = translate(_LEFT_OUT)
        sheet.append(values)


def _result_columns(translate: Translate) -> list[tuple[Column, CellWriter]]:
    return _translated(
        [
            (Column(RESULT_LABELS["row_number"], 7, "number"), _attribute("row_number")),
            (Column("缩略图", 14), lambda record: None),
            *_request_columns(),
            (Column("第几张", 8, "number"), _attribute("picture_number")),
            *_outcome_columns(translate),
            *_money_columns(),
            (Column("次数", 7, "number"), _attribute("attempts")),
        ],
        translate,
    )


def _record_columns(translate: Translate) -> list[tuple[Column, CellWriter]]:
    request_columns = {column.label: (column, write) for column, write in _request_columns()}
    # One record is one picture: under 生成数量 an import of this file would multiply them.
    request_columns[LABELS["num_images"]] = (Column("同行张数", 11, "number"), _attribute("num_images"))
    return _translated(
        [
            (Column("ID", 9, "number"), _attribute("id")),
            (Column("生成时间（本机）", 20, "time"), lambda record: local_time(record.created_at)),
            *request_columns.values(),
            (Column("宽", 8, "number"), _attribute("width")),
            (Column("高", 8, "number"), _attribute("height")),
            *_outcome_columns(translate),
            (Column("模型", 18), _attribute("model")),
            *_money_columns(),
            (Column("批次", 16), _attribute("batch_id")),
            (Column("收藏", 6), lambda record: translate("是") if record.favourite else ""),
            (Column("完成时间（本机）", 20, "time"), lambda record: local_time(record.finished_at)),
        ],
        translate,
    )


def _request_columns() -> list[tuple[Column, CellWriter]]:
    """The request fields, under the headers of the template."""
    writes: dict[str, CellWriter] = {
        "filename": lambda record: record.requested_filename,
        "references": lambda record: join_names([image.filename for image in record.sample_images]),
    }
    return [
        (Column(label, WIDTHS[name]), writes.get(name, _attribute(name))) for name, label in LABELS.items()
    ]


def _outcome_columns(translate: Translate) -> list[tuple[Column, CellWriter]]:
    return [
        (Column(RESULT_LABELS["status"], 12), lambda record: translate(STATUS_LABELS[record.status])),
        (Column("原因", 30), lambda record: translate(record.error)),
        (Column(RESULT_LABELS["image_file"], 26), _attribute("filename")),
    ]


def _money_columns() -> list[tuple[Column, CellWriter]]:
    return [
        (Column("费用（元）", 10, "money"), _attribute("cost")),
        (Column("可能已计费（元）", 17, "money"), lambda record: record.at_stake or None),
    ]


def _translated(
    columns: list[tuple[Column, CellWriter]], translate: Translate
) -> list[tuple[Column, CellWriter]]:
    return [(replace(column, label=translate(column.label)), write) for column, write in columns]


def _attribute(name: str) -> CellWriter:
    return lambda record: getattr(record, name)


def _add_thumbnail(sheet: SheetWriter, line: int, content: bytes) -> None:
    """Place an image in the thumbnail cell of a line; bytes that are not an image are ignored."""
    try:
        image = Image(io.BytesIO(content))
    except OSError:
        return
    scale = min(THUMBNAIL_BOX[0] / image.width, THUMBNAIL_BOX[1] / image.height)
    size = XDRPositiveSize2D(*(int(side * scale * _EMU_A_PIXEL) for side in (image.width, image.height)))
    inset = 3 * _EMU_A_PIXEL
    corner = AnchorMarker(col=1, colOff=inset, row=line - 1, rowOff=inset)
    image.anchor = OneCellAnchor(_from=corner, ext=size)
    sheet.sheet.add_image(image)


def _add_summary(workbook: Workbook, batch: Batch, translate: Translate) -> None:
    name = translate("批次")
    sheet = SheetWriter(workbook, name, [Column(name, 18), Column(batch.name or batch.id, 50, "number")])
    lines: Sequence[tuple[str, object]] = [
        ("创建时间（本机）", local_time(batch.created_at)),
        ("张数", batch.total),
        *((STATUS_LABELS[status], number) for status, number in batch.counts.items() if number),
        ("费用（元）", batch.cost),
        ("可能已计费（元）", batch.at_stake),
    ]
    for label, value in lines:
        sheet.append((translate(label), value))


def _saved(workbook: Workbook) -> IO[bytes]:
    file = tempfile.TemporaryFile()  # noqa: SIM115 - the caller closes it
    workbook.save(file)
    file.seek(0)
    return file
