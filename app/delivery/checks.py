"""Checks a finished picture against the figures of its profile: what was seen, and what they ask for."""

import re
from collections.abc import Iterator
from typing import TypedDict

from app.delivery.profiles import Profile, Rule, finish_of
from app.errors import Message, message
from app.images.containers import sniff
from app.images.finishing import FRAMED, SEAM, Finished, layout
from app.images.ground import ALL_WHITE, SCENE, WHITE

PASS, FAIL, HINT, NOT_CHECKED = "pass", "fail", "hint", "not_checked"
RULES = {
    "pixels": "像素",
    "ratio": "比例",
    "bytes": "文件大小",
    "format": "格式",
    "quality": "JPEG 质量",
    "white_ground": "白底",
    "fill": "商品占比",
    "edge": "商品碰边",
    "smaller": "小于规格",
    "padded": "四周补边",
    "enlarged": "不放大",
    "name": "文件名",
}

_CODES = "MAIN|SWCH|PT[0-9]{2}|PS0[1-6]|TOPP|BOTT|LEFT|RGHT|FRNT|BACK|SIDE|PAIR|FACT|EEGL"
_AMAZON_NAME = re.compile(rf"[A-Za-z0-9]{{8,14}}(\.({_CODES}))?")
_EDGES = {"left": message("左"), "top": message("上"), "right": message("右"), "bottom": message("下")}


class Check(TypedDict):
    """``rule`` is one of RULES; ``smaller`` and ``padded`` are only there where the original is too small."""

    rule: str
    result: str
    seen: Message
    wanted: Message


def check(profile: Profile, name: str, finished: Finished | None, source: tuple[int, int]) -> list[Check]:
    """All checks of a finished picture; without one those known from the upright size of its original.

    ``name`` is the path of the file; rules that the profile does not have are left out.
    """
    checks = [*check_size(profile, source, finished), *check_name(profile, name)]
    return [*checks, *_of_file(profile, finished), *_of_ground(profile, finished)] if finished else checks


def check_size(
    profile: Profile, source: tuple[int, int], finished: Finished | None = None
) -> Iterator[Check]:
    """The checks of the size, those that are known before a picture of this upright size is made."""
    placed = layout(finish_of(profile), *source)
    size = (finished.width, finished.height) if finished else placed.frame
    scale = finished.scale if finished else placed.scale
    sides, widths = profile.bound("long_side"), profile.bound("width")
    target = (profile.width or size[0], profile.height or size[1])
    if profile.fit in ("pad", "crop"):
        fits = size == target or (sides.at_least is not None and max(size) < max(target))
        is_alike = abs(size[0] * target[1] - size[1] * target[0]) <= max(*size, *target)
        yield _check("ratio", is_alike, _size("{w}:{h}", size), _size("{w}:{h}", target))
        if fits and size != target:  # never silently
            yield _check("smaller", False, _size("{w}×{h}", size), _size("{w}×{h}", target))
        pairs = [*zip(placed.picture, placed.frame, strict=True)]
        if all(side < of - 1 for side, of in pairs) and profile.bound("fill") not in profile.rules:
            share = f"{max(side / of for side, of in pairs) * 100:.0f}"
            seen = message("四周补边，原图只占 {share} %", share=share)
            yield _check("padded", False, seen, message("不补边"))
    else:
        fits = size[0] <= target[0] and size[1] <= target[1]
    asked = {"inside": "{w}×{h} 以内", "original": "不限"}.get(profile.fit, "{w}×{h}")
    bounds = [("长边 {range}", sides), ("宽 {range}", widths)]
    more = [message(words, range=_range(rule)) for words, rule in bounds if rule in profile.rules]
    fits = fits and _within(max(size), sides) and _within(size[0], widths)
    yield _check("pixels", fits, _size("{w}×{h}", size), _all([_size(asked, target), *more]))
    larger = message("原图 {a}，要 {b}", a=_size("{w}×{h}", source), b=_size("{w}×{h}", size))
    yield _check("enlarged", scale <= 1, larger if scale > 1 else message("没有放大"), message("不放大"))


