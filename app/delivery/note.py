"""The note for the reader of a delivery: one page of text."""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import date

from app.delivery.plan import File
from app.delivery.profiles import Profile
from app.errors import Message, Translate, message
from app.images.finishing import FRAMED, NOT_FILLED, NOT_LIFTED, SEAM

_MOST = 100  # lines of a kind
_FOR_THE_STUDIO = (FRAMED, NOT_FILLED, NOT_LIFTED, SEAM)  # which sees what fails in the dialog


def note_of(title: str, profile: Profile, files: Sequence[File], translate: Translate) -> str:
    """The note: what was delivered, what was changed, and the marks of AI.

    It names no prompt, price, model or path of this computer, and nothing that the studio is to do.
    """
    good = [file for file in files if file.bytes is not None]
    size = sum(file.bytes or 0 for file in good)
    source = message("自己的规格")
    if profile.source:
        source = message("{source}，{day}", source=message(profile.source), day=profile.checked_on)
    shown = f"{size / 1e6:.1f} MB" if size >= 1e6 else f"{size / 1e3:.0f} KB"
    lines = [
        message("日期：{day}", day=f"{date.today():%Y-%m-%d}"),
        *([message("表格：{name}", name=title)] if title else ()),
        message("规格：{name}（{source}）", name=message(profile.name), source=source),
        message("文件：{n} 个，共 {size}", n=len(good), size=shown),
        message("尺寸按我们知道的要求做，平台会改，是否通过以平台为准。"),
    ]
    changes = (each for file in good for each in file.changes if each.id not in _FOR_THE_STUDIO)
    blocks = [
        ("改动", _counted(changes)),
        ("AI 标识", _ai_lines(good)),
    ]
    text = [translate(message("交付说明")), "", *map(translate, lines)]
    for heading, found in blocks:
        if found:
            text += ["", translate(message(heading)), *(f"- {translate(line)}" for line in found[:_MOST])]
        if len(found) > _MOST:
            text.append(f"- {translate(message('另外还有 {n} 条', n=len(found) - _MOST))}")
    return "\r\n".join([*(" ".join(line.split()) for line in text), ""])


def _counted(said: Iterable[Message]) -> list[Message]:
    """Equal sentences once, with how many files they are true of, the most frequent first."""
    sentences, counts = dict[str, Message](), Counter[str]()
    for each in said:
        sentences[str(each)] = each
        counts[str(each)] += 1
    return [
        message("{what}（{n} 个文件）", what=sentences[text], n=number)
        for text, number in counts.most_common()
    ]


def _ai_lines(good: Sequence[File]) -> list[Message]:
    counts = {
        "隐式标识从原图带过来的：{n} 张。": sum(file.has_mark for file in good),
        "原图没有隐式标识的：{n} 张。": sum(not file.has_mark for file in good),
        "原图带 Content Credentials，这份没有：{n} 张。": sum(file.c2pa == "left" for file in good),
        "Content Credentials 原样保留的：{n} 张。": sum(file.c2pa == "kept" for file in good),
    }
    return [
        message("{n} 张全部由 AI 生成。", n=len(good)),
        *(message(text, n=number) for text, number in counts.items() if number),
        message(
            "在国内平台发布，请声明图片由 AI 生成；在国外平台，请先看它是否收 AI 图片，例如 Etsy 要实物照片。"
        ),
    ]
