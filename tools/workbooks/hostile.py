"""Small hostile files that expand or cause slow parsing: to be refused quickly and in little memory."""

import io
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

from tools.workbooks.by_hand import MAIN, inline_rows, workbook, zipped

ROWS = inline_rows([("提示词", "图片比例"), ("猫", "16:9")])
HEADER = '<row><c t="str"><v>提示词</v></c></row>'
SHEET = "xl/worksheets/sheet1.xml"
ENTITIES = "".join(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, 10))


def sheet(inside: str) -> bytes:
    """A workbook with this sheet data."""
    return workbook(f"<sheetData>{inside}</sheetData>")


def with_doctype(declaration: str, text: str) -> bytes:
    """A sheet with a document type."""
    rows = ROWS.replace("猫", text)
    return workbook(
        "", extra={SHEET: f'<!DOCTYPE x [{declaration}]><worksheet xmlns="{MAIN}">{rows}</worksheet>'}
    )


def unpacking_to(size: int, start: bytes = b"", filler: bytes = b" ") -> bytes:
    """A sheet part that unpacks to this many bytes."""
    buffer = io.BytesIO(workbook(ROWS, extra={"placeholder": ""}))
    content = zipfile.ZipFile(buffer)
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name in content.namelist():
            if name != SHEET:
                archive.writestr(name, content.read(name))
        with archive.open(SHEET, "w", force_zip64=True) as part:
            part.write(f'<worksheet xmlns="{MAIN}"><sheetData>'.encode() + start)
            block = filler * (2**20 // len(filler))
            for _ in range(size // len(block)):
                part.write(block)
    return out.getvalue()


def with_false_size(content: bytes, part: str = SHEET, size: int = 1_000) -> bytes:
    """The same zip, declaring that one part unpacks to ``size`` bytes."""
    changed = bytearray(content)
    place = content.rindex(part.encode())  # in the directory, 46 bytes after the entry's start
    struct.pack_into("<I", changed, place - 46 + 24, size)
    return bytes(changed)


def many_parts(count: int) -> bytes:
    """A workbook with this many empty parts."""
    return workbook(ROWS, extra={f"x/{number}": b"" for number in range(count)})


def repeated_shared_string() -> bytes:
    """One long shared string in every cell: small to store, gigabytes when read."""
    cells = '<c t="s"><v>1</v></c>' * 2
    rows = '<row><c t="s"><v>0</v></c><c t="s"><v>2</v></c></row>' + f"<row>{cells}</row>" * 5_000
    strings = ["<t>提示词</t>", f"<t>{'猫' * 9_999}</t>", "<t>负面提示词</t>"]
    return workbook(f"<sheetData>{rows}</sheetData>", strings=strings)


def pathological_white_space() -> bytes:
    """Cells whose inner white space causes backtracking in a careless pattern."""
    cell = '<c t="s"><v>3</v></c><c t="s"><v>4</v></c>'
    rows = '<row><c t="s"><v>0</v></c><c t="s"><v>1</v></c><c t="s"><v>2</v></c></row>'
    rows += f'<row><c t="s"><v>0</v></c>{cell}</row>' * 200
    strings = [
        "<t>提示词</t>",
        "<t>图片比例</t>",
        "<t>参考图</t>",
        f"<t>a{' ' * 32_000}b</t>",
        f"<t>{' &quot;' * 16_000}</t>",
    ]
    return workbook(f"<sheetData>{rows}</sheetData>", strings=strings)


def bzip2_bomb() -> bytes:
    """A compression that no workbook uses, with a ratio of a thousand."""
    parts: dict[str, str | bytes] = {"[Content_Types].xml": "<x/>", "_rels/.rels": b"<a>" + b" " * 50_000_000}
    return zipped(parts, zipfile.ZIP_BZIP2)


def many_images() -> bytes:
    """A million images over the sheet, with as many relationships as a sheet may have."""
    one = 'Type="/drawing" Target="../drawings/{0}.xml"/>'
    relations = "".join(f'<Relationship Id="r{n}" {one.format(n % 2)}' for n in range(9_000))
    drawing = "<wsDr>" + "<pic/>" * 1_000_000 + "</wsDr>"
    parts = {f"xl/drawings/{number}.xml": drawing for number in range(2)}
    return workbook(ROWS, extra={"xl/worksheets/_rels/sheet1.xml.rels": f"<R>{relations}</R>", **parts})


def pathological_formulas() -> bytes:
    """Formulas and formats that resemble those of images and text, repeated."""
    formula = "_xlfn." * 4_000 + "IMAGE" + " " * 4_000
    cells = f'<c t="e" vm="1"><f>{formula}</f><v>#VALUE!</v></c><c s="1"><f>{formula}</f><v>0</v></c>' * 2
    header = "".join(
        f'<c t="str"><v>{name}</v></c>' for name in ("提示词", "负面提示词", "种子", "文件名", "步数")
    )
    rows = f"<row>{header}</row>" + f'<row><c t="str"><v>猫</v></c>{cells}</row>' * 200
    styles = "".join(
        f'<numFmt numFmtId="{n}" formatCode="{"&quot;&quot;-" * 80}"/>' for n in range(200, 9_000)
    )
    used = "".join(f'<xf numFmtId="{n}"/>' for n in range(200, 9_000))
    return workbook(f"<sheetData>{rows}</sheetData>", styles=f"{styles}<cellXfs>{used}</cellXfs>")


def pathological_sums() -> bytes:
    """Rows that nearly say how much there is in all."""
    lines = ("合计" + "1" * 58, "共" + "1," * 29, "合计" * 30, "1" * 60, "共" + "1张、" * 19 + "x")
    return workbook(inline_rows([("序号", "提示词"), *[("", line) for line in lines * 100]]))


HOSTILE: dict[str, Callable[[], bytes]] = {
    "200 MB of white space": lambda: unpacking_to(200 * 2**20),
    "100 MB that declares 1,000 bytes": lambda: with_false_size(unpacking_to(100 * 2**20)),
    "60 MB of text in one cell": lambda: unpacking_to(60 * 2**20, b'<row><c t="str"><v>', b"x"),
    "60 MB of text in one cell with an emoji": lambda: unpacking_to(
        60 * 2**20, '<row><c t="str"><v>😀'.encode(), b"x"
    ),
    "60 MB in one attribute": lambda: unpacking_to(60 * 2**20, b'<row a="', b"x"),
    "a million attributes": lambda: sheet("<row " + " ".join(f'a{n}=""' for n in range(1_000_000)) + "/>"),
    "1,048,576 rows": lambda: sheet(HEADER + '<row><c t="str"><v>x</v></c></row>' * 1_048_576),
    "1,048,576 empty rows": lambda: sheet(HEADER + "<row/>" * 1_048_576),
    "150,000 rows": lambda: sheet(HEADER + '<row><c t="str"><v>x</v></c></row>' * 150_000),
    "16,384 columns": lambda: sheet(("<row>" + '<c t="str"><v>x</v></c>' * 16_384 + "</row>") * 50),
    "a cell at XFD1048576": lambda: sheet('<row r="1048576"><c r="XFD1048576"><v>1</v></c></row>'),
    "a million levels": lambda: sheet("<a>" * 1_000_000),
    "five million shared strings": lambda: workbook(ROWS, strings=[""] * 5_000_000),
    "one shared string in every cell": repeated_shared_string,
    "a million merged ranges": lambda: workbook(
        ROWS + "<mergeCells>" + '<mergeCell ref="A2:A1048576"/>' * 1_000_000
    ),
    "a million styles": lambda: workbook(
        ROWS, styles="<cellXfs>" + '<xf numFmtId="14"/>' * 1_000_000 + "</cellXfs>"
    ),
    "a million formats": lambda: workbook(
        '<sheetData><row><c s="1"><v>1</v></c></row></sheetData>',
        styles="".join(f'<numFmt numFmtId="{n}" formatCode="yyyy"/>' for n in range(1_000_000)),
    ),
    "a million sheets": lambda: workbook(ROWS, before_sheets="<sheet/>" * 1_000_000),
    "30,000 parts": lambda: many_parts(30_000),
    "a billion laughs": lambda: with_doctype(f'<!ENTITY a0 "ha">{ENTITIES}', "&a9;"),
    "an external entity": lambda: with_doctype('<!ENTITY a SYSTEM "file:///etc/passwd">', "&a;"),
    "an external document type": lambda: with_doctype(
        '<!ENTITY % a SYSTEM "http://127.0.0.1:9/x.dtd"> %a;', "x"
    ),
    "bzip2": bzip2_bomb,
    "white space and quotes to wander in": pathological_white_space,
    "a csv of commas": lambda: "提示词".encode() + b"," * (19 * 2**20),
    "a csv of line ends": lambda: "提示词".encode() + b"\n" * (19 * 2**20),
    "a csv of quotes": lambda: "提示词\n".encode() + b'"' * (19 * 2**20),
    "a csv of one word": lambda: "提示词\n😀".encode() + b"x" * (19 * 2**20),
    "a csv of short lines": lambda: "提示词\n".encode() + b"x\n" * (9 * 2**20),
    "a csv of Chinese and English in turns": lambda: b"prompt\n" + "貓x".encode("gb18030") * (6 * 2**20),
    "a csv of Chinese words": lambda: ("prompt\n" + "一隻橘貓 and a 狗\n" * 800_000).encode("gb18030"),
    "a million pictures over a sheet": many_images,
    "formulas to wander in": pathological_formulas,
    "sums to wander in": pathological_sums,
    "noise": lambda: bytes(range(256)) * 70_000,
    "noise called a zip": lambda: b"PK\x03\x04" + bytes(range(256)) * 70_000,
}


def write_all(folder: str) -> None:
    """Write each to a file of this folder, with ``_`` for spaces in its name."""
    for name, make in HOSTILE.items():
        (Path(folder) / name.replace(" ", "_")).write_bytes(make())
