"""Results and records as workbooks; reimported results offer only what is unfinished."""

import datetime
import io
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from openpyxl import Workbook, load_workbook

from app.domain import Batch, BatchStatus, Models, ModelSpec, Record, SampleImage, Status
from app.errors import SpreadsheetError, Translate, message
from app.sheets import Import, read_workbook, sheet_writer, write_records, write_results, xlsx_pictures
from tools.noise_images import noise_image
from tools.workbooks.written import saved

BATCH = Batch(
    id="b1",
    name="江南",
    created_at="2026-11-24 08:00:00",
    status=BatchStatus.FINISHED,
    paused_reason=message(""),
    total=3,
    counts={Status.SUCCESS: 2, Status.FAILED: 1},
    cost=Decimal("0.44"),
    at_stake=Decimal(0),
    estimated_cost=Decimal("0.66"),
    eta_seconds=None,
    version=1,
    source="batch",
)


def record(number: int, status: Status = Status.SUCCESS, **fields: Any) -> Record:
    """A record with these fields changed."""
    plain: dict[str, Any] = {
        **dict.fromkeys(("negative_prompt", "requested_filename", "error"), ""),
        **dict.fromkeys(("num_images", "attempts", "version"), 1),
        "id": number,
        "row_number": number,
        "created_at": "2026-11-24 08:00:00",
        "prompt": "猫",
        "aspect_ratio": "16:9",
        "resolution": "2K",
        "width": 2560,
        "height": 1440,
        "batch_id": "b1",
        "status": status,
        "model": "jimeng",
        "cost": Decimal("0.22"),
    }
    return Record(**{**plain, **fields})


def no_thumbnail(_record: int) -> bytes | None:
    """The thumbnail of a missing image."""
    return None


def written(
    records: Sequence[Record],
    thumbnails: Callable[[int], bytes | None] = no_thumbnail,
    translate: Translate = str,
) -> bytes:
    """The results workbook of these records."""
    pieces = write_results(BATCH, records, thumbnails=partial(map, thumbnails), translate=translate)
    return b"".join(pieces)


def exported(*records: Record) -> bytes:
    """The workbook of these records, whatever their batches."""
    with write_records(records) as file:
        return file.read()


def lines(content: bytes) -> list[dict[str, Any]]:
    """The lines of the first sheet by their headers."""
    first, *rest = load_workbook(io.BytesIO(content)).worksheets[0].iter_rows(values_only=True)
    return [dict(zip(map(str, first), row, strict=True)) for row in rest]


def changed(content: bytes, change: Callable[[Any], object]) -> Import:
    """Import a workbook after its first sheet was modified."""
    book: Workbook = load_workbook(io.BytesIO(content))
    change(book.worksheets[0])
    return read_workbook(saved(book), "a.xlsx")


def test_results_have_a_line_per_image_in_row_order() -> None:
    failed = {"error": "内容审核未通过", "cost": Decimal(0), "attempts": 3}
    records = [
        record(5, row_number=1, sample_images=(SampleImage(url="u", filename="a.png"),), seed=4),
        record(7, row_number=2, num_images=2, picture_number=2, status=Status.FAILED, **failed),
        record(6, row_number=2, num_images=2, picture_number=1, filename="狗_1.png", prompt="=狗"),
    ]

    first, second, third = lines(written(records))

    assert (first["行号"], first["参考示例图"], first["种子"]) == (1, "a.png", "4")
    assert (second["行号"], second["第几张"], second["提示词"], second["图片文件"]) == (
        2,
        1,
        "=狗",
        "狗_1.png",
    )
    assert (second["状态"], second["费用（元）"], second["次数"]) == ("成功", 0.22, 1)
    assert (third["状态"], third["原因"], third["费用（元）"], third["次数"]) == (
        "失败",
        "内容审核未通过",
        0,
        3,
    )


@pytest.mark.usefixtures("shanghai")
def test_results_summarise_the_batch_on_a_second_sheet() -> None:
    summary = load_workbook(io.BytesIO(written([record(1)])))["批次"]

    values = {str(row[0]): row[1] for row in summary.iter_rows(values_only=True)}
    assert values["批次"] == "江南"
    assert (values["成功"], values["失败"], values["费用（元）"]) == (2, 1, 0.44)
    assert values["创建时间（本机）"] == datetime.datetime(2026, 11, 24, 16, 0)


