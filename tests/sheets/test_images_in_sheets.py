"""Images in a table, as WPS, Excel and Google write them: reported by cell or file, and never a prompt."""

import io
from typing import Any
from xml.sax.saxutils import escape

import pytest

from app.sheets import Import, read_workbook
from tools.noise_images import noise_image
from tools.workbooks import by_hand
from tools.workbooks.written import by_xlsxwriter

DISPIMG = 'DISPIMG("ID_0F1E2D3C4B5A69788796A5B4C3D2E1F0",1)'
PNG = noise_image("png")
DUMMY = 'IFERROR(__xludf.DUMMYFUNCTION("{0}"),"{1}")'


def formula_cell(
    formula: str, result: str, kind: str = "str", header: str = "参考示例图", **more: Any
) -> Import:
    """Import one row whose second cell is that formula with that stored result."""
    stored = f"<v>{escape(result)}</v>" if result else ""
    rows = (
        f'<row r="1"><c r="A1" t="str"><v>提示词</v></c><c r="B1" t="str"><v>{header}</v></c></row>'
        f'<row r="2"><c r="A2" t="str"><v>猫</v></c>'
        f'<c r="B2" t="{kind}"><f>{escape(formula)}</f>{stored}</c></row>'
    )
    return read_workbook(by_hand.workbook(f"<sheetData>{rows}</sheetData>", **more), "a.xlsx")


PICTURES = {
    "WPS": (f"_xlfn.{DISPIMG}", f"={DISPIMG}", "str"),
    "WPS, saved again by Excel": (f"_xlfn.{DISPIMG}", "#NAME?", "e"),
    "WPS, without a stored result": (DISPIMG, "", "str"),
    "WPS, chosen by another formula": (f'IF(A2="","",_xlfn.{DISPIMG})', "#NAME?", "e"),
    "WPS, by way of another cell": ("C2", f"={DISPIMG}", "str"),
    "Excel": ('_xlfn.IMAGE("https://example.com/a.png")', "#VALUE!", "e"),
    "Excel, older": ('_xlfn._xlws.IMAGE("https://example.com/a.png")', "#NAME?", "e"),
    "Google": (DUMMY.format('IMAGE(""https://example.com/a.png"")', ""), "", "str"),
    "Google, in small letters": (DUMMY.format("=image(A2)", ""), "", "str"),
    "Google, plain": ('IMAGE("https://example.com/a.png")', "", "n"),
}


@pytest.mark.parametrize("header", ["参考示例图", "负面提示词", "图片比例"])
@pytest.mark.parametrize("make", PICTURES)
def test_an_image_formula_is_reported_by_cell(make: str, header: str) -> None:
    (problem,) = formula_cell(*PICTURES[make], header).problems

    assert (problem.row, problem.column, problem.fixed) == (2, header, None)
    assert "一张图片" in str(problem.error)
    assert "「示例图」" in str(problem.error)


def test_an_image_is_neither_a_prompt_nor_a_reference_name() -> None:
    found = formula_cell(*PICTURES["WPS"])

    assert found.rows[0].references == ()
    assert formula_cell(*PICTURES["WPS"], header="负面提示词").rows[0].fields["negative_prompt"] == ""


@pytest.mark.parametrize(
    ("formula", "result", "text"),
    [
        (DUMMY.format('GOOGLETRANSLATE(""chat"")', "cat"), "cat", "cat"),
        (DUMMY.format("SPLIT(A2)", "x"), "x", "x"),
        ('"IMAGE("&A1', "IMAGE(猫", "IMAGE(猫"),
        (f'IF(A2="","",_xlfn.{DISPIMG})', "", ""),
        ("MYIMAGE(A1)", "猫", "猫"),
    ],
)
def test_a_text_result_of_an_image_formula_is_text(formula: str, result: str, text: str) -> None:
    found = formula_cell(formula, result, header="负面提示词")

    assert found.rows[0].fields["negative_prompt"] == text
    assert found.problems == ()


def test_an_image_in_an_unused_column_is_ignored() -> None:
    assert formula_cell(*PICTURES["WPS"], header="产品图").problems == ()
    assert formula_cell(*PICTURES["Excel"], header="缩略图").problems == ()


def test_an_image_placed_in_a_cell_is_reported_by_cell() -> None:
    def write(_book: Any, sheet: Any) -> None:
        sheet.write_row(0, 0, ("提示词", "参考示例图", "产品图"))
        sheet.write_row(1, 0, ("猫",))
        sheet.embed_image(1, 1, "a.png", {"image_data": io.BytesIO(PNG)})
        sheet.embed_image(1, 2, "a.png", {"image_data": io.BytesIO(PNG)})

    found = read_workbook(by_xlsxwriter(write), "a.xlsx")

    (problem,) = found.problems
    assert (problem.row, problem.column, problem.seen) == (2, "参考示例图", "#VALUE!")
    assert "一张图片" in str(problem.error)
    assert not any("浮在表格上" in note for note in map(str, found.notes))


