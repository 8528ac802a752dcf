"""Checks a finished picture against the figures of its profile: what was seen, and what they ask for."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from app.delivery.profiles import Profile, Rule, finish_of
from app.errors import Message, message
from app.images.containers import sniff
from app.images.finishing import Finished, layout
from app.images.ground import PLAIN, WHITE

PASS, FAIL, NOT_CHECKED = "pass", "fail", "not_checked"

_ALL_WHITE = 0.995  # share of the ground that is exact 255 white
_CODES = "MAIN|SWCH|PT[0-9]{2}|PS0[1-6]|TOPP|BOTT|LEFT|RGHT|FRNT|BACK|SIDE|PAIR|FACT|EEGL"
_AMAZON = re.compile(rf"[A-Za-z0-9]{{8,14}}(\.({_CODES}))?")
_ASCII = re.compile(r"[A-Za-z0-9._-]+")
_EDGES = {"left": message("左"), "top": message("上"), "right": message("右"), "bottom": message("下")}


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """``rule`` is pixels, ratio, enlarged, name, bytes, format, quality, white_ground, fill or edge."""

    rule: str
    result: str
    seen: Message
    wanted: Message


def check(profile: Profile, name: str, finished: Finished | None, source: tuple[int, int]) -> list[Check]:
    """All checks of a finished picture; without one those known from the upright size of its original.

    ``name`` is the path of the file; rules that the profile does not have are left out.
    """
    placed = layout(finish_of(profile), *source)
    size, scale = (
        ((finished.width, finished.height), finished.scale) if finished else (placed.frame, placed.scale)
    )
    checks = [*_of_size(profile, size, scale, source), *_of_name(profile, name)]
    return [*checks, *_of_file(profile, finished), *_of_ground(profile, finished)] if finished else checks


def verdict(profile: Profile, checks: Sequence[Check]) -> Message:
    """One sentence for a picture: it fits the figures known, or how many it does not."""
    failed = sum(check.result == FAIL for check in checks)
    if failed:
        return message("{n} 项和我们知道的不一样（{source}，{day}）", n=failed, **_known(profile))
    return message("符合我们知道的尺寸（{source}，{day}）", **_known(profile))


def _known(profile: Profile) -> dict[str, object]:
    return {"source": message(profile.source or "自己的规格"), "day": profile.checked_on or "—"}


def _of_size(
    profile: Profile, size: tuple[int, int], scale: float, source: tuple[int, int]
) -> Iterator[Check]:
    sides, widths = profile.bound("long_side"), profile.bound("width")
    fits = _within(max(size), sides) and _within(size[0], widths)
    target = (profile.width or size[0], profile.height or size[1])
    if profile.fit in ("pad", "crop"):
        fits = fits and (size == target or (sides.at_least is not None and max(size) < max(target)))
        wrong = abs(size[0] * target[1] - size[1] * target[0]) > max(*size, *target)
        seen, wanted = _size("{w}:{h}", size), _size("{w}:{h}", target)
        yield Check(rule="ratio", result=FAIL if wrong else PASS, seen=seen, wanted=wanted)
    else:
        fits = fits and size[0] <= target[0] and size[1] <= target[1]
    asked = {"pad": "{w}×{h}", "crop": "{w}×{h}", "inside": "{w}×{h} 以内"}.get(profile.fit, "不限")
    bounds = [("长边 {range}", sides), ("宽 {range}", widths)]
    more = [message(words, range=_range(rule)) for words, rule in bounds if _is_bound(rule)]
    wanted = message("{all}", all=(_size(asked, target), *more))
    yield Check(rule="pixels", result=PASS if fits else FAIL, seen=_size("{w}×{h}", size), wanted=wanted)
    if scale > 1:
        seen = message("原图 {a}，要 {b}", a=_size("{w}×{h}", source), b=_size("{w}×{h}", size))
        yield Check(rule="enlarged", result=FAIL, seen=seen, wanted=message("不放大"))
    else:
        yield Check(rule="enlarged", result=PASS, seen=message("没有放大"), wanted=message("不放大"))


def _of_name(profile: Profile, name: str) -> Iterator[Check]:
    stem = name.rpartition("/")[2].rpartition(".")[0]
    signs = (
        ("amazon_name", _AMAZON, "ASIN.MAIN 这样的名字，不含空格、横线和下划线"),
        ("ascii_name", _ASCII, "只用英文字母、数字和 . _ -"),
    )
    rules = {rule.rule for rule in profile.rules}
    patterns = [(pattern, message(wanted)) for rule, pattern, wanted in signs if rule in rules]
    most = profile.bound("name").at_most
    wanted = [words for _, words in patterns] + ([message("最多 {n} 个字", n=int(most))] if most else [])
    if wanted:
        fits = all(pattern.fullmatch(stem) for pattern, _ in patterns) and len(stem) <= (most or len(stem))
        result = PASS if fits else FAIL
        yield Check(rule="name", result=result, seen=message("{name}", name=stem), wanted=_all(wanted))


def _of_file(profile: Profile, finished: Finished) -> Iterator[Check]:
    known, size = profile.bound("bytes"), len(finished.content) / 1000
    most = min((kb for kb in (profile.max_kb, known.at_most) if kb), default=None)
    least = max((kb for kb in (profile.min_kb, known.at_least) if kb), default=None)
    rule = Rule(rule="bytes", at_least=least, at_most=most)
    yield _bounded(rule, size, message("{n} KB", n=f"{size:.0f}"), "KB")
    real = sniff(finished.content)
    is_right = real == finished.format and profile.format in (real, "original")
    seen, asked = message((real or "?").upper()), profile.format.replace("original", finished.format)
    yield Check(rule="format", result=PASS if is_right else FAIL, seen=seen, wanted=message(asked.upper()))
    quality = profile.bound("quality")
    if _is_bound(quality):
        seen = message("未压缩" if finished.quality is None else "{n}", n=finished.quality)
        yield _bounded(quality, finished.quality, seen)


def _of_ground(profile: Profile, finished: Finished) -> Iterator[Check]:
    measured, rules = finished.measured, {rule.rule for rule in profile.rules}
    is_plain = measured.kind in (WHITE, PLAIN)
    unseen = message("背景不是纯色，测不了")
    if "white_ground" in rules:
        is_white = measured.kind == WHITE and measured.white >= _ALL_WHITE
        colour = f"#{bytes(measured.colour).hex().upper()}"
        seen = message("{colour}，纯白占 {share}", colour=colour, share=f"{measured.white:.1%}")
        result = PASS if is_white else FAIL
        yield Check(rule="white_ground", result=result, seen=seen, wanted=message("#FFFFFF"))
    if _is_bound(profile.bound("fill")):
        share, area = measured.fill, measured.fill_area
        seen = unseen if share is None else message("{a}（面积 {b}）", a=f"{share:.0%}", b=f"{area:.0%}")
        yield _bounded(profile.bound("fill"), share, seen, "%")
    if "edge" in rules:
        touched = [_EDGES[edge] for edge in measured.edges]
        seen = unseen if not is_plain else _all(touched) if touched else message("没有碰边")
        result = NOT_CHECKED if not is_plain else FAIL if touched else PASS
        yield Check(rule="edge", result=result, seen=seen, wanted=message("主体不碰边"))


def _bounded(rule: Rule, value: float | None, seen: Message, unit: str = "") -> Check:
    result = NOT_CHECKED if value is None else PASS if _within(value, rule) else FAIL
    return Check(rule=rule.rule, result=result, seen=seen, wanted=_range(rule, unit))


def _within(value: float, rule: Rule) -> bool:
    return (rule.at_least or 0) <= value and (rule.at_most is None or value <= rule.at_most)


def _is_bound(rule: Rule) -> bool:
    return rule.at_least is not None or rule.at_most is not None


def _range(rule: Rule, unit: str = "") -> Message:
    factor = 100 if unit == "%" else 1
    least, most = (
        "" if bound is None else f"{bound * factor:.0f}{unit and ' '}{unit}"
        for bound in (rule.at_least, rule.at_most)
    )
    if least and most:
        return message("{a} 到 {b}", a=least, b=most)
    return message("至少 {a}", a=least) if least else message("最多 {b}", b=most) if most else message("不限")


def _size(words: str, size: tuple[int, int]) -> Message:
    return message(words, w=size[0], h=size[1])


def _all(words: Sequence[Message]) -> Message:
    return message("{all}", all=tuple(words))
