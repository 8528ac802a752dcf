"""Unicode normalisation in linear time, whatever combining marks a text has."""

import re
import unicodedata
from collections.abc import Iterator
from itertools import groupby
from typing import Literal

MAX_MARKS = 30  # in a row, as in the Stream-Safe Text Format of UAX 15
# Every mark is one of these characters, and none is decomposed into more than two.
_MAY_BE_MARKS = re.compile(f"[\\W\uff9e\uff9f]{{{MAX_MARKS // 2 + 1}}}")


def normalised(form: Literal["NFC", "NFKC"], text: str) -> str:
    """The same as ``unicodedata.normalize``, which sorts marks in a row by insertion, in quadratic time."""
    if text.isascii() or not _MAY_BE_MARKS.search(text):
        return unicodedata.normalize(form, text)
    runs = _runs("NFD" if form == "NFC" else "NFKD", text)
    ordered = (sorted(run, key=unicodedata.combining) if is_mark else run for is_mark, run in runs)
    return unicodedata.normalize(form, "".join(map("".join, ordered)))


def has_too_many_marks(text: str) -> bool:
    """Whether more than MAX_MARKS combining marks follow each other; no language writes so many."""
    if text.isascii() or not _MAY_BE_MARKS.search(text):
        return False
    return any(is_mark and len(list(run)) > MAX_MARKS for is_mark, run in _runs("NFKD", text))


def _runs(form: Literal["NFD", "NFKD"], text: str) -> Iterator[tuple[bool, Iterator[str]]]:
    """The text decomposed, in runs of marks and of others."""
    parts = (part for character in text for part in unicodedata.normalize(form, character))
    return groupby(parts, lambda part: unicodedata.combining(part) > 0)
