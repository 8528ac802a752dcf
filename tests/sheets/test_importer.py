"""Real files of many programs, all with the same table or one stated difference."""

from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from openpyxl.cell.rich_text import CellRichText, TextBlock
from openpyxl.cell.text import InlineFont
from openpyxl.comments import Comment
from openpyxl.styles import Font
from openpyxl.worksheet.worksheet import Worksheet

from app.domain import fill_rows
from app.sheets import Import, read_workbook
from tests.sheets.tables import prompts, read, read_csv, read_parts
from tools.workbooks import by_hand
from tools.workbooks.written import HEADER, by_openpyxl, by_xlsxwriter

HEAD = ("提示词", "图片比例")
LIBREOFFICE = Path(__file__).parents[2] / "tools" / "workbooks" / "libreoffice"
ROWS = (HEAD, ("橘猫", "16:9"), ("白狗", "3:4"))
EXPECTED = [("橘猫", "16:9"), ("白狗", "3:4")]


def prompts_and_ratios(found: Import) -> list[tuple[str, str]]:
    """The prompts and ratios that were read."""
    return [(row.fields["prompt"], row.fields["aspect_ratio"]) for row in found.rows]


def text(rows: Any = ROWS, separator: str = ",", ending: str = "\r\n") -> str:
    """The table as delimited text."""
    return "".join(separator.join(map(str, row)) + ending for row in rows)


def openpyxl_with(change: Callable[[Worksheet], object]) -> bytes:
    """The table by openpyxl, with the sheet modified."""
    return by_openpyxl(ROWS, change=change)


def xlsxwriter_plain(_book: Any, sheet: Any) -> None:
    """The table by XlsxWriter."""
    for number, row in enumerate(ROWS):
        sheet.write_row(number, 0, row)


def blank_tail(sheet: Worksheet) -> None:
    """A thousand rows with nothing but a font."""
    for number in range(4, 1_004):
        sheet.cell(number, 1).font = Font(bold=True)


def decorated(sheet: Worksheet) -> None:
    """Comments, links, protection, filters, frozen panes: irrelevant to the table."""
    sheet["A2"].comment = Comment("好看", "某人")
    sheet["A3"].hyperlink = "https://example.com/"
    sheet.protection.sheet = True
    sheet.auto_filter.ref = "A1:B3"
    sheet.freeze_panes = "A2"


def rich(sheet: Worksheet) -> None:
    """A prompt of which one letter is bold."""
    sheet["A2"] = CellRichText("橘", TextBlock(InlineFont(b=True), "猫"))


def shared(rows: str, **more: Any) -> bytes:
    """By hand, with shared strings: 0 提示词, 1 图片比例, 2 橘猫, 3 16:9, 4 白狗, 5 3:4."""
    strings = [f"<t>{word}</t>" for word in ("提示词", "图片比例", "橘猫", "16:9", "白狗", "3:4")]
    return by_hand.workbook(f"<sheetData>{rows}</sheetData>", strings=strings, **more)


SHARED_ROWS = (
    '<row r="1"><c r="A1" t="s"><v>0</v></c><c r="B1" t="s"><v>1</v></c></row>'
    '<row r="2"><c r="A2" t="s"><v>2</v></c><c r="B2" t="s"><v>3</v></c></row>'
    '<row r="3"><c r="A3" t="s"><v>4</v></c><c r="B3" t="s"><v>5</v></c></row>'
)
PREFIXED = (
    f'<x:worksheet xmlns:x="{by_hand.MAIN}"><x:sheetData>'
    + SHARED_ROWS.replace("<", "<x:").replace("<x:/", "</x:")
    + "</x:sheetData></x:worksheet>"
)
LIBREOFFICE_STYLES = (
    '<numFmts count="1"><numFmt numFmtId="164" formatCode="General"/></numFmts>'
    '<cellStyleXfs count="1"><xf numFmtId="164"/></cellStyleXfs>'
    '<cellXfs count="1"><xf numFmtId="164"/></cellXfs>'
)
INLINE = by_hand.inline_rows(ROWS)
SHEET_OF = f'<worksheet xmlns="{by_hand.MAIN}">{INLINE}</worksheet>'

