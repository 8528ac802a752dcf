"""Validation of untrusted fields (form, JSON, spreadsheet): a value or InvalidRequest.

Re-exported by ``app.domain``.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from itertools import groupby
from typing import Any, Literal

from app.domain.references import SampleImage
from app.domain.row_fields import (
    MAX_PROMPT_LENGTH,
    MAX_REFERENCE_LENGTH,
    MAX_REFERENCES,
    ROW_FIELDS,
    UNSET_WORDS,
    RowField,
)
from app.domain.sizes import ASPECT_RATIOS, RESOLUTIONS, own_size
from app.errors import InvalidRequest, message

_JOINERS = "\u200c\u200d"  # zero-width (non-)joiner: joins letters and the parts of an emoji
# Invisible characters that copying brings along: soft hyphens, direction and byte order marks, zero widths.
_UNSEEN = "\u00ad\u061c\u180e\u200b\u200e\u200f\ufeff\ufff9\ufffa\ufffb" + "".join(
    chr(number) for number in (*range(0x202A, 0x202F), *range(0x2060, 0x2070))
)
_EACH_UNSEEN = re.compile(f"[{_UNSEEN}]")
_EACH_UNSEEN_OR_JOINER = re.compile(f"[{_UNSEEN}{_JOINERS}]")
_AT_EDGES = _UNSEEN + _JOINERS + "".join(chr(number) for number in range(0x3001) if chr(number).isspace())
_VARIANTS = "".join(map(chr, range(0xFE00, 0xFE10)))  # variation selectors
KEY = r"\b(?:(?:sk|ak)[-_*]|AKLT)[\w*-]{6,}"  # the keys of most services, which are never shown or logged

MAX_MARKS = 30  # in a row, as in the Stream-Safe Text Format of UAX 15
# Every mark is one of these characters, and none is decomposed into more than two.
_MAY_BE_MARKS = re.compile(f"[\\W\uff9e\uff9f]{{{MAX_MARKS // 2 + 1}}}")


def normal_text(value: Any) -> str:
    """A short text by NFKC, without invisible characters and white space around; a longer one stays."""
    text = str(value)
    if text.isascii() or len(text) > MAX_PROMPT_LENGTH:
        return text.strip()
    return trimmed_text(normalised("NFKC", _EACH_UNSEEN_OR_JOINER.sub("", text)))


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


def too_many_marks(name: str, label: str) -> InvalidRequest:
    """The problem of a text with too many combining marks in a row."""
    problem = "{field}里连着的组合符号太多（最多 {limit} 个），请删掉多余的"
    return InvalidRequest(name, problem, field=message(label), limit=MAX_MARKS)


def visible_text(text: str) -> str:
    """The text without invisible characters; joiners stay, as emoji contain them."""
    return _EACH_UNSEEN.sub("", text)


def trimmed_text(text: str) -> str:
    """The text without white space and invisible characters at its ends."""
    text = text.strip(_AT_EDGES)
    return text if text[:1] not in _VARIANTS or text.strip(_AT_EDGES + _VARIANTS) else ""


def unix_line_ends(text: str) -> str:
    """The text with the line ends of Windows, also doubled ones, as ``\\n``.

    A lone ``\\r`` stays: the fingerprint of a record with one would change, and its row be bought again.
    """
    return re.sub("\r+\n", "\n", text) if "\r" in text else text


def whole_characters(text: str) -> str:
    """The text with a ``?`` for each lone surrogate, which UTF-8 cannot encode."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _read_text(
    name: str, label: str, limit: int, *, required: bool = False, clean: Callable[[str], str] = str
) -> Any:
    def read(value: Any) -> str:
        if value is None:
            value = ""
        if not isinstance(value, str):
            raise InvalidRequest(name, "{field}应为文字", field=message(label))
        text = trimmed_text(unix_line_ends(clean(value.replace("\x00", ""))))
        if required and not text:
            raise InvalidRequest(name, "请填写提示词")  # the only required text
        if len(text) > limit:
            problem = "{field}有 {n} 字，最多 {limit} 字"
            raise InvalidRequest(name, problem, field=message(label), n=len(text), limit=limit)
        if has_too_many_marks(text):
            raise too_many_marks(name, label)
        return whole_characters(text)

    return read


