"""Files that are no table, each refused with one sentence that says what to do."""

import random
from contextlib import suppress

import pytest

from app.errors import AppError, SpreadsheetError, TooLarge
from app.sheets import MAX_UPLOAD, read_workbook
from tools.workbooks import by_hand
from tools.workbooks.written import by_openpyxl, with_sheets

OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504)
NOISE = random.Random(7).randbytes(8192)
INLINE = by_hand.inline_rows([("提示词",), ("猫",)])
WHOLE = by_hand.workbook(INLINE)

REFUSED = {
    "empty": ("a.xlsx", b"", "空的"),
    "only white space": ("a.csv", b" \r\n\r\n", "空的"),
    "damaged old Excel": ("a.xls", OLE + "Workbook".encode("utf-16-le"), "损坏"),
    "damaged WPS": ("a.et", OLE + "Workbook".encode("utf-16-le"), "损坏"),
    "WPS text": ("a.wps", OLE, "不是表格"),
    "old Word": ("a.doc", OLE + "WordDocument".encode("utf-16-le"), "不是表格"),
    "password": ("a.xlsx", OLE + "EncryptedPackage".encode("utf-16-le"), "密码"),
    "rights management": (
        "a.xlsx",
        OLE + "DRMEncryptedDataSpace".encode("utf-16-le") + "EncryptedPackage".encode("utf-16-le"),
        "文档加密软件",
    ),
    "protected by TSD": ("a.xlsx", b"%TSD-Header-###%" + NOISE, "文档加密软件"),
    "protected by TSD, a csv": ("a.csv", b"%TSD-Header-###%" + bytes(8192), "文档加密软件"),
    "protected by E-SafeNet": ("a.xlsx", b"\x62\x14\x23\x65" + NOISE, "文档加密软件"),
    "protected by E-SafeNet, the other way": (
        "a.csv",
        b"c\x14#e\x00E-SafeNet\x00LOCK" + NOISE,
        "文档加密软件",
    ),
    "protected by E-SafeNet, its mark first": ("a.xls", b"\x00\x01E-SafeNet\x00" + NOISE, "文档加密软件"),
    "protected by something unknown": ("A.XLSX", NOISE, "文档加密软件"),
    "protected by something unknown, WPS": ("a.et", NOISE, "文档加密软件"),
    "noise without a workbook's name": ("a", NOISE, "编码"),
    "the oldest Excel": ("a.xls", b"\t\x08\x08\x00\x00\x05\x05\x00" + bytes(64), ".xls"),
    "Excel 4": ("a.xls", b"\t\x04\x06\x00\x00\x00\x10\x00" + bytes(64), ".xls"),
    "Numbers": ("a.numbers", by_hand.zipped({"Index/Document.iwa": b"x"}), "Numbers"),
    "damaged OpenDocument": ("a.ods", by_hand.zipped({"mimetype": "x", "content.xml": "<x/>"}), "损坏"),
    "damaged binary workbook": ("a.xlsb", by_hand.zipped({"xl/workbook.bin": b"x"}), "损坏"),
    "Word": ("a.docx", by_hand.zipped({"[Content_Types].xml": "", "word/document.xml": ""}), "Word"),
    "a zip": ("a.zip", by_hand.zipped({"提示词.xlsx": WHOLE}), "压缩包"),
    "an empty zip": ("a.xlsx", by_hand.zipped({}), "压缩包"),
    "a workbook without its main part": (
        "a.xlsx",
        by_hand.zipped({"[Content_Types].xml": "<x/>"}),
        "没有工作簿",
    ),
    "HTML named xls": ("a.xls", b"<html><table><tr><td>x</td></tr></table></html>", "HTML"),
    "HTML with a mark": ("a.xls", b"\xef\xbb\xbf\r\n<!DOCTYPE html><html>", "HTML"),
    "HTML as Excel writes it": (
        "a.xls",
        b'<html xmlns:x="urn:schemas-microsoft-com:office:excel">\n<head><table><tr><td>x',
        "HTML",
    ),
    "HTML in UTF-16": ("a.xls", "\ufeff\n<html><table>提示词</table></html>".encode("utf-16-le"), "HTML"),
    "XML spreadsheet in UTF-16": (
        "a.xls",
        '<?xml version="1.0"?><?mso-application progid="Excel.Sheet"?>'
        '<Workbook xmlns="urn:schemas-microsoft-com:office:spreadsheet"/>'.encode("utf-16"),
        "XML",
    ),
    "XML spreadsheet": (
        "a.xls",
        b'<?xml version="1.0"?><Workbook xmlns="urn:schemas-microsoft-com:office:spreadsheet"/>',
        "XML",
    ),
    "flat OpenDocument": (
        "a.fods",
        b'<?xml version="1.0"?><o:document xmlns:o="urn:oasis:names:tc:opendocument:xmlns:office:1"/>',
        "OpenDocument",
    ),
    "mht": ("a.xls", b"MIME-Version: 1.0\r\nContent-Type: multipart/related", "HTML"),
    "PDF": ("a.pdf", b"%PDF-1.7", "PDF"),
    "a picture": ("a.xlsx", b"\x89PNG\r\n\x1a\n\x00", "图片"),
    "rar": ("a.rar", b"Rar!\x1a\x07\x01\x00", "压缩包"),
    "noise": ("a.csv", bytes(range(256)) * 4, "编码"),
    "text with zero bytes": ("a.csv", "提示词\x00".encode(), "编码"),
    "cut in half": ("a.xlsx", WHOLE[: len(WHOLE) // 2], "不完整或已损坏"),
    "only the first bytes of a zip": ("a.xlsx", b"PK\x03\x04", "不完整或已损坏"),
    "broken XML": ("a.xlsx", by_hand.workbook("<sheetData><row>"), "不完整或已损坏"),
    "a text that is not there": (
        "a.xlsx",
        by_hand.workbook('<sheetData><row><c t="s"><v>9</v></c></row></sheetData>', strings=[]),
        "重新保存",
    ),
    "no header": ("a.xlsx", by_openpyxl([("描述", "数量"), ("猫", 1)]), "第一行是：描述、数量"),
    "no header in a csv": ("a.csv", "猫,狗\n".encode(), "没有找到「提示词」"),
    "nothing in it": ("a.xlsx", by_openpyxl([]), "没有内容"),
    "a header and no rows": ("a.xlsx", by_openpyxl([("提示词",)]), "下面还没有内容"),
    "the header too far down": ("a.xlsx", by_openpyxl([()] * 60 + [("提示词",), ("猫",)]), "没有"),
    "sheets without prompts": ("a.xlsx", with_sheets({"甲": [("x",)], "乙": [("y",)]}), "没有找到「提示词」"),
    "an open quote in a csv": ("a.csv", '提示词\n猫\n"狗\n鱼\n'.encode(), "引号不成对"),
    "a stray quote in a csv": ("a.csv", '提示词\n猫\n"狗"鱼\n'.encode(), "引号不成对"),
    "an endless cell in a csv": ("a.csv", ("提示词\n" + "猫" * 40_000).encode(), "最多 32767 字"),
    "an endless cell": (
        "a.xlsx",
        by_hand.workbook(by_hand.inline_rows([("提示词",), ("猫" * 40_000,)])),
        "最多 32767 字",
    ),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_a_file_that_is_no_table_is_refused_with_one_sentence(kind: str) -> None:
    name, content, says = REFUSED[kind]

    with pytest.raises(SpreadsheetError) as refusal:
        read_workbook(content, name)

    assert says in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_an_oversized_file_is_refused_unread() -> None:
    with pytest.raises(TooLarge, match="最多 20 MB"):
        read_workbook(b"PK" + bytes(MAX_UPLOAD), "a.xlsx")


@pytest.mark.parametrize("step", [7, 31])
def test_a_corrupted_workbook_is_read_or_refused(step: int) -> None:
    for place in range(0, len(WHOLE), step):
        broken = bytearray(WHOLE)
        broken[place] ^= 0xFF
        with suppress(AppError):
            read_workbook(bytes(broken), "a.xlsx")


@pytest.mark.parametrize("step", [11, 53])
def test_a_truncated_workbook_is_refused(step: int) -> None:
    for place in range(1, len(WHOLE), step):
        with pytest.raises(SpreadsheetError):
            read_workbook(WHOLE[:place], "a.xlsx")
