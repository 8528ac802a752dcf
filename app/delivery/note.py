"""What is known of a finished file, and the note that goes with a delivery: one page of text."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from app.delivery.checks import FAIL, Check
from app.delivery.profiles import Profile
from app.delivery.store import Delivery
from app.errors import Message, Translate, message

_MOST = 100  # lines of a kind
_RULES = {
    "pixels": "像素",
    "ratio": "比例",
    "bytes": "文件大小",
    "format": "格式",
    "quality": "JPEG 质量",
    "white_ground": "白底",
    "fill": "商品占比",
    "edge": "碰边",
    "smaller": "原图较小，没有放大",
    "enlarged": "放大",
    "name": "文件名",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A finished file, or with ``error`` why it could not be made.

    ``has_mark``: the implicit AI mark was carried over; ``c2pa`` is ``kept``, ``left`` or empty.
    """

    bytes: int = 0
    width: int = 0
    height: int = 0
    sha256: str = ""
    checks: Sequence[Check] = ()
    changes: Sequence[Message] = ()
    has_mark: bool = False
    c2pa: str = ""
    error: Message | None = None

    def to_json(self, number: int) -> str:
        """A line of the journal."""
        fields = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return json.dumps([number, fields], default=_stored, ensure_ascii=False)

    @classmethod
    def from_json(cls, line: str) -> tuple[int, "Made"]:
        """The (place, file) that ``to_json`` has written. Raises ValueError, KeyError and TypeError."""
        number, fields = json.loads(line)
        checks = [Check(**{name: _read(value) for name, value in one.items()}) for one in fields["checks"]]
        changes = [*map(_read, fields["changes"])]
        error = fields["error"] and _read(fields["error"])
        return number, cls(**{**fields, "checks": checks, "changes": changes, "error": error})


def _stored(value: Any) -> Any:
    if isinstance(value, Message):
        return {"message": value.to_json()}
    return {name: getattr(value, name) for name in value.__dataclass_fields__}


def _read(value: Any) -> Any:
    return Message.from_json(value["message"]) if isinstance(value, dict) else value


def note_of(delivery: Delivery, profile: Profile, made: Mapping[int, Made], translate: Translate) -> str:
    """The note: what was delivered, what was not and why, what was changed, and the marks of AI.

    It names no prompt, price, model or path of this computer.
    """
    good = [one for one in made.values() if not one.error]
    size = sum(one.bytes for one in good)
    source = message("自己的规格")
    if profile.source:
        source = message("{source}，{day}", source=message(profile.source), day=profile.checked_on)
    lines = [
        message("日期：{day}", day=f"{date.today():%Y-%m-%d}"),
        *([message("表格：{name}", name=delivery.title)] if delivery.title else ()),
        message("规格：{name}（{source}）", name=message(profile.name), source=source),
        message(
            "文件：{n} 个，共 {size}",
            n=len(good),
            size=f"{size / 1e6:.1f} MB" if size >= 1e6 else f"{size / 1e3:.0f} KB",
        ),
        message("尺寸按我们知道的要求做，平台会改，是否通过以平台为准。"),
    ]
    blocks = [
        ("没有交付的", [*_undelivered(delivery, made)]),
        ("和规格不一样的", _counted(_failed(check) for one in good for check in one.checks)),
        ("改动", _counted(change for one in good for change in one.changes)),
        ("AI 标识", _ai_lines(good)),
    ]
    text = [translate(message("交付说明")), "", *map(translate, lines)]
    for heading, found in blocks:
        if found:
            text += ["", translate(message(heading)), *(f"- {translate(line)}" for line in found[:_MOST])]
        if len(found) > _MOST:
            text.append(f"- {translate(message('另外还有 {n} 条', n=len(found) - _MOST))}")
    return "\r\n".join([*(" ".join(line.split()) for line in text), ""])


def _undelivered(delivery: Delivery, made: Mapping[int, Made]) -> Iterator[Message]:
    for problem in delivery.problems:
        yield message("第 {row} 行：{why}", row=problem.row, why=problem.error)
    for number, file in enumerate(delivery.files):
        if error := made[number].error:
            yield message("第 {row} 行，{path}：{why}", row=file.row, path=file.path, why=error)


def _failed(check: Check) -> Message | None:
    if check.result != FAIL:
        return None
    rule = message(_RULES.get(check.rule, check.rule))
    return message("{rule}：{seen}，要的是{wanted}", rule=rule, seen=check.seen, wanted=check.wanted)


def _counted(found: Iterable[Message | None]) -> list[Message]:
    """Equal sentences once, with how many files they are true of, the most frequent first."""
    said = [*filter(None, found)]
    sentences = {str(each): each for each in said}
    counts = Counter(map(str, said)).most_common()
    return [message("{what}（{n} 个文件）", what=sentences[text], n=number) for text, number in counts]


def _ai_lines(good: Sequence[Made]) -> list[Message]:
    counts = {
        "隐式标识从原图带过来的：{n} 张。": sum(one.has_mark for one in good),
        "原图没有隐式标识的：{n} 张。": sum(not one.has_mark for one in good),
        "原图带 Content Credentials，这份没有：{n} 张。": sum(one.c2pa == "left" for one in good),
        "Content Credentials 原样保留的：{n} 张。": sum(one.c2pa == "kept" for one in good),
    }
    return [
        message("{n} 张全部由 AI 生成。", n=len(good)),
        *(message(text, n=number) for text, number in counts.items() if number),
        message(
            "在国内平台发布，请声明图片由 AI 生成；在国外平台，请先看它是否收 AI 图片，例如 Etsy 要实物照片。"
        ),
    ]