MARKED = {"visible": False, "aigc": {"place": "png", "fields": {"ContentProducer": "0011"}}, "c2pa": True}
MARKS = [
    ({"visible": None, "aigc": None, "c2pa": None}, "未检查"),
    ({"visible": False, "aigc": False, "c2pa": False}, "没有"),
    ({"visible": True, "aigc": False, "c2pa": False}, "有"),
    ({"visible": None, "aigc": {"place": "xmp", "fields": {}}, "c2pa": False}, "有"),
    ({"visible": True, "aigc": False, "c2pa": True}, "有"),
]


@pytest.mark.parametrize(("marks", "listed"), MARKS)
def test_results_and_records_say_in_one_column_whether_a_picture_is_marked(
    marks: dict[str, Any], listed: str
) -> None:
    made = record(1, filename="猫.png", image_path="/output/猫.png", marks=marks)
    for content in (exported(made), written([made])):
        (line,) = lines(content)
        assert line["AI 标识"] == listed
        assert not line.keys() & {"可见标识", "隐式标识", "C2PA"}


def test_rows_without_an_image_have_no_marks() -> None:
    (line,) = lines(written([record(1, Status.FAILED, marks=MARKED)]))
    assert line["AI 标识"] is None


def test_thumbnails_keep_their_proportions_in_the_cell() -> None:
    picture = noise_image("jpeg", size=(160, 90))

    sheet = load_workbook(io.BytesIO(written([record(1), record(2)], {2: picture}.get))).worksheets[0]

    assert (sheet.sheet_format.defaultRowHeight, sheet.row_dimensions[1].height) == (62, 26)
    (image,) = vars(sheet)["_images"]
    anchor = image.anchor
    assert (anchor._from.row, anchor._from.col) == (2, 1)
    assert sheet.cell(1, 2).value == "缩略图"
    assert anchor.ext.width / anchor.ext.height == pytest.approx(160 / 90, rel=0.01)
    assert anchor.ext.width <= xlsx_pictures.THUMBNAIL_BOX[0] * 9_525
    assert anchor.ext.height <= xlsx_pictures.THUMBNAIL_BOX[1] * 9_525


def test_without_records_there_is_an_empty_sheet() -> None:
    assert lines(written([])) == lines(exported()) == []


