"""Decodes delimited text. Text that only happens to decode as GB18030 is refused rather than garbled.

Almost any two bytes are a Chinese character in GB18030, so other encodings often decode without an error:
as rare characters, or as a single one in the middle of a Latin word.
"""

from __future__ import annotations

import codecs
import re
import unicodedata
from collections import Counter
from itertools import islice

from app.errors import SpreadsheetError

_HEADER = "提示词"  # these bytes mean this in no other encoding
_MAX_RUNS = 10_000
_MAX_RUN_LENGTH = 40
_BEGINNING = 256 * 2**10
_RUN = re.compile(r"[^\x00-\x7f]+")
_BEYOND_TWO_BYTES = re.compile("[\u0800-\U0010ffff]")
_SCRIPTS = {"LATIN", "GREEK", "CYRILLIC", "ARMENIAN", "HEBREW", "ARABIC", "SYRIAC", "THAANA", "NKO"}
_FIRST_LEVEL = (b"\xb0\xa1", b"\xd7\xf9")
_LAST_COMMON_BIG5 = b"\xc6"
_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")


def decode(content: bytes) -> str:
    """Decode UTF-8 with or without a BOM, UTF-16 with a BOM, or GB18030; else SpreadsheetError."""
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        text = _decoded(content, "utf-16")
    else:
        text = _decoded(content, "utf-8-sig")
        if text is None or (_mixes_scripts(text) and not content.startswith(codecs.BOM_UTF8)):
            chinese = _decoded(content, "gb18030")
            if chinese and (_HEADER in chinese or (_is_chinese(chinese) and not _is_damaged_utf_8(content))):
                text = chinese
    if text is None:
        raise SpreadsheetError("看不懂这个文件的编码，请在 Excel 里另存为 .xlsx 或「CSV UTF-8」再导入")
    return text


def _decoded(content: bytes, encoding: str) -> str | None:
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError:
        return None
    return None if "\x00" in text else text


def _mixes_scripts(text: str) -> bool:
    """Whether text decoded as UTF-8 may be GB18030, where ``小猫`` has the bytes of ``Сè``."""
    if text.isascii() or _BEYOND_TWO_BYTES.search(text):
        return False
    return any(len(_scripts(run[0])) > 1 for run in islice(_RUN.finditer(text), _MAX_RUNS))


def _scripts(run: str) -> set[str]:
    return {unicodedata.name(letter, "").partition(" ")[0] for letter in run[:_MAX_RUN_LENGTH]} & _SCRIPTS


def _is_chinese(text: str) -> bool:
    """Whether text decoded as GB18030 is plausible Chinese."""
    runs = list(islice(_RUN.finditer(text), _MAX_RUNS))
    letters = "".join(run[0][:_MAX_RUN_LENGTH] for run in runs)
    counts = Counter(letters)
    in_words = sum(len(run[0]) for run in runs if _is_in_a_word(text, run))
    private = sum(count for letter, count in counts.items() if "\ue000" <= letter <= "\uf8ff")
    rare = sum(count for letter, count in counts.items() if _is_hanzi(letter) and not _is_common(letter))
    total = len(letters)
    if (in_words + private) * 4 >= total:
        return False
    return total < 5 or ((rare + private) * 2 < total and not _is_big5(letters))


def _is_damaged_utf_8(content: bytes) -> bool:
    """Whether the content is mostly Chinese in UTF-8 with a few damaged bytes."""
    text = content[:_BEGINNING].decode("utf-8", "replace")
    lost = text.count("\ufffd")
    return 0 < lost * 3 < len(_BEYOND_TWO_BYTES.findall(text)) - lost


def _is_in_a_word(text: str, run: re.Match[str]) -> bool:
    """Whether a run is like ``閘閙`` in ``l閘閙ent``: accented letters decoded with the letter after each."""
    characters, (start, end) = run[0], run.span()
    if len(characters) > 4 or not all(map(_is_hanzi, characters)):
        return False
    after_letter, before_letter = text[start - 1 : start] in _LETTERS, text[end : end + 1] in _LETTERS
    if len(characters) == 1 and after_letter and before_letter and not _is_of_first_level(characters):
        return True
    if not all(map(_ends_in_a_letter, characters)):
        return False
    if len(characters) == 1 and _is_common(characters) and not before_letter:
        return after_letter and text[start - 2 : start - 1] in _LETTERS  # not T卹
    return after_letter or before_letter or len(characters) == 1


def _is_big5(letters: str) -> bool:
    """Whether the same bytes are common Traditional Chinese characters in Big5."""
    content = letters.encode("gb18030")
    low = sum(byte < 0x7F for byte in content[1::2])
    if len(letters) < 8 or len(content) != 2 * len(letters) or low * 6 < len(letters):
        return False
    try:
        content.decode("big5")
    except UnicodeDecodeError:
        return False
    return max(content[::2]) <= _LAST_COMMON_BIG5[0]


def _is_hanzi(letter: str) -> bool:
    return "\u3400" <= letter <= "\u9fff"


def _is_common(hanzi: str) -> bool:
    """Whether it is one of the 6,763 characters of GB2312 or the 5,401 common ones of Big5."""
    if hanzi.encode("gb2312", "ignore"):
        return True
    return b"" < hanzi.encode("big5", "ignore")[:1] <= _LAST_COMMON_BIG5


def _is_of_first_level(hanzi: str) -> bool:
    """Whether it is one of the 3,755 level-1 characters of GB2312."""
    return _FIRST_LEVEL[0] <= hanzi.encode("gb2312", "ignore") <= _FIRST_LEVEL[1]


def _ends_in_a_letter(hanzi: str) -> bool:
    content = hanzi.encode("gb18030", "ignore")
    return len(content) == 2 and chr(content[1]) in _LETTERS