def read_aspect_ratio(value: Any) -> str:
    """``16：9``, ``16x9``, ``１６:９`` -> ``16:9``; ``800×600`` -> ``800x600``; empty -> ``1:1``.

    InvalidRequest for anything else.
    """
    written = _short(value)
    text = re.sub(r"\s*[:∶xX×*/比]\s*", ":", written) or "1:1"
    if text in ASPECT_RATIOS:
        return text
    if size := own_size(written):
        return str(size)
    problem = "不支持的图片比例「{value}」，可选：{choices}，或 800x600 这样的宽高"
    raise InvalidRequest("aspect_ratio", problem, value=str(value)[:60], choices=ASPECT_RATIOS)


def read_resolution(value: Any) -> str:
    """``2k``, ``２Ｋ`` -> ``2K``; ``800×600`` -> ``800x600``; empty -> ``2K``.

    InvalidRequest for anything else.
    """
    text = _short(value).upper() or "2K"
    if text in RESOLUTIONS:
        return text
    if size := own_size(text):
        return str(size)
    problem = "不支持的分辨率「{value}」，可选：{choices}，或 800x600 这样的宽高"
    raise InvalidRequest("resolution", problem, value=str(value)[:60], choices=RESOLUTIONS)


def _short(value: Any) -> str:
    """The first 60 characters, normalised: a longer text cannot be a ratio, resolution or number."""
    return "" if value is None else normal_text(str(value)[:60])


def read_whole_number(value: Any) -> int | None:
    """``3``, ``3.0``, ``"３"``, ``"3.0"`` -> 3; empty -> None; ValueError for anything else, also True."""
    if isinstance(value, bool):
        raise ValueError(value)
    text = _short(value)
    if not text:
        return None
    if not re.fullmatch(r"[+-]?[0-9]{1,12}(\.0+)?", text):
        raise ValueError(value)
    return int(text.split(".")[0])


def _read_number(name: str, label: str, low: int, high: int, default: int | None) -> Any:
    def read(value: Any) -> int | None:
        with suppress(ValueError):
            number = read_whole_number(value)
            if number is None or (name == "seed" and number == -1):
                return default
            if low <= number <= high:
                return number
        problem = "{field}应为 {low}–{high} 的整数，现在是「{value}」"
        shown = str(value)[:60]
        raise InvalidRequest(name, problem, field=message(label), low=low, high=high, value=shown)

    return read


def read_sample_images(value: Any) -> tuple[SampleImage, ...]:
    """Parse a list of ``{"url", "filename"}`` (or its JSON text). Raises InvalidRequest, also for too many.

    An image without URL is one of the library, to be looked up by its name.
    """
    if value in (None, "", []):
        return ()
    try:
        items = json.loads(value) if isinstance(value, str) else list(value)
        images = tuple(
            SampleImage(url=_text(i["url"]) if i["url"] != "" else "", filename=_text(i["filename"]))
            for i in items
        )
    except (ValueError, KeyError, TypeError, RecursionError):
        raise InvalidRequest("sample_images", "参考图应为 [{url, filename}] 的列表") from None
    if len(images) > MAX_REFERENCES:
        problem = "参考图有 {n} 张，最多 {limit} 张"
        raise InvalidRequest("sample_images", problem, n=len(images), limit=MAX_REFERENCES)
    return images


def _text(value: Any) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= MAX_REFERENCE_LENGTH:
        raise ValueError(value)
    if has_too_many_marks(value):
        raise too_many_marks("sample_images", "参考图")
    return whole_characters(value)


def _read_word(name: str, label: str, words: Mapping[str, str]) -> Any:
    """A reader of one of these words, or of what else stands for it; ``auto`` and empty -> empty."""
    known = {other: word for word, others in words.items() for other in (word, *others.split())}

    def read(value: Any) -> str:
        text = _short(value).lower()
        if text in UNSET_WORDS:
            return ""
        if text not in known:
            problem = "{field}应为 {choices}，现在是「{value}」"
            values = {"field": message(label), "choices": tuple(words), "value": str(value)[:60]}
            raise InvalidRequest(name, problem, **values)
        return known[text]

    return read


def _reader(each: RowField) -> Any:
    match each.kind:
        case "text":
            clean = visible_text if each.name == "filename" else str
            return _read_text(each.name, each.label, each.limit, required=each.name == "prompt", clean=clean)
        case "model":
            return _read_text(each.name, each.label, each.limit, clean=normal_text)
        case "number":
            return _read_number(each.name, each.label, each.low, each.high, each.default)
        case "word":
            return _read_word(each.name, each.label, each.words)
    return {"ratio": read_aspect_ratio, "resolution": read_resolution, "images": read_sample_images}[
        each.kind
    ]


# Readers of a request's fields, in the order in which errors are reported.
READERS: Mapping[str, Callable[[Any], Any]] = {name: _reader(each) for name, each in ROW_FIELDS.items()}
