"""Results written into the imported file: only our columns are added."""

import functools
import io
import re
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal
from functools import partial
from typing import Any
from xml.etree import ElementTree

import pytest
import xlsxwriter
from openpyxl import Workbook, load_workbook
from openpyxl.comments import Comment
from openpyxl.drawing.image import Image
from openpyxl.formatting.rule import CellIsRule
from openpyxl.styles import Alignment, Font, PatternFill
from openpyxl.workbook.defined_name import DefinedName
from openpyxl.worksheet.datavalidation import DataValidation
from openpyxl.worksheet.table import Table

from app.domain import Record, Status, WorkbookFile
from app.errors import SpreadsheetError, Translate
from app.sheets import (
    batch_of_file,
    own_result_notes,
    read_for_results,
    read_workbook,
    write_own_results,
    xlsx_reader,
)
from app.sheets.xlsx_package import OoxmlPackage
from app.web.i18n import in_english
from tests.sheets.test_results_export import BATCH, no_thumbnail, record
from tools.noise_images import noise_image
from tools.workbooks import by_hand
from tools.workbooks.written import by_openpyxl as of_rows
from tools.workbooks.written import saved, with_sheets

LABELS = ["状态", "原因", "文件", "费用", "选中", "缩略图", "AI 标识"]
JPEG = noise_image("jpeg", size=(96, 64))


def file_of(content: bytes, name: str = "秋款.xlsx") -> WorkbookFile:
    found = read_workbook(content, name)
    return WorkbookFile(
        id="1" * 64,
        filename=name,
        sheet=found.read[0].name,
        header_row=found.read[0].header_row,
        content=content,
    )


def filled(
    content: bytes, records: Sequence[Record], name: str = "秋款.xlsx", translate: Translate = str
) -> bytes:
    """The file with these results in it."""
    thumbnails = partial(map, lambda _record: JPEG)
    prompts = {row.number: row.fields["prompt"] for row in read_workbook(content, name).rows}
    records = [replace(each, prompt=prompts.get(each.row_number, each.prompt)) for each in records]
    file = file_of(content, name)
    found = read_for_results(file, records)
    results = write_own_results(file, found, BATCH, records, thumbnails=thumbnails, translate=translate)
    return b"".join(results.pieces)


def first_sheet(content: bytes) -> Any:
    """The first sheet as openpyxl reads it."""
    return load_workbook(io.BytesIO(content)).worksheets[0]


def part(content: bytes, name: str = "xl/worksheets/sheet1.xml") -> bytes:
    """A part of the package."""
    with zipfile.ZipFile(io.BytesIO(content)) as parts:
        return parts.read(name)


def cells(content: bytes) -> dict[str, tuple[Any, ...]]:
    """Value, formula and format of every cell."""
    return {
        cell.coordinate: (
            cell.value,
            cell.number_format,
            cell.font.b,
            cell.fill.fgColor.rgb,
            cell.alignment.wrap_text,
        )
        for row in first_sheet(content).iter_rows()
        for cell in row
        if cell.value is not None or cell.has_style
    }


def row_of(content: bytes, number: int, first: int) -> list[Any]:
    page = first_sheet(content)
    return [page.cell(number, first + index).value for index in range(5)]


def pictures(content: bytes) -> list[tuple[int, int]]:
    """(row, column) of each image, 1-based."""
    images = vars(first_sheet(content))["_images"]
    return [(image.anchor._from.row + 1, image.anchor._from.col + 1) for image in images]


def made(number: int, row: int, **fields: Any) -> Record:
    return record(
        number, row_number=row, **{"filename": f"图{number}.png", "image_path": "/output/x", **fields}
    )