def test_every_thumbnail_is_in_the_file_once_on_its_own_line() -> None:
    pictures = {number: noise_image("png", size=(number, 8)) for number in range(11, 23)}
    records = [
        record(number, row_number=(number - 11) // 4 + 1, picture_number=(number - 11) % 4 + 1, num_images=4)
        for number in pictures
    ]

    content = written(records, pictures.get)

    with zipfile.ZipFile(io.BytesIO(content)) as parts:
        media = [parts.read(name) for name in parts.namelist() if name.startswith("xl/media/")]
    images = vars(load_workbook(io.BytesIO(content)).worksheets[0])["_images"]
    assert media == [*pictures.values()]
    assert [(image.anchor._from.row, image.width) for image in images] == [*enumerate(pictures, 1)]


def test_invalid_thumbnail_bytes_leave_the_cell_empty() -> None:
    content = written([record(1)], lambda _: b"not a picture")

    assert lines(content)[0]["缩略图"] is None


def test_thumbnails_stop_before_the_file_is_too_large_to_import(monkeypatch: pytest.MonkeyPatch) -> None:
    picture = noise_image("png")
    monkeypatch.setattr(xlsx_pictures, "MAX_THUMBNAIL_BYTES", 2 * len(picture) + 1)

    content = written([*map(record, (1, 2, 3)), record(4, Status.FAILED)], lambda _: picture)

    first, second, third, fourth = lines(content)
    images = vars(load_workbook(io.BytesIO(content)).worksheets[0])["_images"]
    assert [image.anchor._from.row for image in images] == [1, 2]
    assert first["缩略图"] is second["缩略图"] is fourth["缩略图"] is None
    assert "没有放入" in third["缩略图"]


def test_reimported_rows_have_their_status() -> None:
    found = read_workbook(written([record(n, status) for n, status in enumerate(Status, 1)]), "结果.xlsx")

    assert [row.status for row in found.rows] == [str(status) for status in Status]
    assert found.problems == ()


def with_status(status: str) -> Import:
    content = written([record(1)])
    place = [*lines(content)[0]].index("状态") + 1
    return changed(content, lambda sheet: sheet.cell(2, place, status))


def test_a_status_is_recognised_despite_invisible_characters() -> None:
    found = with_status("\u200b结果未知，可能\u2060已计费 ")

    assert [row.status for row in found.rows] == ["unknown"]


def test_possible_duplicate_charges_are_reported() -> None:
    statuses = (Status.RUNNING, Status.UNKNOWN, Status.QUEUED, Status.SUCCESS)
    content = written([record(number, status) for number, status in enumerate(statuses, 1)])
    assert [*map(str, read_workbook(content, "结果.xlsx").notes)] == [
        "有 1 行结果未知，可能已计费：再生成会再花一次钱，可以先在原来的批次里取回",
        "有 2 行当时还在排队或生成中：原来的批次会接着做，再生成会多出一份",
    ]
    assert read_workbook(written([record(1), record(2, Status.FAILED)]), "结果.xlsx").notes == ()


def test_a_partly_finished_row_is_split_in_two() -> None:
    shared: dict[str, Any] = {"row_number": 5, "num_images": 3, "requested_filename": "猫"}
    records = [
        record(1, picture_number=1, **shared),
        record(2, picture_number=2, status=Status.FAILED, **shared),
        record(3, picture_number=3, **shared),
    ]

    done, to_do = read_workbook(written(records), "结果.xlsx").rows

    assert (done.status, done.fields["num_images"], done.fields["filename"]) == ("success", 2, "猫")
    assert (to_do.status, to_do.fields["num_images"], to_do.number) == ("failed", 1, 3)


def test_equal_rows_of_a_batch_stay_separate() -> None:
    rows = read_workbook(written([record(1), record(2)]), "结果.xlsx").rows

    assert [row.fields["num_images"] for row in rows] == [1, 1]


def test_a_sorted_or_edited_line_keeps_its_fields() -> None:
    shared: dict[str, Any] = {"row_number": 1, "num_images": 2, "status": Status.FAILED}
    content = written([record(1, picture_number=1, **shared), record(2, picture_number=2, **shared)])

    def edit(sheet: Any) -> None:
        sheet["C3"] = "更好的提示词"

    rows = changed(content, edit).rows

    assert [(row.fields["prompt"], row.fields["num_images"]) for row in rows] == [
        ("猫", 1),
        ("更好的提示词", 1),
    ]


def test_a_line_added_to_results_has_no_status() -> None:
    def add(sheet: Any) -> None:
        sheet["C3"], sheet["G3"] = "新的", 4

    done, new = changed(written([record(1)]), add).rows

    assert (done.status, new.status) == ("success", "")
    assert new.fields["num_images"] == 4


def test_an_unknown_status_is_reported() -> None:
    (problem,) = with_status("差不多").problems

    assert (problem.row, problem.column, problem.seen) == (2, "状态", "差不多")


def test_a_status_column_alone_makes_no_results_workbook() -> None:
    found = read_workbook("提示词,状态\n猫,成功\n,待定\n".encode(), "a.csv")

    assert [(row.number, row.status) for row in found.rows] == [(2, None)]
    assert "没有用到" not in " ".join(map(str, found.notes))


def test_finished_rows_have_no_problems(spec: ModelSpec) -> None:
    content = written([record(1, resolution="4K"), record(2, Status.FAILED, resolution="4K")])
    small = {key: size for key, size in spec.sizes.items() if key[1] != "4K"}

    found = read_workbook(content, "a.xlsx", find_model=Models([replace(spec, sizes=small)]).find)

    assert [problem.row for problem in found.problems] == [3]


def test_a_failed_export_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    with pytest.raises(SpreadsheetError):
        write_results(
            BATCH, [record(1), record(2, prompt="长" * 40_000)], thumbnails=partial(map, no_thumbnail)
        )

    assert list(tmp_path.iterdir()) == []


def test_the_choice_is_a_column_of_the_results() -> None:
    records = [record(1, pick="keep"), record(2, pick="reject"), record(3)]
    assert [line["选中"] for line in lines(written(records))] == ["✓", "✗", None]


def test_the_choice_and_the_comment_of_each_picture_are_read_back() -> None:
    content = written([record(1, row_number=7, picture_number=2), record(2, row_number=8)])

    def mark(sheet: Any) -> None:
        column = [cell.value for cell in sheet[1]].index("选中") + 1
        sheet.cell(2, column).value, sheet.cell(3, column).value = " √ ", "不要"
        sheet.cell(1, sheet.max_column + 1).value = "客户意见"
        sheet.cell(3, sheet.max_column).value = "太暗"

    found = changed(content, mark)
    assert [(each.row, each.picture, each.pick) for each in found.marks] == [(7, 2, "keep"), (8, 1, "reject")]
    assert [row.columns["客户意见"] for row in found.rows] == ["", "太暗"]


def test_records_are_exported_with_every_field() -> None:
    saved_record = record(
        3, filename="猫.png", pick="keep", prompt="=猫", at_stake=Decimal("0.22"), num_images=2
    )

    (line,) = lines(exported(saved_record))

    assert (line["ID"], line["提示词"], line["图片文件"], line["选中"]) == (3, "=猫", "猫.png", "✓")
    assert (line["宽"], line["高"], line["费用（元）"], line["可能已计费（元）"]) == (2560, 1440, 0.22, 0.22)


@pytest.fixture
def shanghai(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Set the local time zone to China."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "Asia/Shanghai")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("shanghai")
def test_times_are_excel_dates_in_local_time() -> None:
    content = exported(record(1, finished_at="2026-11-24 16:00:07"), record(2))
    sheet = load_workbook(io.BytesIO(content)).worksheets[0]
    heads = [str(cell.value) for cell in sheet[1]]
    made, finished = (sheet.cell(2, heads.index(f"{label}时间（本机）") + 1) for label in ("生成", "完成"))

    assert made.value == datetime.datetime(2026, 11, 24, 16, 0)
    assert finished.value == datetime.datetime(2026, 11, 25, 0, 0, 7)
    assert made.number_format == finished.number_format == "yyyy-mm-dd hh:mm:ss"
    assert sheet.cell(3, finished.column).value is None


@pytest.mark.parametrize(
    "stored", ["昨天", "0001-01-01 00:00:00", "9999-12-31 23:59:59", "1800-01-01 00:00:00"]
)
def test_a_time_excel_cannot_represent_is_written_as_text(stored: str) -> None:
    (line,) = lines(exported(record(1, created_at=stored)))

    assert str(line["生成时间（本机）"])[:4] == stored[:4]


def test_exported_records_are_imported_without_problems() -> None:
    sent: dict[str, Any] = {
        "prompt": "=猫",
        "negative_prompt": "水印",
        "aspect_ratio": "3:4",
        "resolution": "4K",
    }
    sent |= {"seed": 7, "steps": 20}
    images = tuple(SampleImage(url="u", filename=name) for name in ("a、b.png", "c,d.png"))
    made = record(
        3, sample_images=images, requested_filename="橘猫", finished_at="2026-11-24 08:00:30", **sent
    )

    found = read_workbook(exported(made), "a.xlsx")

    (row,) = found.rows
    assert found.problems == ()
    assert row.references == ("a、b.png", "c,d.png")
    assert dict(row.fields) == {
        **dict.fromkeys(("background", "output_format", "quality"), ""),
        **sent,
        "model": "jimeng",
        "num_images": 1,
        "filename": "橘猫",
        "reference_strength": None,
    }


def test_records_continue_on_a_second_sheet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sheet_writer, "ROWS_A_SHEET", 2)

    sheets = load_workbook(io.BytesIO(exported(*map(record, range(1, 6))))).worksheets

    assert [(sheet.title, sheet.max_row - 1) for sheet in sheets] == [
        ("生成记录", 2),
        ("生成记录 2", 2),
        ("生成记录 3", 1),
    ]


def test_imported_records_are_one_image_each() -> None:
    found = read_workbook(exported(record(1, num_images=3), record(2, num_images=3)), "a.xlsx")

    assert [row.fields["num_images"] for row in found.rows] == [1, 1]
    assert {row.status for row in found.rows} == {None}
