"""Detects the file type from its content, not its name; each unsupported type has its own error.

A file of another type becomes an ``.xlsx`` of its texts and numbers when results are written into it.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Sequence
from pathlib import PurePath

from app.domain import WorkbookFile
from app.errors import SpreadsheetError, message
from app.sheets.calamine_reader import CalamineSheet, read_sheets
from app.sheets.csv_reader import DelimitedSheet
from app.sheets.limits import MAX_COLUMN, MAX_SHEET_ROWS, check_upload
from app.sheets.sheet_writer import SheetWriter, WorkbookWriter, sheet_title
from app.sheets.table import FormattedNumber, Value, display_text
from app.sheets.xlsx_package import OoxmlPackage
from app.sheets.xlsx_reader import WorkbookSheet, XlsxWorkbook

Sheet = DelimitedSheet | WorkbookSheet | CalamineSheet

_OLD_EXCEL = "这是旧版 Excel 文件（.xls）"
_WEB_PAGE = tuple(
    b"<!doctype html|<html|<head|<body|<meta|<style|<div|<table|<?xml|mime-version:".split(b"|")
)
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"

_OLDEST = (b"\t\x00\x04\x00", b"\t\x02\x06\x00", b"\t\x04\x06\x00", b"\t\x08")  # Excel 2 to 5
_WORKBOOK_NAMES = (".xlsx", ".xlsm", ".xls", ".et")
_ENCRYPTED = "这个文件像是被公司的文档加密软件加了密，请先解密，或另存为一个新文件，再导入"
# Headers written by document encryption software (TSD, E-SafeNet).
_ENCRYPTED_STARTS = (b"%TSD-Header", b"b\x14#e", b"c\x14#e")
_ENCRYPTED_MARK = b"E-SafeNet"
_BINARY = re.compile(rb"[\x00-\x08\x0e-\x19\x1c-\x1f]")

# Signatures of files that are not spreadsheets.
_OTHER_FILES = {
    b"%PDF": "PDF 文件",
    b"\x89PNG": "图片",
    b"\xff\xd8\xff": "图片",
    b"GIF8": "图片",
    b"RIFF": "图片或影音",
    b"Rar!": "压缩包",
    b"7z\xbc\xaf": "压缩包",
    b"\x1f\x8b": "压缩包",
    b"{\\rtf": "Word 文档",
}


def open_sheets(content: bytes, filename: str) -> Sequence[Sheet]:
    """The unread sheets of a workbook or delimited text; SpreadsheetError for any other file type."""
    check_upload(content)
    if content.startswith(b"PK"):
        package = OoxmlPackage(content)
        if "xl/workbook.bin" in package:
            return read_sheets(content, ".xlsb")
        if "content.xml" in package and "mimetype" in package:
            return read_sheets(content, ".ods")
        names = package.names
        if any(name.endswith(".iwa") for name in names) or "index.zip" in package:
            raise SpreadsheetError("这是 Numbers 表格，请在 Numbers 里「文件 → 导出为 → Excel」再导入")
        if any(name.startswith(("word/", "ppt/")) for name in names):
            raise SpreadsheetError("这是 Word 或 PPT 文件，不是表格，请选 .xlsx 或 .csv 文件")
        if "[content_types].xml" not in package:
            raise SpreadsheetError("这是压缩包，不是表格，请先解压，再选里面的 .xlsx 或 .csv 文件")
        return XlsxWorkbook(package).sheets
    if content.startswith(_OLE):
        if "DRMEncrypted".encode("utf-16-le") in content:
            raise SpreadsheetError(_ENCRYPTED)
        if "EncryptedPackage".encode("utf-16-le") in content:
            raise SpreadsheetError("这个文件有打开密码，请在 Excel 里去掉密码后再导入")
        if "WordDocument".encode("utf-16-le") in content or filename.lower().endswith(".wps"):
            raise SpreadsheetError("这是文字文档（.doc 或 .wps），不是表格，请选 .xlsx 或 .csv 文件")
        return read_sheets(content, ".et" if filename.lower().endswith((".et", ".ett")) else ".xls")
    _check_text(content)
    is_marked = content.startswith(_ENCRYPTED_STARTS) or _ENCRYPTED_MARK in content[:64]
    is_unicode = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    is_binary = not is_unicode and _BINARY.search(content, 0, 4096) is not None
    if is_binary and (is_marked or filename.lower().endswith(_WORKBOOK_NAMES)):
        raise SpreadsheetError(_ENCRYPTED)
    return [DelimitedSheet(content, PurePath(filename.replace("\\", "/")).stem or "CSV")]


def is_ooxml(content: bytes) -> bool:
    """Whether the file is an ``.xlsx`` or ``.xlsm``, which results can be written into."""
    return content.startswith(b"PK") and "xl/workbook.xml" in OoxmlPackage(content)


def converted(file: WorkbookFile) -> tuple[bytes, dict[str, str]]:
    """The file as ``.xlsx`` -> (content, the names of its sheets there by their own)."""
    titles: dict[str, str] = {}
    taken: set[str] = set()
    with WorkbookWriter(str) as workbook:
        for sheet in open_sheets(file.content, file.filename):
            titles[sheet.name] = sheet_title(sheet.name, taken)
            page = SheetWriter(workbook, titles[sheet.name])
            for row in sheet.read(range(1, MAX_COLUMN + 1), 0, MAX_SHEET_ROWS).rows:
                cells = ((column, *_cell(value)) for column, value in sorted(row.values.items()))
                page.write(row.number, cells)
        with workbook.save(in_memory=True) as written:
            return written.read(), titles


def _must_convert(kind: str) -> SpreadsheetError:
    return SpreadsheetError("{kind}，请用 Excel 或 WPS 打开后另存为 .xlsx 再导入", kind=message(kind))


def _check_text(content: bytes) -> None:
    for start, kind in _OTHER_FILES.items():
        if content.startswith(start):
            raise SpreadsheetError("这是{kind}，不是表格，请选 .xlsx 或 .csv 文件", kind=message(kind))
    if content.startswith(_OLDEST):
        raise _must_convert(_OLD_EXCEL)
    beginning = content[:4096].removeprefix(codecs.BOM_UTF8).lstrip().lower()
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        beginning = beginning.decode("utf-16", "ignore").lstrip().encode()
    if b"urn:schemas-microsoft-com:office:spreadsheet" in beginning:
        raise _must_convert("这是旧式 XML 表格")
    if b"urn:oasis:names:tc:opendocument" in beginning:
        raise _must_convert("这是 OpenDocument 表格（.fods）")
    if beginning.startswith(_WEB_PAGE):
        raise _must_convert("这个文件其实是网页（HTML），只是名字像表格")


def _cell(value: Value) -> tuple[str | float, str]:
    """What a cell shows and its style."""
    if isinstance(value, int | float) and not isinstance(value, FormattedNumber):
        return value, "general"
    return value.text if isinstance(value, FormattedNumber) else display_text(value), "as text"