@functools.cache
def by_openpyxl() -> bytes:
    """Two sheets, formats, merged cells, formulas, a table, rules, an image, frozen panes and a comment."""
    book = Workbook()
    page = book.worksheets[0]
    page.title = "秋款"
    page["A1"] = "2026 秋季主图"
    page.merge_cells("A1:E1")
    page.append(["SKU", "提示词", "图片比例", "数量合计", "交期"])
    for number in range(3, 8):
        page.append([f"A-{number:03}", f"猫 {number}", "16:9", f"=ROW()*{number}", 46_000 + number])
        page.cell(number, 5).number_format = "yyyy-mm-dd"
    page["B2"].font = Font(bold=True)
    page["B3"].fill = PatternFill("solid", fgColor="FFFF00")
    page["B4"].alignment = Alignment(wrap_text=True)
    page["A3"].comment = Comment("先做这一行", "我")
    page.column_dimensions["B"].width = 44
    page.row_dimensions[5].height = 90
    page.freeze_panes = "C3"
    page.add_table(Table(displayName="Prompts", ref="A2:E7"))
    rule: Any = CellIsRule
    red = PatternFill("solid", bgColor="FF0000")
    page.conditional_formatting.add("A3:A7", rule(operator="equal", formula=['"A-004"'], fill=red))
    validation = DataValidation(type="list", formula1='"16:9,1:1"')
    validation.add("C3:C7")
    page.add_data_validation(validation)
    page.add_image(Image(io.BytesIO(noise_image("png"))), "A9")
    other = book.create_sheet("价目")
    other.append(["项", "价"])
    other.append(["主图", "=SUM(1,2)"])
    book.defined_names["首行"] = DefinedName("首行", attr_text="秋款!$A$3")
    return saved(book)


@functools.cache
def by_xlsxwriter() -> bytes:
    """Shared strings, styles, an autofilter, a chart, an image and rows without heights."""
    target = io.BytesIO()
    with xlsxwriter.Workbook(target) as book:
        page = book.add_worksheet("提示词")
        bold = book.add_format({"bold": True, "bg_color": "#DDEEFF"})
        for column, label in enumerate(["提示词", "分辨率", "客户", "合计"]):
            page.write(0, column, label, bold)
        for row in range(1, 6):
            page.write_row(row, 0, [f"狗 {row}", "2K", "甲公司"])
            page.write_formula(row, 3, f"=LEN(A{row + 1})", None, 3)
        page.autofilter(0, 0, 5, 3)
        page.set_column(0, 0, 40)
        page.set_column(6, 200, 3)
        page.insert_image(8, 0, "a.png", {"image_data": io.BytesIO(noise_image("png"))})
        chart = book.add_chart({"type": "column"})
        chart.add_series({"values": "=提示词!$D$2:$D$6"})
        page.insert_chart(8, 2, chart)
    return target.getvalue()


@pytest.mark.parametrize(("build", "header", "first"), [(by_openpyxl, 2, 6), (by_xlsxwriter, 1, 5)])
def test_every_cell_outside_our_columns_is_equal(build: Callable[[], bytes], header: int, first: int) -> None:
    source = build()
    target = filled(source, [made(1, header + 1), made(2, header + 3, status=Status.FAILED, filename="")])
    before, after = cells(source), cells(target)
    ours = {f"{chr(64 + first + index)}{number}" for index in range(len(LABELS)) for number in range(1, 30)}
    assert {place: value for place, value in after.items() if place not in ours} == before
    assert row_of(target, header, first) == LABELS[:5]
    assert row_of(target, header + 1, first)[:4] == ["成功", None, "图1.png", 0.22]
    assert row_of(target, header + 3, first)[0] == "失败"


@pytest.mark.parametrize("build", [by_openpyxl, by_xlsxwriter])
def test_only_what_must_change_in_the_package_changes(build: Callable[[], bytes]) -> None:
    source = build()
    with (
        zipfile.ZipFile(io.BytesIO(source)) as old,
        zipfile.ZipFile(io.BytesIO(filled(source, [made(1, 3)]))) as new,
    ):
        assert new.testzip() is None
        changed = {name for name in old.namelist() if new.read(name) != old.read(name)}
        added = set(new.namelist()) - set(old.namelist())
    assert changed == {
        *("[Content_Types].xml", "_rels/.rels", "xl/styles.xml", "xl/worksheets/sheet1.xml"),
        *("xl/drawings/drawing1.xml", "xl/drawings/_rels/drawing1.xml.rels"),
    }
    assert added == {"docProps/custom.xml", "xl/media/result1.jpeg"}


