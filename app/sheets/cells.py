"""A cell -> the value of a field, with a Problem for every correction or error."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from app.domain import ASPECT_RATIOS, normal_text, trimmed_text
from app.errors import Message, Translate, message
from app.sheets.headers import FIELD_LABELS, RESULT_LABELS
from app.sheets.table import ExcelTime, UnreadableCell, Value, display_text

# Fields that accept any text; the others accept only short texts.
TEXT_FIELDS = ("prompt", "negative_prompt", "filename", "references")
_CLOCK = re.compile(r"(上午|下午)?\s*([0-9]{1,2}):([0-9]{2})(?::([0-9]{2}))?\s*([AP]M)?", re.IGNORECASE)
_SEPARATOR = re.compile(r"[,，;；、､\n]")
_PAUSE = re.compile("[、､]")
# Separators, then a quoted or plain name; possessive, so that matching is linear in the cell length.
_PIECE = re.compile(r'[\s,，;；]*+(?:"((?:[^"]|"")*+)"[^\S\n]*+(?=[,，;；\n]|\Z)|([^,，;；\n]*+))')
_MAX_NAMES = 100  # of a cell; what follows stays one name
_MAX_PARTS = 40  # at most this many parts joined by 、 in one name
_SEEN_LENGTH = 60
_MAX_EXACT = 1e15  # from here on Excel stores only the first fifteen digits of a number


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One cell that was corrected (``fixed`` is the value used) or could not be read (``fixed`` is None).

    ``row`` is the sheet's row number; ``column`` is the header's Chinese label.
    """

    row: int
    column: str
    seen: str
    error: Message
    fixed: str | None = None

    def as_json(self, translate: Translate = str) -> dict[str, str | int]:
        """The JSON form; ``fixed`` is present only when the cell was corrected."""
        fixed = {} if self.fixed is None else {"fixed": self.fixed}
        error = translate(self.error)
        return {"row": self.row, "column": self.column, "seen": self.seen, "error": error, **fixed}


def problem(row: int, field: str, seen: str, error: str | Message, fixed: str | None = None) -> Problem:
    """A Problem about a field, with ``seen`` truncated for display."""
    label = FIELD_LABELS.get(field) or RESULT_LABELS[field]
    return Problem(row=row, column=label, seen=truncate(seen), error=message(error), fixed=fixed)


def truncate(text: str) -> str:
    """The text truncated for display in a sentence."""
    return text if len(text) <= _SEEN_LENGTH else f"{text[:_SEEN_LENGTH]}…"


def parse_cell(row: int, field: str, value: Value) -> tuple[str, Problem | None]:
    """The text of a cell for its field; the original text when the Problem has no ``fixed``."""
    text = display_text(value)
    if isinstance(value, UnreadableCell):
        return ("" if field in TEXT_FIELDS else text), problem(row, field, text, value.error)
    if field == "aspect_ratio":
        return _parse_ratio(row, value)
    if isinstance(value, ExcelTime):
        sentence = "Excel 把这格变成了日期或时间「{shown}」，看不出原来写的是什么，请改成文字格式后重新填写"
    elif isinstance(value, float) and abs(value) >= _MAX_EXACT:
        sentence = "Excel 只留下数字的前 15 位，后面的已经丢了，请把这格改成文字格式后重新填写"
    else:
        return text, None
    return text, problem(row, field, text, message(sentence, shown=text))


def split_names(text: str, is_known: Callable[[str], bool] = lambda name: False) -> list[str]:
    """``猫.png，"a,b.png"；c、d`` -> the names; quotes keep a separator inside a name.

    ``is_known`` is called for texts with a 、: a name that exists in the library is not split.
    """
    names: list[str] = []
    for piece in _PIECE.finditer(text):
        quoted, plain = piece.groups("")
        if len(names) >= _MAX_NAMES and (quoted or plain):
            return [*names, text[piece.start() :]]
        found = [quoted.replace('""', '"')] if quoted else _at_pauses(plain, is_known)
        names += [name for name in found if name]
    return names


def join_names(names: list[str]) -> str:
    """Names -> one cell that ``split_names`` can split again."""
    return "；".join(
        '"' + name.replace('"', '""') + '"'
        if name != trimmed_text(name) or name.startswith('"') or _SEPARATOR.search(name)
        else name
        for name in names
    )


def _at_pauses(plain: str, is_known: Callable[[str], bool]) -> list[str]:
    """``a、b、c`` -> its names; the longest known name wins."""
    if not _PAUSE.search(plain):
        return [trimmed_text(plain)]
    parts = [part for piece in _PAUSE.split(plain) if (part := trimmed_text(piece))]
    parts[_MAX_NAMES:] = filter(None, ["、".join(parts[_MAX_NAMES:])])
    names: list[str] = []
    at = 0
    while at < len(parts):
        ends = range(min(len(parts), at + _MAX_PARTS), at + 1, -1)
        end = next((end for end in ends if is_known("、".join(parts[at:end]))), at + 1)
        names.append("、".join(parts[at:end]))
        at = end
    return names


def _parse_ratio(row: int, value: Value) -> tuple[str, Problem | None]:
    text = display_text(value)
    clock = _clock(value)
    if clock in ASPECT_RATIOS:
        error = message("Excel 把比例变成了时间「{shown}」，已改回 {ratio}", shown=text, ratio=clock)
        return clock, problem(row, "aspect_ratio", text, error, clock)
    if isinstance(value, ExcelTime):
        sentence = "Excel 把这格变成了日期或时间「{shown}」，看不出原来的比例，请填写：{ratios}"
        error = message(sentence, shown=text, ratios=tuple(ASPECT_RATIOS))
        return text, problem(row, "aspect_ratio", text, error)
    return text, None


def _clock(value: Value) -> str | None:
    """``16:9`` when the cell is that time of day, as a time, a text or a fraction of a day; else None."""
    if isinstance(value, ExcelTime):
        return value.clock
    if isinstance(value, str):
        return _clock_of_text(normal_text(value[:40]))
    if isinstance(value, float) and 0 < value < 1 and abs(value * 1440 - round(value * 1440)) < 1e-6:
        return ExcelTime.of_serial(value, since_1904=False).clock
    return None


def _clock_of_text(text: str) -> str | None:
    found = _CLOCK.fullmatch(text)
    if not found or text in ASPECT_RATIOS:
        return None
    hours, minutes, seconds = int(found[2]), int(found[3]), int(found[4] or 0)
    afternoon = found[1] == "下午" or (found[5] or "").upper() == "PM"
    return ExcelTime.of_clock(hours + 12 if afternoon and hours < 12 else hours, minutes, seconds).clock