SAME_TABLE: dict[str, Callable[[], bytes]] = {
    "openpyxl": lambda: by_openpyxl(ROWS),
    "openpyxl, formatted rows below": lambda: openpyxl_with(blank_tail),
    "openpyxl, comments, links and protection": lambda: openpyxl_with(decorated),
    "openpyxl, rich text": lambda: openpyxl_with(rich),
    "openpyxl, a far away cell": lambda: openpyxl_with(lambda sheet: sheet.cell(1_048_576, 16_384, "x")),
    "openpyxl, a frozen title row": lambda: by_openpyxl([("我的提示词表",), *ROWS]),
    "openpyxl, several title rows": lambda: by_openpyxl(
        [("标题",), (), ("说明：提示词要写清楚",), (), *ROWS]
    ),
    "openpyxl, the table starts in column C": lambda: by_openpyxl([("", "", *row) for row in ROWS]),
    "openpyxl, columns in another order": lambda: by_openpyxl([row[::-1] for row in ROWS]),
    "openpyxl, blank rows in the middle": lambda: by_openpyxl(
        [ROWS[0], ROWS[1], (), ("  ", "\u3000"), (), ROWS[2]]
    ),
    "openpyxl, spaces around": lambda: by_openpyxl(
        [(" 提示词\n", " 图片 比例 "), (" 橘猫 ", " 16:9 "), ("\n白狗\n", "3:4\u3000")]
    ),
    "openpyxl, fractions of a day": lambda: by_openpyxl([HEAD, ("橘猫", 969 / 1440), ("白狗", 184 / 1440)]),
    "openpyxl, times of day in words": lambda: by_openpyxl([HEAD, ("橘猫", "4:09 PM"), ("白狗", "上午3:04")]),
    "XlsxWriter": lambda: by_xlsxwriter(xlsxwriter_plain),
    "XlsxWriter, constant memory": lambda: by_xlsxwriter(xlsxwriter_plain, constant_memory=True),
    "XlsxWriter, dates since 1904": lambda: by_xlsxwriter(xlsxwriter_plain, date_1904=True),
    "by hand, inline strings without references": lambda: by_hand.workbook(INLINE),
    "by hand, shared strings": lambda: shared(SHARED_ROWS),
    "by hand, strict OOXML": lambda: shared(
        SHARED_ROWS, main=by_hand.STRICT_MAIN, relation=by_hand.STRICT_RELATION
    ),
    "by hand, a prefix on every tag": lambda: shared("", extra={"xl/worksheets/sheet1.xml": PREFIXED}),
    "by hand, LibreOffice's styles": lambda: shared(SHARED_ROWS, styles=LIBREOFFICE_STYLES),
    "by hand, macros": lambda: shared(SHARED_ROWS, extra={"xl/vbaProject.bin": b"\xd0\xcf\x11\xe0" * 1000}),
    "by hand, many pictures": lambda: by_hand.workbook(
        INLINE, extra={f"xl/media/{n}.png": b"\x89PNG" * 9 for n in range(5_500)}
    ),
    "by hand, UTF-16": lambda: by_hand.workbook(
        "", extra={"xl/worksheets/sheet1.xml": SHEET_OF.encode("utf-16")}
    ),
    "by hand, a byte order mark": lambda: by_hand.workbook(
        "", extra={"xl/worksheets/sheet1.xml": SHEET_OF.encode("utf-8-sig")}
    ),
    "by hand, part names in other letters": lambda: by_hand.workbook(
        "", extra={"XL/Worksheets/Sheet1.xml": SHEET_OF}
    ),
    "by hand, a broken style sheet is not needed": lambda: shared(
        SHARED_ROWS, styles='<cellXfs><xf numFmtId="x"/></cellXfs>'
    ),
    "by hand, a wrong dimension": lambda: by_hand.workbook('<dimension ref="A1:XFD1048576"/>' + INLINE),
    "csv, UTF-16 big endian": lambda: b"\xfe\xff" + text().encode("utf-16-be"),
    "csv, GB18030": lambda: text().encode("gb18030"),
    "csv, semicolons": lambda: text(separator=";").encode(),
    "csv, tabs": lambda: text(separator="\t").encode(),
    "csv, tabs in UTF-16, as Excel's Unicode text": lambda: text(separator="\t").encode("utf-16"),
    "csv, a sep= line": lambda: ("sep=;\r\n" + text(separator=";")).encode(),
    "csv, Unix line ends": lambda: text(ending="\n").encode(),
    "csv, old Mac line ends": lambda: text(ending="\r").encode(),
    "csv, mixed line ends": lambda: "提示词,图片比例\r\n橘猫,16:9\n白狗,3:4\r".encode(),
    "csv, no last line end": lambda: text().rstrip().encode(),
    "csv, every cell quoted": lambda: '"提示词","图片比例"\n"橘猫","16:9"\n"白狗","3:4"\n'.encode(),
    "csv, blank lines and columns": lambda: (
        "\n\n提示词,图片比例,,\n\n橘猫,16:9,,\n,,,\n白狗,3:4,,\n\n".encode()
    ),
    "csv, a title line": lambda: ("我的表格,\n" + text()).encode(),
}