def test_the_features_of_the_sheet_stay() -> None:
    page = first_sheet(filled(by_openpyxl(), [made(1, 3)]))
    assert page.freeze_panes == "C3"
    assert [str(each) for each in page.merged_cells.ranges] == ["A1:E1"]
    assert page.tables["Prompts"].ref == "A2:E7"
    assert page["A3"].comment is not None
    assert page.column_dimensions["B"].width == 44
    assert len(page.conditional_formatting) == 1
    assert len(page.data_validations.dataValidation) == 1


def test_pictures_stand_in_the_rows_beside_those_that_were_there() -> None:
    target = filled(by_openpyxl(), [made(1, 3), made(2, 6)])
    assert pictures(target) == [(9, 1), (3, 11), (6, 11)]
    page = first_sheet(target)
    assert [page.row_dimensions[number].height for number in (3, 4, 5)] == [62, None, 90]


def test_a_row_with_several_pictures_lists_their_files() -> None:
    records = [
        made(1, 3),
        made(2, 3),
        made(3, 3, status=Status.FAILED, filename="", error="超时", cost=Decimal(0)),
    ]
    target = filled(by_openpyxl(), records)
    assert row_of(target, 3, 6) == ["成功 2、失败 1", "超时", "图1.png\n图2.png", 0.44, None]
    assert pictures(target) == [(9, 1), (3, 11)]


def test_an_unknown_outcome_has_no_cost_of_zero() -> None:
    unknown = {"status": Status.UNKNOWN, "filename": "", "cost": Decimal(0)}
    failed = {**unknown, "status": Status.FAILED}
    records = [made(1, 3, **unknown), made(2, 4, **failed), made(3, 5), made(4, 5, **unknown)]
    target = filled(by_openpyxl(), records)
    assert [row_of(target, row, 6)[3] for row in (3, 4, 5)] == [None, 0, 0.22]


def test_the_choice_is_a_line_for_each_file() -> None:
    records = [made(1, 3, pick="keep"), made(2, 4), made(3, 4, pick="reject"), made(4, 5)]
    target = filled(by_openpyxl(), records)
    assert [row_of(target, row, 6)[4] for row in (3, 4, 5)] == ["✓", "\n✗", None]
    marks = read_workbook(target, "a.xlsx").marks
    assert [(mark.row, mark.picture, mark.pick) for mark in marks] == [(3, None, "keep"), (4, 2, "reject")]


def test_text_that_looks_like_a_formula_stays_text() -> None:
    target = filled(by_openpyxl(), [made(1, 3, filename="=1+1.png")])
    cell = first_sheet(target)["H3"]
    assert (cell.value, cell.data_type, cell.quotePrefix) == ("=1+1.png", "s", True)


def test_results_written_again_replace_the_earlier_ones() -> None:
    first = filled(by_openpyxl(), [made(1, 3, status=Status.FAILED), made(2, 4)])
    again = filled(first, [made(3, 3)])
    assert row_of(again, 3, 6)[:3] == ["成功", None, "图3.png"]
    assert row_of(again, 4, 6)[:3] == ["成功", None, "图2.png"]
    assert sorted(pictures(again)) == [(3, 11), (4, 11), (9, 1)]
    assert max(len(row) for row in first_sheet(again).iter_rows()) == 12


def test_each_mark_of_a_row_is_listed_once() -> None:
    found = {"visible": True, "aigc": {"place": "xmp", "fields": {"ContentProducer": "0011"}}, "c2pa": False}
    none = {"visible": False, "aigc": False, "c2pa": False}
    target = filled(
        by_openpyxl(),
        [made(1, 3, marks=found), made(2, 3, marks=found), made(3, 3, marks=none), made(4, 4, marks=none)],
    )
    page = first_sheet(target)
    assert [page.cell(row, 12).value for row in (2, 3, 4)] == ["AI 标识", "有\n没有", "没有"]


@pytest.mark.parametrize("on_the_right", [[], ["备注"]])
def test_results_of_an_earlier_version_get_marks_only_where_nothing_is_on_their_right(
    on_the_right: list[str],
) -> None:
    rows = (["提示词", *LABELS[:6], *on_the_right], ["猫", "成功", None, "旧.png"])
    target = filled(of_rows(rows), [made(1, 2)])
    page = first_sheet(target)
    header = [cell.value for cell in page[1]]
    assert header == ["提示词", *LABELS[:6], *(on_the_right or LABELS[6:])]
    assert [cell.value for cell in page[2]][:4] == ["猫", "成功", None, "图1.png"]
    assert pictures(target) == [(2, 7)]


