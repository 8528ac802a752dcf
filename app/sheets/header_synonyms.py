"""Header text -> field: synonyms of each field, matched without punctuation, ordinals and remarks.

A header that mentions what a picture must not show is never mapped to the prompt.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from app.domain import normal_text
from app.domain.row_fields import GUESSED_HEADERS, HEADERS

_MAX_LENGTH = 200  # characters of a header with remarks, and without them
_MAX_NAME_LENGTH = 60
_OPENING, _CLOSING = "([{<【「『《〈〔", ")]}>】」』》〉〕"

SHEET_COLUMN, COMMENT_COLUMN = "工作表", "客户意见"  # own columns with a meaning
# What people write into the column of choices.
KEEP_WORDS = ["✓", "✔", "√", "是", "要", "选", "留", "留下", "选中", "keep", "yes", "y", "1"]
REJECT_WORDS = ["✗", "✘", "×", "x", "否", "不要", "淘汰", "reject", "no", "n", "0"]

_NAMES: Mapping[str, str] = {
    **HEADERS,
    "size": "尺寸 图片尺寸 大小 size imagesize",
    "transparent": "透明背景 背景透明 是否透明 transparentbackground transparent",
    "row_number": "行号 rownumber",
    "status": "状态 status",
    "image_file": "图片文件 imagefile",
    "ignored": "序号 编号 缩略图 第几张 原因 选中 费用 可能已计费 次数 # no id selected"
    " thumbnail picturenumber reason cost possiblycharged attempts"
    " ai标识 可见标识 隐式标识 c2pa aimark visiblemark implicitmark",
}
_NEGATIVE = "负面|负向|反向|反面|逆向|negative|neg"
_NEGATIVE_OR_SHORT = f"{_NEGATIVE}|负|反"
_PROMPT = "提示词|提示语|提示|描述词|描述|关键词|词条|词|prompts|prompt"
_REFUSE = "不要|不想|不希望|不需要|避免|排除|禁止|去除|去掉"
_UNWANTED = (
    f"(?:画面|图片|图)?(?:里|中)?(?:{_REFUSE})(?:出现|要|有|看到|包含)?的?(?:内容|元素|东西|画面|物体|词)?"
)
_NEGATIVE_NAME = re.compile(
    f"(?:{_NEGATIVE_OR_SHORT})的?(?:{_PROMPT})|(?:{_PROMPT})(?:{_NEGATIVE})|{_UNWANTED}"
)
_NEGATIVE_REMARK = re.compile(f"(?:{_NEGATIVE_OR_SHORT})(?:的?(?:{_PROMPT}))?|{_UNWANTED}")
# Words that may negate a prompt, and (below) phrases that are only filling instructions.
_NEGATIVE_SIGN = re.compile(
    r"负(?!责)|負|反(?!馈|复)|逆|否定|消极|不(?!超|限|填|必|支持|少于|多于|大于)|别(?=出现|要|有)|避免|排除|排斥|禁|去除|去掉|勿"
    r"|neg(?![a-z])|negativ|avoid|exclud|unwanted|undesired|without|\b(?:no|not|don'?t)\b"
    r"|(?<![-−–—])[-−–][^\w−–—-]*$"
)
_INSTRUCTION = re.compile(
    r"(?:不要|不能|不可以?|不得|勿|避免|禁止|\bnot?|don'?t)\s*(?:be\s*)?"
    r"(?:为空|留空|空|超过|超出|多于|大于|换行|删|改|修改|重复|太长|过长"
    r"|(?:使用|包含|出现|涉及|有)?(?:敏感|违禁|违规|涉黄|涉政)"
    r"|more than|longer|exceed|over\b|blank|empty|leave)"
)
_VARIANTS = re.compile("[\u200c\u200d\ufe0e\ufe0f\u20e3]")
_ORDINAL = re.compile(
    r"^[\W_]*(?:第?\d{1,2}[列项]?|[一二三四五六七八九十]{1,2}(?=[、.,:)\s])|(?:[ivx]{1,4}|[a-z])(?=[.、):]))[\s.、:,)_-]*"
)
_TOKEN = re.compile(r"[a-z]+|\d+|[^\W\d_a-z]+")
_NUMBER = re.compile(r"\d{1,2}")
_NUMBERED = re.compile(r"(.+?)(?:\d{1,2}|[一二三四])")
_FILLER = re.compile(
    "^(?:{0})+|(?:{0})+$".format("非?必填项?|选填项?|可选项?|可不填|可空|必选|请输入|请填写|值")
)
_FILLER_WORDS = {"required", "optional", "mandatory"}
_LANGUAGE = re.compile("^(?:中英文|中文|英文|汉语|英语)|(?:中英文|中文|英文)$")
_LANGUAGE_WORDS = {"chinese", "english", "cn", "en", "zh", "ai"}
_MARKS = r"[/|\\\n,;、·•&+]"
_SEPARATORS = (re.compile(_MARKS), re.compile(rf"\s+|{_MARKS}"))


@dataclass(frozen=True, slots=True)
class Meaning:
    """The field of a header. An exact header is preferred to a guess.

    ``is_numbered``: one of several columns for a field, such as 参考图2.
    """

    field: str
    is_guess: bool = False
    is_numbered: bool = False


def _by_name(names: Mapping[str, str], *, is_guess: bool) -> dict[str, Meaning]:
    return {name: Meaning(field, is_guess) for field, text in names.items() for name in text.split()}


_MEANINGS = _by_name(GUESSED_HEADERS, is_guess=True) | _by_name(_NAMES, is_guess=False)
# Fast rejection: most cells contain none of the names.
_ANY_NAME = re.compile("|".join([*map(re.escape, _MEANINGS), _PROMPT, _REFUSE]))


def header_names() -> dict[str, list[str]]:
    """The names of each field in headers, without spaces and in lower case; the certain ones first."""
    return {field: f"{text} {GUESSED_HEADERS.get(field, '')}".split() for field, text in _NAMES.items()}


def meaning(header: str) -> Meaning | None:
    """``" 1. Negative\\nPrompt*（选填"`` -> ``negative_prompt``; None for an unknown header."""
    plain = _plain(header)
    if plain == "#":
        return Meaning("ignored")
    if not _ANY_NAME.search("".join(_TOKEN.findall(plain))):
        return None
    found, remarks = _split_remarks(plain)
    names = [_compact(remark)[0] for remark in remarks]
    if found and found.field == "references" and any(map(_NUMBER.fullmatch, names)):
        return replace(found, is_numbered=True)
    if not found or found.field != "prompt" or not _is_negated(plain):
        return found
    return Meaning("negative_prompt", is_guess=True) if any(map(_NEGATIVE_REMARK.fullmatch, names)) else None


def is_doubtful(header: str) -> bool:
    """Whether a header names the prompt but contains words that may negate it."""
    if meaning(header):
        return False
    found, _ = _split_remarks(_plain(header))
    return found is not None and found.field == "prompt"


def _plain(header: str) -> str:
    return _VARIANTS.sub("", normal_text(header[:_MAX_LENGTH])).casefold()


def _is_negated(plain: str) -> bool:
    text = _INSTRUCTION.sub("", plain.replace("_", " "))
    return bool(_NEGATIVE_SIGN.search(text) or _NEGATIVE_SIGN.search(re.sub(r"\s+", "", text)))


def _split_remarks(text: str) -> tuple[Meaning | None, list[str]]:
    """The meaning without remarks, and the remarks; a header all in brackets uses its first non-empty one."""
    outside, remarks = _without_remarks(text)
    if _compact(outside)[0]:
        return _without_ordinal(outside), remarks
    for index, inside in enumerate(remarks):
        found, inner = _split_remarks(inside)
        if found or _compact(inside)[0]:
            return found, [*inner, *remarks[:index], *remarks[index + 1 :]]
    return None, remarks


def _without_remarks(text: str) -> tuple[str, list[str]]:
    """The text outside brackets, and the content of each outermost pair, which may be unclosed."""
    outside, remarks, depth = "", [""], 0
    for letter in text:
        if letter in _OPENING:
            depth += 1
            if depth == 1:
                remarks.append("")
                continue
        elif letter in _CLOSING:
            depth = max(depth - 1, 0)
            if depth == 0:
                continue
        if depth:
            remarks[-1] += letter
        else:
            outside += letter
    return outside, remarks[1:]


def _without_ordinal(text: str) -> Meaning | None:
    if len(text) > _MAX_NAME_LENGTH:
        return None
    rest = _ORDINAL.sub("", text, count=1)
    return _find(text) or (_find(rest) if rest != text else None)


def _find(text: str) -> Meaning | None:
    """The field on which all parts of a header agree: the whole, or its parts by script, mark or space."""
    if found := _agreed([text]) or _agreed(_by_script(text)):
        return found
    by_separator = (
        [piece for part in mark.split(text) for piece in _by_script(part)] for mark in _SEPARATORS
    )
    return next(filter(None, map(_agreed, by_separator)), None)


def _agreed(pieces: Iterable[str]) -> Meaning | None:
    names = [(name, is_guess) for name, is_guess in map(_compact, pieces) if name]
    found = [_look_up(name, is_guess=is_guess) for name, is_guess in names]
    known = [one for one in found if one]
    fields = {one.field for one in known}
    fields = fields - {"size"} or fields
    if len(known) < len(found) or len(fields) != 1:
        return None
    is_guess, is_numbered = all(one.is_guess for one in known), any(one.is_numbered for one in known)
    return Meaning(fields.pop(), is_guess, is_numbered)


def _by_script(text: str) -> tuple[str, str]:
    """Its Latin words and the rest; a number belongs to the token before it."""
    latin: list[str] = []
    other: list[str] = []
    last = ""
    for token in _TOKEN.findall(text):
        last = last if token.isdecimal() else token
        (latin if last[:1].isascii() else other).append(token)
    return " ".join(latin), " ".join(other)


def _look_up(name: str, *, is_guess: bool) -> Meaning | None:
    found = _MEANINGS.get(name)
    if found is None and _NEGATIVE_NAME.fullmatch(name):
        found = Meaning("negative_prompt", is_guess=True)
    if found is None and (numbered := _NUMBERED.fullmatch(name)):
        found = _MEANINGS.get(numbered[1])
        found = replace(found, is_numbered=True) if found and found.field == "references" else None
    return replace(found, is_guess=found.is_guess or is_guess) if found else None


def _compact(text: str) -> tuple[str, bool]:
    """Letters and digits without filler words; and whether a language name was removed."""
    tokens = [token for token in _TOKEN.findall(text) if token not in _FILLER_WORDS]
    words = [token for token in tokens if token not in _LANGUAGE_WORDS]
    name = _FILLER.sub("", "".join(words))
    short = _LANGUAGE.sub("", name)
    return short, len(words) < len(tokens) or short != name
