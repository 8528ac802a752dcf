"""Resource limits for uploaded files."""

from __future__ import annotations

from app.errors import SpreadsheetError, TooLarge

MAX_UPLOAD = 20 * 2**20
MAX_PARTS = 25_000
MAX_DECLARED = 2**30
MAX_UNPACKED = 64 * 2**20
MAX_TAGS = 1_500_000
MAX_TOKEN = 512 * 2**10  # bytes of XML without a tag; no cell is that long
MAX_DEPTH = 64
MAX_SHEETS = 200
MAX_RELATIONS = 10_000
MAX_STYLES = 65_536
MAX_MERGES = 50_000
MAX_CELLS = 500_000
MAX_COLUMN = 512
MAX_LINE = 400_000
MAX_SHEET_ROWS = 200_000
MAX_CELL_LENGTH = 32_767
MAX_TEXT = 20_000_000

TOO_MUCH = "这个文件里的内容太多，一次最多导入 20000 行，请只留下要生成的行和列再试"


def check_upload(content: bytes) -> None:
    """Refuse an empty upload, or one over MAX_UPLOAD bytes."""
    if not content.strip(b"\x00 \r\n\t"):
        raise SpreadsheetError("这个文件是空的，请选一个有内容的表格")
    if len(content) > MAX_UPLOAD:
        raise TooLarge(
            "文件有 {size} MB，最多 {limit} MB，请删掉图片或分成几个文件",
            size=f"{len(content) / 2**20:.0f}",
            limit=MAX_UPLOAD // 2**20,
        )


class TextBudget:
    """The number of characters that may still be read."""

    def __init__(self) -> None:
        self._left = MAX_TEXT

    def spend(self, characters: int) -> None:
        """Subtract ``characters``; SpreadsheetError when the budget is exceeded."""
        self._left -= characters
        if self._left < 0:
            text = "表格里的文字超过 {limit} 字，请分成几个文件导入"
            raise SpreadsheetError(text, limit=f"{MAX_TEXT:,}")

    def spend_cell(self, row: int, text: str) -> None:
        """The same of a cell; SpreadsheetError also when it is over MAX_CELL_LENGTH."""
        if (length := len(text)) > MAX_CELL_LENGTH:
            sentence = "第 {number} 行有一格写了 {length} 字，最多 {limit} 字，请缩短后再导入"
            raise SpreadsheetError(sentence, row=row, number=row, length=length, limit=MAX_CELL_LENGTH)
        self.spend(length)