@pytest.mark.parametrize("on_the_right", [[], ["备注"]])
def test_the_three_columns_of_marks_of_an_earlier_version_become_one(on_the_right: list[str]) -> None:
    earlier = [*LABELS[:6], "可见标识", "隐式标识", "C2PA"]
    line = ["猫", "成功", None, "旧.png", None, None, None, "未要求", "未发现", "未发现", *on_the_right]
    source = of_rows([["提示词", *earlier, *on_the_right], line])
    none = {"visible": False, "aigc": False, "c2pa": False}
    target = filled(source, [made(1, 2, marks=none)])
    header, line, *_ = first_sheet(target).iter_rows(values_only=True)
    assert [text for text in header if text] == ["提示词", *LABELS, *on_the_right]
    assert [text for text in line[7:] if text] == ["没有", *on_the_right]
    assert line[len(earlier) + 1 :] == tuple(on_the_right)


@pytest.mark.parametrize("translate", [str, in_english])
def test_our_columns_and_thumbnails_are_not_read_as_the_users(translate: Translate) -> None:
    source = by_openpyxl()
    original = read_workbook(source, "秋款.xlsx")
    found = read_workbook(filled(source, [made(1, 3)], translate=translate), "秋款.xlsx")
    assert found.rows == original.rows
    assert any("浮在表格上" in str(note) for note in original.notes)
    assert not any("浮在表格上" in str(note) for note in found.notes)


def test_cells_with_only_a_format_do_not_move_our_columns() -> None:
    book = load_workbook(io.BytesIO(by_openpyxl()))
    for column in range(6, 30):
        book.worksheets[0].cell(3, column).fill = PatternFill("solid", fgColor="00FF00")
    target = filled(saved(book), [made(1, 3)])
    assert row_of(target, 3, 6)[0] == "成功"
    assert first_sheet(target)["P3"].fill.fgColor.rgb == "0000FF00"


def test_a_row_that_is_not_in_the_file_is_added_with_its_prompt() -> None:
    target = filled(by_openpyxl(), [made(1, 12, prompt="加的一行")])
    page = first_sheet(target)
    assert (page["B12"].value, page["F12"].value) == ("加的一行", "成功")


@pytest.mark.parametrize("first", [2, 4])
def test_results_are_shown_where_all_columns_on_the_right_are_hidden(first: int) -> None:
    source = of_rows([["提示词", "SKU", "交期"], ["猫", "A", "周一"]])
    for end in ("/>", "></col>"):
        cols = f'<cols><col min="{first}" max="16384" width="9" hidden="1"{end}</cols><sheetData>'
        hidden = replaced(source, part(source).replace(b"<sheetData>", cols.encode()))
        written = ElementTree.fromstring(part(filled(hidden, [made(1, 2)])))
        ranges = [
            (int(col.attrib["min"]), int(col.attrib["max"]), "hidden" in col.attrib)
            for col in written.iterfind(".//{*}col")
        ]
        left = [(2, 3, True)] if first == 2 else []
        ours = [(column, column, False) for column in range(4, 11)]
        assert ranges == [*left, *ours, (11, 16384, True)]


def test_a_row_added_to_the_table_is_not_written_beside_the_total_below_it() -> None:
    source = of_rows([["提示词", "SKU"], ["猫", "A"], ["狗", "B"], ["合计", "=COUNTA(B2:B3)"]])
    target = filled(source, [made(1, 2), made(2, 3), made(3, 4, prompt="加的一行")])
    page = first_sheet(target)
    assert [[cell.value for cell in row[:3]] for row in page.iter_rows(min_row=3)] == [
        ["狗", "B", "成功"],
        ["合计", "=COUNTA(B2:B3)", None],
        ["加的一行", None, "成功"],
    ]
    assert [row.number for row in read_workbook(target, "秋款.xlsx").rows] == [2, 3, 5]


