"""Records as workbooks: the results of a batch, one line per picture, and the list of records."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from operator import attrgetter, itemgetter
from typing import IO, Any

from app.domain import OPTIONS, Batch, Record, Status, mark_word, own_column_names
from app.domain.row_fields import GUIDES
from app.errors import Translate, message
from app.sheets.cells import join_names
from app.sheets.headers import LABELS, MARK_LABEL, OPTION_LABELS, PICK_MARKS, RESULT_LABELS, RESULT_STATUSES
from app.sheets.option_columns import option_text
from app.sheets.sheet_writer import CellValue, SheetColumn, SheetWriter, WorkbookWriter, local_time
from app.sheets.template_export import own_columns
from app.sheets.xlsx_edit import batch_property_parts
from app.sheets.xlsx_package import OoxmlPackage
from app.sheets.xlsx_pictures import (
    LEFT_OUT,
    THUMBNAIL_BOX,
    FilledSheet,
    Place,
    Thumbnails,
    new_drawing,
    package_with_pictures,
    picture_numbers,
)

_ROW_HEIGHT = 62  # points, for a thumbnail of 76 pixels
_THUMBNAIL_COLUMN = 2


_own_cells: Callable[[Record], Mapping[str, str]] = attrgetter("columns")

# The request fields, under the headers of the template.
_REQUEST_VALUES: dict[str, Callable[[Record], Any]] = {
    "filename": attrgetter("requested_filename"),
    "references": lambda record: join_names([image.filename for image in record.sample_images]),
}
_REQUEST_COLUMNS = {
    name: SheetColumn(label, GUIDES[name][0], value=_REQUEST_VALUES.get(name, attrgetter(name)))
    for name, label in LABELS.items()
}
_OPTION_COLUMNS = {
    name: SheetColumn(
        OPTION_LABELS[name],
        GUIDES[name][0],
        value=lambda record, name=name: option_text(name, record.options.get(name)),  # type: ignore[misc]
    )
    for name in OPTIONS
}
_MODEL = SheetColumn(OPTION_LABELS["model"], GUIDES["model"][0], value=attrgetter("model"))
_LAST_REQUEST_COLUMN = _REQUEST_COLUMNS["steps"]
_IMAGE_FILE = SheetColumn(RESULT_LABELS["image_file"], 26, value=attrgetter("filename"))
_OUTCOME_COLUMNS = (
    SheetColumn(
        RESULT_LABELS["status"], 12, value=lambda r: message(RESULT_STATUSES[r.status]) if r.id else None
    ),
    SheetColumn("原因", 30, value=attrgetter("error")),
    _IMAGE_FILE,
)
_COST_COLUMNS = (
    SheetColumn("费用（元）", 10, "money", attrgetter("cost")),
    SheetColumn("可能已计费（元）", 17, "money", lambda record: record.at_stake or None),
)
_PICK = SheetColumn("选中", 6, value=lambda record: PICK_MARKS.get(record.pick))
_MARK = SheetColumn(MARK_LABEL, 24, value=lambda record: mark_word(record.marks) if record.filename else None)
_RESULT_COLUMNS = (
    SheetColumn(RESULT_LABELS["row_number"], 7, "number", attrgetter("row_number")),
    SheetColumn("缩略图", 14),
    *_REQUEST_COLUMNS.values(),
    SheetColumn("第几张", 8, "number", attrgetter("picture_number")),
    *_OUTCOME_COLUMNS,
    _PICK,
    _MODEL,
    *_COST_COLUMNS,
    SheetColumn("次数", 7, "number", attrgetter("attempts")),
    _MARK,
)
# One record is one picture: under 生成数量 an import of this file would multiply them.
_PICTURES_OF_ROW = SheetColumn("同行张数", 11, "number", attrgetter("num_images"))
_RECORD_COLUMNS = (
    SheetColumn("ID", 9, "number", attrgetter("id")),
    SheetColumn("生成时间（本机）", 20, "time", lambda record: local_time(record.created_at)),
    *(_REQUEST_COLUMNS | {"num_images": _PICTURES_OF_ROW}).values(),
    SheetColumn("宽", 8, "number", attrgetter("width")),
    SheetColumn("高", 8, "number", attrgetter("height")),
    *_OUTCOME_COLUMNS,
    _MODEL,
    *_COST_COLUMNS,
    SheetColumn("批次", 16, value=attrgetter("batch_id")),
    _PICK,
    SheetColumn("完成时间（本机）", 20, "time", lambda record: local_time(record.finished_at)),
    _MARK,
)


def write_results(
    batch: Batch, records: Iterable[Record], *, thumbnails: Thumbnails, translate: Translate = str
) -> Iterator[bytes]:
    """The results of a batch as a stream, one line per picture in row order.

    Own columns are on the right. In either language ``read_workbook`` restores each row's status, so that
    only unfinished rows are run. Raises SpreadsheetError before the first piece; thumbnails are computed as
    they are sent.
    """
    records = list(records)
    first = {record.row_number: place for place, record in reversed(list(enumerate(records)))}
    # By rows, in the order of their first: a picture that was added later is with its row.
    records.sort(key=lambda record: (first[record.row_number], record.id))
    columns = _with_options(_RESULT_COLUMNS, {name for record in records for name in record.options})
    columns += own_columns(own_column_names(map(_own_cells, records)), _own_cells)
    ids = [record.id if record.status == Status.SUCCESS else 0 for record in records]
    return _write_lines("结果", columns, records, ids, thumbnails, translate, batch)


def write_files(
    title: str,
    files: Sequence[tuple[int, int, str, Mapping[str, str]]],
    own_names: Iterable[str],
    *,
    thumbnails: Thumbnails,
    translate: Translate = str,
) -> Iterator[bytes]:
    """The workbook of files, as (record id, row number, path, own columns), a line with a thumbnail each."""
    columns = [
        SheetColumn(RESULT_LABELS["row_number"], 7, "number", itemgetter(1)),
        SheetColumn("缩略图", 14),
        SheetColumn(RESULT_LABELS["image_file"], 40, value=itemgetter(2)),
        *own_columns(own_names, itemgetter(3)),
    ]
    return _write_lines(title, columns, files, [file[0] for file in files], thumbnails, translate)


def _write_lines(
    title: str,
    columns: Sequence[SheetColumn],
    items: Sequence[Any],
    ids: Sequence[int],
    thumbnails: Thumbnails,
    translate: Translate,
    batch: Batch | None = None,
) -> Iterator[bytes]:
    """A workbook with a line for each item, and with the summary of a batch; see ``_with_lines``."""
    with WorkbookWriter(translate) as workbook:
        name = workbook.translate(title)
        sheet = SheetWriter(workbook, name, columns, frozen_columns=2, row_height=_ROW_HEIGHT)
        lines = [sheet.texts([column.value(item) for column in columns]) for item in items]
        if batch:
            _add_summary(workbook, batch)
        with workbook.save(in_memory=True) as file:
            package = OoxmlPackage(file.read())
    return _with_lines(package, batch.id if batch else "", sheet, ids, lines, thumbnails, translate(LEFT_OUT))


def _with_options(columns: Sequence[SheetColumn], options: Collection[str]) -> list[SheetColumn]:
    """The columns with those of these options after the last column of the request."""
    at = columns.index(_LAST_REQUEST_COLUMN) + 1
    found = (column for name, column in _OPTION_COLUMNS.items() if name in options)
    return [*columns[:at], *found, *columns[at:]]


def _with_lines(
    package: OoxmlPackage,
    batch_id: str,
    sheet: SheetWriter,
    ids: Sequence[int],
    lines: Sequence[list[CellValue | None]],
    thumbnails: Thumbnails,
    left_out: str,
) -> Iterator[bytes]:
    """The package with these lines in a sheet that has none, and their thumbnails.

    ``ids`` are the records of the lines, 0 for one without a picture; ``batch_id`` is kept in the file.
    """
    width, height = THUMBNAIL_BOX
    places = [
        (record_id, Place(row=row, column=_THUMBNAIL_COLUMN, width=width, height=height))
        for row, record_id in enumerate(ids, 2)
        if record_id
    ]
    drawing = new_drawing(package, sheet.part, picture_numbers(package))

    def part(first_left_out: int | None) -> bytes:
        for row, (record_id, line) in enumerate(zip(ids, lines, strict=True), 2):
            if first_left_out is not None and row >= first_left_out and record_id:
                line[_THUMBNAIL_COLUMN - 1] = left_out
        rows = (sheet.line(row, line) for row, line in enumerate(lines, 2))
        return b"".join((sheet.head, *rows, sheet.tail(drawing.element)))

    filled = FilledSheet(name=sheet.part, drawing=drawing, places=places, part=part)
    properties = batch_property_parts(package, batch_id) if batch_id else ({}, {})
    return package_with_pictures(package, *properties, [filled], thumbnails)


def write_records(
    records: Iterable[Record],
    *,
    own_names: Iterable[str] = (),
    options: Collection[str] = (),
    image_file: Callable[[Record], str] = attrgetter("filename"),
    translate: Translate = str,
) -> IO[bytes]:
    """Any number of records, streamed; returned as by ``WorkbookWriter.save``. Times are in local time.

    ``own_names`` are the names of their own columns, which are on the right, ``options`` those that a record
    has. ``image_file`` returns where the picture of a record is.
    """
    with WorkbookWriter(translate) as workbook:
        columns = [*_with_options(_RECORD_COLUMNS, options), *own_columns(own_names, _own_cells)]
        at = columns.index(_IMAGE_FILE)
        columns[at] = replace(_IMAGE_FILE, value=image_file)
        workbook.add_items("生成记录", columns, records)
        return workbook.save()


def _add_summary(workbook: WorkbookWriter, batch: Batch) -> None:
    name = message("{name}", name=batch.name or batch.id)
    columns = [SheetColumn("批次", 18), SheetColumn(name, 50, "number")]
    sheet = SheetWriter(workbook, workbook.translate("批次"), columns)
    sheet.append([message("创建时间（本机）"), local_time(batch.created_at)])
    sheet.append([message("张数"), batch.total])
    for status, count in batch.counts.items():
        if count:
            sheet.append([message(RESULT_STATUSES[status]), count])
    sheet.append([message("费用（元）"), batch.cost])
    sheet.append([message("可能已计费（元）"), batch.at_stake])