@pytest.mark.parametrize("make", SAME_TABLE)
def test_the_same_table_is_read_from_every_file_type(make: str) -> None:
    found = read_workbook(SAME_TABLE[make](), "表格.xlsx")

    assert prompts_and_ratios(found) == EXPECTED
    assert all(problem.fixed for problem in found.problems)


@pytest.mark.parametrize("name", ["表格.xlsx", "表格.xls", "表格.csv", "表格", "..\\x.TXT", ""])
@pytest.mark.parametrize("make", ["openpyxl", "csv, GB18030"])
def test_the_file_type_is_detected_from_the_bytes(make: str, name: str) -> None:
    assert prompts_and_ratios(read_workbook(SAME_TABLE[make](), name)) == EXPECTED


def test_text_converted_by_libreoffice_is_understood() -> None:
    found = read_workbook((LIBREOFFICE / "typed.xlsx").read_bytes(), "typed.xlsx")

    assert [row.fields["aspect_ratio"] for row in found.rows] == ["16:9", "3:4", "1:1", "9:16", "4:3"]
    assert [problem.fixed for problem in found.problems] == ["16:9", "3:4", "1:1", "9:16", "4:3"]
    assert found.rows[-1].fields["prompt"] == "2"  # typed as =1+1, its result stored


def test_our_export_resaved_by_libreoffice_is_read_unchanged() -> None:
    first, second, third = read_workbook((LIBREOFFICE / "export.xlsx").read_bytes(), "export.xlsx").rows

    assert (first.fields["aspect_ratio"], first.references) == ("16:9", ("a,b.png", "c.png"))
    assert (second.fields["prompt"], second.fields["filename"]) == ("=1+1", "@x")
    assert (third.fields["prompt"], third.fields["seed"]) == ("_x0041_ 第二行\n第三行", 42)


def test_every_column_of_the_template_is_read() -> None:
    row = ("橘猫", "模糊", "16：9", "4k", "３", "猫", "a.png，b.png", "42", 20.0)

    found = read(HEADER, row)

    assert found.rows[0].as_json() == {
        "number": 2,
        "prompt": "橘猫",
        "negative_prompt": "模糊",
        "aspect_ratio": "16:9",
        "resolution": "4K",
        "num_images": 3,
        "filename": "猫",
        "seed": 42,
        "steps": 20,
        "model": "",
        "reference_strength": None,
        "background": "",
        "output_format": "",
        "quality": "",
        "references": ["a.png", "b.png"],
    }
    assert found.problems == ()


@pytest.mark.parametrize(
    ("header", "field", "cell", "value"),
    [
        ("Size", "resolution", "4k", "4K"),
        ("Resolution", "resolution", " １k ", "1K"),
        ("Count", "num_images", "2", 2),
        ("张数", "num_images", "1.0", 1),
        ("Num Images", "num_images", 3.0, 3),
        ("File name", "filename", 2024, "2024"),
        ("filename", "filename", True, "TRUE"),
        ("Seed", "seed", "7", 7),
        ("随机种子", "seed", 4_294_967_293, 4_294_967_293),
        ("Steps", "steps", "25", 25),
    ],
)
def test_a_cell_is_read_as_its_column_means(header: str, field: str, cell: object, value: object) -> None:
    found = read(("提示词", header), ("猫", cell))

    assert found.rows[0].fields[field] == value
    assert found.problems == ()