def test_every_sheet_with_rows_is_filled() -> None:
    source = with_sheets(
        {
            "春": [["提示词"], ["猫"], ["狗"]],
            "说明": [["看这里"]],
            "夏": [["夏季"], ["SKU", "提示词"], ["A", "鸟"], ["B", "鱼"]],
        }
    )
    rows = [(2, "春"), (6, "夏"), (7, "夏"), (8, "夏")]  # the last is not in the file
    records = [made(number, number, columns={"工作表": name}) for number, name in rows]
    file = file_of(source)
    found = read_for_results(file, records)
    results = write_own_results(file, found, BATCH, records, thumbnails=partial(map, lambda _record: JPEG))
    book = load_workbook(io.BytesIO(b"".join(results.pieces)))
    spring, notes, summer = book.worksheets
    assert [cell.value for cell in spring["D"]] == ["文件", "图2.png", None]
    assert [cell.value for cell in summer["E"]] == [None, "文件", "图6.png", "图7.png", "图8.png"]
    assert [cell.value for cell in summer["B"]][-1] == "猫"
    assert notes.max_column == 1
    assert [len(vars(page)["_images"]) for page in book.worksheets] == [1, 0, 3]


def test_a_macro_workbook_keeps_its_macros() -> None:
    source = file_of(macro_workbook(), "宏.xlsm")
    found = read_for_results(source, [])
    results = write_own_results(source, found, BATCH, [made(1, 2)], thumbnails=partial(map, no_thumbnail))
    assert part(b"".join(results.pieces), "xl/vbaProject.bin") == b"macros"
    assert (results.ending, results.mimetype) == (".xlsm", "application/vnd.ms-excel.sheet.macroEnabled.12")


def macro_workbook() -> bytes:
    source = by_hand.workbook(
        by_hand.inline_rows([["提示词"], ["猫"]]), extra={"xl/vbaProject.bin": b"macros"}
    )
    types = (
        '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Override PartName='
        '"/xl/workbook.xml" ContentType="application/vnd.ms-excel.sheet.macroEnabled.main+xml"/></Types>'
    )
    return replaced(source, types, "[Content_Types].xml")


def replaced(source: bytes, content: str | bytes, name: str = "xl/worksheets/sheet1.xml") -> bytes:
    """The workbook with another part."""
    with zipfile.ZipFile(io.BytesIO(source)) as parts:
        return by_hand.zipped({**{each: parts.read(each) for each in parts.namelist()}, name: content})


ROWS = by_hand.inline_rows([["提示词", "客户"], ["猫", "甲"], ["狗", "乙"]])


PLAIN = f'<worksheet xmlns="{by_hand.MAIN}">{ROWS}</worksheet>'
PREFIXED = re.sub(r"<(/?)(\w)", r"<\1x:\2", PLAIN).replace("xmlns=", "xmlns:x=").encode()


@pytest.mark.parametrize(
    "source",
    [
        by_hand.workbook(ROWS),
        replaced(by_hand.workbook(ROWS), PREFIXED),
        replaced(
            by_hand.workbook(ROWS), ('<?xml version="1.0" encoding="UTF-16"?>' + PLAIN).encode("utf-16")
        ),
        by_hand.workbook(ROWS.replace(' r="1"', "").replace(' r="2"', "").replace(' r="3"', "")),
        by_hand.workbook(ROWS, main=by_hand.STRICT_MAIN, relation=by_hand.STRICT_RELATION),
        by_hand.workbook(
            '<cols><col min="1" max="16384" width="9"/></cols>' + ROWS + "<pageMargins/><extLst/>"
        ),
        by_hand.workbook('<dimension ref="A1:B3"/>' + ROWS, styles='<cellXfs count="1"><xf/></cellXfs>'),
    ],
    ids=["plain", "prefixed", "utf-16", "no-row-numbers", "strict", "columns-set", "dimension"],
)
def test_shapes_of_other_programs_are_kept(source: bytes) -> None:
    target = filled(source, [made(1, 2), made(2, 3)])
    package = OoxmlPackage(target)
    rows = xlsx_reader.XlsxWorkbook(package).sheets[0].top(9)
    assert [list(row.values.values()) for row in rows] == [
        ["提示词", "客户", *LABELS],
        ["猫", "甲", "成功", "图1.png", 0.22, "未检查"],
        ["狗", "乙", "成功", "图2.png", 0.22, "未检查"],
    ]
    assert sorted(rows[1].values) == [1, 2, 3, 5, 6, 9]
    relations = package.relations("xl/worksheets/sheet1.xml")
    assert relations == {"resultDrawing": ("drawing", "xl/drawings/drawing1.xml")}
    assert len(package.relations("xl/drawings/drawing1.xml")) == 2
    sheet = package.read("xl/worksheets/sheet1.xml")
    ElementTree.fromstring(sheet)
    assert sheet.index(b"drawing ") > sheet.index(b"sheetData>", sheet.rindex(b"row>"))