def check_name(profile: Profile, name: str) -> Iterator[Check]:
    """The check of the name in this path, if the profile has one."""
    stem = name.rpartition("/")[2].rpartition(".")[0]
    seen, most = message("{name}", name=stem), profile.bound("name").at_most
    if any(rule.rule == "amazon_name" for rule in profile.rules):
        fits, wanted = bool(_AMAZON_NAME.fullmatch(stem)), message("ASIN.MAIN 这样的名字")
        wrong = message("不是 ASIN.MAIN 这样的名字，不能有空格、横线和下划线")
        yield _check("name", fits, seen if fits else wrong, wanted)
    elif most:
        fits, wrong = len(stem) <= most, message("超过 {n} 个字，淘宝会截断", n=int(most))
        yield _check("name", fits, seen if fits else wrong, message("最多 {n} 个字", n=int(most)))


def _of_file(profile: Profile, finished: Finished) -> Iterator[Check]:
    known, size = profile.bound("bytes"), len(finished.content) / 1000
    most = min((kb for kb in (profile.max_kb, known.at_most) if kb), default=None)
    least = max((kb for kb in (profile.min_kb, known.at_least) if kb), default=None)
    rule = Rule(rule="bytes", at_least=least, at_most=most)
    seen, failing = message("{n} KB", n=f"{size:.0f}"), HINT if size < (least or 0) else FAIL
    yield _check("bytes", _within(size, rule), seen, _range(rule, " KB"), failing)
    real, asked = sniff(finished.content) or "?", profile.format.replace("original", finished.format)
    yield _check("format", real == asked, message(real.upper()), message(asked.upper()))
    quality = profile.bound("quality")
    if quality in profile.rules:
        is_good = None if finished.quality is None else _within(finished.quality, quality)
        seen = message("未压缩" if finished.quality is None else "{n}", n=finished.quality)
        yield _check("quality", is_good, seen, _range(quality))


def _of_ground(profile: Profile, finished: Finished) -> Iterator[Check]:
    measured, rules = finished.measured, {rule.rule for rule in profile.rules}
    unseen, fill = message("背景不是纯色，测不了"), profile.bound("fill")
    if "white_ground" in rules:
        colour = f"#{bytes(measured.colour).hex().upper()}"
        seen = message("{colour}，纯白占 {share}", colour=colour, share=f"{measured.white:.1%}")
        seen = message("背景不是纯色，不能当白底图") if measured.kind == SCENE else seen
        fits = measured.kind == WHITE and measured.white >= ALL_WHITE
        yield _check("white_ground", fits, seen, message("#FFFFFF"))
    share, area = measured.fill, measured.fill_area
    if fill in profile.rules:
        is_good = None if share is None else _within(share, fill)
        seen = unseen if share is None else message("{a}（面积 {b}）", a=f"{share:.0%}", b=f"{area:.0%}")
        seen = message("商品占满了画面") if share == 1 else seen
        bounds = [f"{100 * bound:.0f}" for bound in (fill.at_least or 0, fill.at_most or 1)]
        yield _check("fill", is_good, seen, message("{a}–{b} %（最长边）", a=bounds[0], b=bounds[1]))
    if "edge" in rules:
        touched = [_EDGES[edge] for edge in measured.edges]
        is_whole = None if share is None else not touched
        seen = unseen if share is None else _all(touched) if touched else message("没有碰边")
        yield _check("edge", is_whole, seen, message("主体不碰边"))
    for change in finished.changes:
        if change.id in (FRAMED, SEAM):
            yield _check("padded", False, change, message("不补边"), HINT)


def _check(rule: str, fits: bool | None, seen: Message, wanted: Message, failing: str = FAIL) -> Check:
    result = NOT_CHECKED if fits is None else PASS if fits else failing
    return Check(rule=rule, result=result, seen=seen, wanted=wanted)


def _within(value: float, rule: Rule) -> bool:
    return (rule.at_least or 0) <= value and (rule.at_most is None or value <= rule.at_most)


def _range(rule: Rule, unit: str = "") -> Message:
    least, most = ("" if bound is None else f"{bound:.0f}{unit}" for bound in (rule.at_least, rule.at_most))
    if least and most:
        return message("{a} 到 {b}", a=least, b=most)
    return message("至少 {a}", a=least) if least else message("最多 {b}", b=most) if most else message("不限")


def _size(words: str, size: tuple[int, int]) -> Message:
    return message(words, w=size[0], h=size[1])


def _all(words: list[Message]) -> Message:
    return message("{all}", all=tuple(words))