@pytest.mark.parametrize(
    ("cell", "names"),
    [
        ("a;b", ("a", "b")),
        ("a\nb", ("a", "b")),
        ("a、b､c", ("a", "b", "c")),
        ('"a、b"、c', ('"a', 'b"', "c")),
        ('"a、b"；c', ("a、b", "c")),
        ("、", ()),
        (" a b.png ； ", ("a b.png",)),
        (",,；", ()),
        ('"a,b.png"，c', ("a,b.png", "c")),
        (12, ("12",)),
    ],
)
def test_a_reference_cell_is_split_at_the_documented_separators(cell: object, names: tuple[str, ...]) -> None:
    found = read(("提示词", "参考图"), ("猫", cell))

    assert found.rows[0].references == names


@pytest.mark.parametrize(
    ("cell", "names"),
    [
        ("红、茶", ("红、茶",)),
        ("绿茶、红、茶", ("绿茶", "红、茶")),
        ("红、茶、绿茶；红", ("红、茶", "绿茶", "红")),
        ("红､茶", ("红、茶",)),
        ("茶、红", ("茶", "红")),
        ("、" * 20_000 + "红、茶", ("红、茶",)),
    ],
)
def test_a_library_name_with_a_separator_is_not_split(cell: str, names: tuple[str, ...]) -> None:
    found = read(("提示词", "参考图"), ("猫", cell), is_known={"红、茶", "红"}.__contains__)

    assert found.rows[0].references == names


@pytest.mark.parametrize(
    ("cell", "prompt"),
    [
        (2024, "2024"),
        (2024.0, "2024"),
        (1.5, "1.5"),
        (0.1 + 0.2, "0.3"),
        (True, "TRUE"),
        (12_345_678_901, "12345678901"),
        ("  a\n\nb  ", "a\n\nb"),
        ("a\r\nb", "a\nb"),
    ],
)
def test_a_prompt_is_the_displayed_text(cell: object, prompt: str) -> None:
    found = read(("提示词",), (cell,))

    assert prompts(found) == [prompt]
    assert found.problems == ()


def test_phonetic_hints_are_not_part_of_the_text() -> None:
    strings = ["<t>提示词</t>", "<r><t>東</t></r><r><t>京</t></r><rPh sb='0' eb='2'><t>トウキョウ</t></rPh>"]
    rows = '<row><c t="s"><v>0</v></c></row><row><c t="s"><v>1</v></c></row>'

    assert prompts(read_parts(f"<sheetData>{rows}</sheetData>", strings=strings)) == ["東京"]


def test_quotes_and_line_breaks_inside_a_csv_cell_are_kept() -> None:
    found = read_csv('提示词,文件名\n"第一行\n第二行，""引号"", 逗号",a\n')

    assert prompts(found) == ['第一行\n第二行，"引号", 逗号']


@pytest.mark.parametrize(
    ("prompt", "name", "calls"), [("猫", "a", 0), ("{行号}", "a", 1), ("猫", "a{行号}", 1)]
)
def test_rows_are_filled_only_where_a_text_has_a_brace(
    prompt: str, name: str, calls: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled = Mock(wraps=fill_rows)
    monkeypatch.setattr("app.sheets.importer.fill_rows", filled)
    read_csv(f"提示词,参考图\n狗,b\n{prompt},{name}\n")
    assert filled.call_count == calls


def test_rows_are_numbered_as_the_sheet_counts_them() -> None:
    found = read(("标题",), (), ("提示词",), ("猫",), (), ("狗",))

    assert [row.number for row in found.rows] == [4, 6]


@pytest.mark.parametrize(
    ("cell", "count"), [("，" * 30_000, 0), ("a，" * 15_000, 101), ("a、" * 15_000, 101)]
)
def test_what_follows_a_hundred_names_of_a_cell_is_one_name(cell: str, count: int) -> None:
    found = read(("提示词", "参考图"), ("猫", cell))
    assert (len(found.rows[0].references), len(found.problems)) == (count, bool(count))