@pytest.mark.parametrize(
    ("part", "content"),
    [
        ("[Content_Types].xml", b"<x/>"),
        ("[Content_Types].xml", b'<?xml version="1.0" encoding="none"?><Types/>'),
        ("xl/worksheets/sheet1.xml", PLAIN.replace("sheetData", "other").encode()),
    ],
)
def test_a_file_that_is_not_whole_is_refused_in_a_sentence(part: str, content: bytes) -> None:
    with pytest.raises(SpreadsheetError, match="不完整"):
        filled(replaced(by_hand.workbook(ROWS), content, part), [made(1, 2)])


def test_the_batch_is_named_in_the_document_properties() -> None:
    target = filled(by_openpyxl(), [made(1, 3)])
    book: Any = load_workbook(io.BytesIO(target))
    assert [(each.name, each.value) for each in book.custom_doc_props.props] == [("AIImageBatch", "b1")]
    assert batch_of_file(replaced(target, b"<Properties", "docProps/custom.xml")) == ""


def test_a_csv_becomes_a_workbook_and_the_note_says_so() -> None:
    source = "SKU,提示词\n007,=猫\n\n008,-狗\n".encode()
    target = filled(source, [made(1, 2), made(2, 4)], "秋款.csv")
    page = first_sheet(target)
    assert [[cell.value for cell in row[:3]] for row in page.iter_rows()] == [
        ["SKU", "提示词", "状态"],
        ["007", "=猫", "成功"],
        [None, None, None],
        ["008", "-狗", "成功"],
    ]
    assert page["B2"].data_type == "s"
    assert ["新的 .xlsx" in str(note) for note in own_result_notes(file_of(source, "秋款.csv"), [])] == [True]


def test_what_cannot_be_carried_through_is_said() -> None:
    assert own_result_notes(file_of(by_openpyxl()), ["秋款"]) == []
    signed = by_hand.workbook(
        ROWS + '<sheetProtection sheet="1"/>', extra={"_xmlsignatures/sig1.xml": "<s/>"}
    )
    file = file_of(signed)
    signature, protection = map(str, own_result_notes(file, [file.sheet]))
    assert "签名" in signature
    assert "保护" in protection


def test_parts_are_copied_without_unpacking_them() -> None:
    source = by_xlsxwriter()
    old, new = OoxmlPackage(source).entries(), OoxmlPackage(filled(source, [made(1, 2)])).entries()
    copied = [name for name in old if name.endswith("theme1.xml")]
    assert copied
    assert [new[name].compress_size for name in copied] == [old[name].compress_size for name in copied]


def test_the_words_that_were_sent_stand_beside_those_of_the_cell_where_they_differ() -> None:
    content = of_rows([["提示词"], ["一只{SKU}猫"], ["狗"]])
    file, records = file_of(content), [made(1, 2, prompt="一只A-1猫"), made(2, 3, prompt="狗")]
    found = read_for_results(file, records)
    results = write_own_results(file, found, BATCH, records, thumbnails=partial(map, no_thumbnail))
    written = b"".join(results.pieces)

    page = first_sheet(written)
    assert [page.cell(row, 9).value for row in (1, 2, 3)] == ["实际提示词", "一只A-1猫", None]
    again = read_workbook(written, "秋款.xlsx")
    assert [row.columns for row in again.rows] == [{}, {}]
