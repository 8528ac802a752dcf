"""Records as workbooks: the results of a batch, one line per picture, and the list of records."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Mapping
from operator import attrgetter
from typing import IO, Any

from openpyxl.drawing.image import Image
from openpyxl.drawing.spreadsheet_drawing import AnchorMarker, OneCellAnchor
from openpyxl.drawing.xdr import XDRPositiveSize2D

from app.domain import Batch, Record, Status, own_column_names
from app.errors import Translate, message
from app.sheets.cells import join_names
from app.sheets.headers import LABELS, RESULT_LABELS, STATUS_LABELS
from app.sheets.sheet_writer import Column, SheetWriter, WorkbookWriter, local_time, open_workbook
from app.sheets.template_export import FIELDS, own_columns

# Thumbnail size in pixels, and the total of their bytes, which keeps the file small enough to import.
THUMBNAIL_BOX = (96, 76)
MAX_THUMBNAIL_BYTES = 15 * 2**20
_ROW_HEIGHT = 62  # points, for a thumbnail of 76 pixels
_EMU_PER_PIXEL = 9_525
_LEFT_OUT = message("缩略图太多，此处从略")


def _references(record: Record) -> str:
    return join_names([image.filename for image in record.sample_images])


_own_cells: Callable[[Record], Mapping[str, str]] = attrgetter("columns")

# The request fields, under the headers of the template.
_REQUEST_VALUES: dict[str, Callable[[Record], Any]] = {
    "filename": attrgetter("requested_filename"),
    "references": _references,
}
_REQUEST_COLUMNS = {
    name: Column(label, FIELDS[name][0], value=_REQUEST_VALUES.get(name, attrgetter(name)))
    for name, label in LABELS.items()
}
_OUTCOME_COLUMNS = (
    Column(RESULT_LABELS["status"], 12, value=lambda record: message(STATUS_LABELS[record.status])),
    Column("原因", 30, value=attrgetter("error")),
    Column(RESULT_LABELS["image_file"], 26, value=attrgetter("filename")),
)
_COST_COLUMNS = (
    Column("费用（元）", 10, "money", attrgetter("cost")),
    Column("可能已计费（元）", 17, "money", lambda record: record.at_stake or None),
)
_RESULT_COLUMNS = (
    Column(RESULT_LABELS["row_number"], 7, "number", attrgetter("row_number")),
    Column("缩略图", 14),
    *_REQUEST_COLUMNS.values(),
    Column("第几张", 8, "number", attrgetter("picture_number")),
    *_OUTCOME_COLUMNS,
    *_COST_COLUMNS,
    Column("次数", 7, "number", attrgetter("attempts")),
)
# One record is one picture: under 生成数量 an import of this file would multiply them.
_PICTURES_OF_ROW = Column("同行张数", 11, "number", attrgetter("num_images"))
_RECORD_COLUMNS = (
    Column("ID", 9, "number", attrgetter("id")),
    Column("生成时间（本机）", 20, "time", lambda record: local_time(record.created_at)),
    *(_REQUEST_COLUMNS | {"num_images": _PICTURES_OF_ROW}).values(),
    Column("宽", 8, "number", attrgetter("width")),
    Column("高", 8, "number", attrgetter("height")),
    *_OUTCOME_COLUMNS,
    Column("模型", 18, value=attrgetter("model")),
    *_COST_COLUMNS,
    Column("批次", 16, value=attrgetter("batch_id")),
    Column("收藏", 6, value=lambda record: message("是") if record.favourite else None),
    Column("完成时间（本机）", 20, "time", lambda record: local_time(record.finished_at)),
)


def write_results(
    batch: Batch,
    records: Iterable[Record],
    *,
    thumbnails: Callable[[int], bytes | None],
    translate: Translate = str,
) -> IO[bytes]:
    """The results of a batch, one line per picture in row order; returned as by ``WorkbookWriter.save``.

    ``thumbnails`` maps a record id to PNG or JPEG bytes, or None. Own columns are on the right. In either
    language ``read_workbook`` restores each row's status, so that only unfinished rows are run.
    """
    with open_workbook(translate) as workbook:
        _add_results(workbook, records, thumbnails)
        _add_summary(workbook, batch)
        return workbook.save()


def write_records(
    records: Iterable[Record], *, own_names: Iterable[str] = (), translate: Translate = str
) -> IO[bytes]:
    """Any number of records, streamed; returned as by ``WorkbookWriter.save``. Times are in local time.

    ``own_names`` are the names of their own columns, which are on the right.
    """
    with open_workbook(translate) as workbook:
        columns = [*_RECORD_COLUMNS, *own_columns(own_names, _own_cells)]
        workbook.add_items("生成记录", columns, records)
        return workbook.save()


def _add_results(
    workbook: WorkbookWriter, records: Iterable[Record], thumbnails: Callable[[int], bytes | None]
) -> None:
    title = workbook.translate("结果")
    records = sorted(records, key=attrgetter("id"))
    columns = [*_RESULT_COLUMNS, *own_columns(own_column_names(map(_own_cells, records)), _own_cells)]
    sheet = SheetWriter(workbook, title, columns, frozen_columns=2, row_height=_ROW_HEIGHT)
    budget = MAX_THUMBNAIL_BYTES
    for line, record in enumerate(records, 2):
        values = [column.value(record) for column in columns]
        thumbnail = thumbnails(record.id) if budget else None
        budget = max(budget - len(thumbnail or b""), 0)
        if thumbnail and budget:
            _add_thumbnail(sheet, line, thumbnail)
        elif record.status == Status.SUCCESS and not budget:
            values[1] = _LEFT_OUT
        sheet.append(values)


def _add_thumbnail(sheet: SheetWriter, line: int, content: bytes) -> None:
    """Place an image in the thumbnail cell of a line; bytes that are not an image are ignored."""
    try:
        image = Image(io.BytesIO(content))
    except OSError:
        return
    scale = min(THUMBNAIL_BOX[0] / image.width, THUMBNAIL_BOX[1] / image.height)
    size = XDRPositiveSize2D(*(int(side * scale * _EMU_PER_PIXEL) for side in (image.width, image.height)))
    inset = 3 * _EMU_PER_PIXEL
    corner = AnchorMarker(col=1, colOff=inset, row=line - 1, rowOff=inset)
    image.anchor = OneCellAnchor(_from=corner, ext=size)
    sheet.sheet.add_image(image)


def _add_summary(workbook: WorkbookWriter, batch: Batch) -> None:
    name = message("{name}", name=batch.name or batch.id)
    columns = [Column("批次", 18), Column(name, 50, "number")]
    sheet = SheetWriter(workbook, workbook.translate("批次"), columns)
    sheet.append([message("创建时间（本机）"), local_time(batch.created_at)])
    sheet.append([message("张数"), batch.total])
    for status, count in batch.counts.items():
        if count:
            sheet.append([message(STATUS_LABELS[status]), count])
    sheet.append([message("费用（元）"), batch.cost])
    sheet.append([message("可能已计费（元）"), batch.at_stake])