def test_an_image_referenced_by_a_formula_is_reported() -> None:
    rows = (
        '<row r="1"><c r="A1" t="str"><v>提示词</v></c><c r="B1" t="str"><v>参考图</v></c></row>'
        '<row r="2"><c r="A2" t="str"><v>猫</v></c>'
        '<c r="B2" t="e" vm="1"><f>_xlfn.XLOOKUP(A2,D:D,E:E)</f><v>#VALUE!</v></c></row>'
    )
    sheet = f"<sheetData>{rows}</sheetData>"
    pictures = {"xl/richData/richValueRel.xml": "<richValueRels/>"}

    (problem,) = read_workbook(by_hand.workbook(sheet, extra=pictures), "a.xlsx").problems
    (without,) = read_workbook(by_hand.workbook(sheet), "a.xlsx").problems

    assert "一张图片" in str(problem.error)
    assert "公式出错" in str(without.error)


def test_other_rich_value_errors_are_errors() -> None:
    rows = (
        '<row r="1"><c r="A1" t="str"><v>提示词</v></c></row>'
        '<row r="2"><c r="A2" t="e" cm="1" vm="1"><f t="array" ref="A2">SORT(C1:C9)</f>'
        "<v>#VALUE!</v></c></row>"
    )
    pictures = {"xl/richData/richValueRel.xml": "<richValueRels/>"}
    for extra in ({}, pictures):
        found = read_workbook(by_hand.workbook(f"<sheetData>{rows}</sheetData>", extra=extra), "a.xlsx")
        assert "公式出错" in str(found.problems[0].error)


@pytest.mark.parametrize("separator", [",", "\t"])
def test_image_placeholders_in_text_are_reported(separator: str) -> None:
    cell = f'"={DISPIMG.replace(chr(34), chr(34) * 2)}"'
    as_text = read_workbook(f"提示词{separator}参考图\n猫{separator}{cell}\n".encode(), "a.csv")

    def write(_book: Any, sheet: Any) -> None:
        sheet.write_row(0, 0, ("提示词", "参考图"))
        sheet.write_string(1, 0, "猫")
        sheet.write_string(1, 1, f"={DISPIMG}")

    for found in (as_text, read_workbook(by_xlsxwriter(write), "a.xlsx")):
        (problem,) = found.problems
        assert (problem.row, problem.column, problem.seen) == (2, "参考示例图", f"={DISPIMG}")
        assert "一张图片" in str(problem.error)


def test_an_image_merged_over_rows_is_reported_in_each_and_not_as_filled_in() -> None:
    rows = (
        '<row r="1"><c r="A1" t="str"><v>提示词</v></c><c r="B1" t="str"><v>参考图</v></c></row>'
        f'<row r="2"><c r="A2" t="str"><v>猫</v></c><c r="B2" t="str"><f>_xlfn.{escape(DISPIMG)}</f>'
        f'<v>={escape(DISPIMG)}</v></c></row><row r="3"><c r="A3" t="str"><v>狗</v></c></row>'
    )
    merged = '<mergeCells><mergeCell ref="B2:B3"/></mergeCells>'

    found = read_workbook(by_hand.workbook(f"<sheetData>{rows}</sheetData>{merged}"), "a.xlsx")

    assert [(one.row, one.fixed, "一张图片" in str(one.error)) for one in found.problems] == [
        (2, None, True),
        (3, None, True),
    ]


def test_floating_images_are_counted_once_for_the_file() -> None:
    def write(_book: Any, sheet: Any) -> None:
        sheet.write_row(0, 0, ("提示词", "图"))
        for row in (1, 2, 3):
            sheet.write_string(row, 0, "猫")
            sheet.insert_image(row, 1, "a.png", {"image_data": io.BytesIO(PNG)})

    found = read_workbook(by_xlsxwriter(write), "a.xlsx")

    assert found.problems == ()
    (note,) = [note for note in map(str, found.notes) if "浮在表格上" in note]
    assert note.startswith("有 3 张图片")
    assert len(found.rows) == 3


def test_charts_and_damaged_drawings_are_no_images() -> None:
    relation = (
        '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship '
        'Id="rId1" Type="http://x/relationships/drawing" Target="../drawings/drawing1.xml"/></Relationships>'
    )
    for drawing in ("<xdr:wsDr xmlns:xdr='x'><xdr:graphicFrame/></xdr:wsDr>", "<pic", "<!DOCTYPE x><pic/>"):
        parts = {"xl/worksheets/_rels/sheet1.xml.rels": relation, "xl/drawings/drawing1.xml": drawing}
        found = read_workbook(
            by_hand.workbook(by_hand.inline_rows([("提示词",), ("猫",)]), extra=parts), "a.xlsx"
        )
        assert [row.fields["prompt"] for row in found.rows] == ["猫"]
        assert not any("浮在表格上" in note for note in map(str, found.notes))
