"""Profiles: which picture a platform or a client takes. The built-in ones are figures with source and day."""

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from app.errors import InvalidRequest, Message, message
from app.images.finishing import BEST_QUALITY, FLOOR_QUALITY, POSITIONS, Finish, Overlay

FITS = ("pad", "crop", "inside", "original")
FORMATS = ("jpeg", "png", "webp", "original")
# Bounds in pixels (long_side, width), kB, JPEG quality, share of the frame (fill), characters of the name.
_WITH_BOUNDS = ("long_side", "width", "bytes", "quality", "fill", "name")
RULES = (*_WITH_BOUNDS, "white_ground", "edge", "ascii_name", "amazon_name")

MAX_SIDE = 10_000
MAX_KB = 100_000
_MAX_OVERLAY = 200_000  # bytes
_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")
_PNG_URL = "data:image/png;base64,"
_BYTES_A_PIXEL = {"png": 0.25, "jpeg": 0.02, "webp": 0.01}  # less is hopeless even for goods on white


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A bound; H is official with a second source, M official, L from a third party, U contradictory."""

    rule: str
    at_least: float | None = None
    at_most: float | None = None
    confidence: str = ""

    @property
    def has_bounds(self) -> bool:
        """Whether there is one."""
        return self.at_least is not None or self.at_most is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """The fields of the API; sizes in pixels and kB (1,000 bytes), 0: no bound. ``checked_on`` is a day."""

    name: str
    width: int = 0
    height: int = 0
    fit: str = "pad"
    background: str = "auto"
    format: str = "jpeg"
    max_kb: int = 0
    min_kb: int = 0
    file_name: str = "{文件名}"
    folder: str = ""
    rules: tuple[Rule, ...] = ()
    workbook: bool = True
    parameters: bool = False
    note: bool = True
    overlay: Mapping[str, Any] | None = None
    built_in: bool = False
    source: str = ""
    checked_on: str = ""

    def fields(self) -> dict[str, Any]:
        """As the API answers and the database stores it."""
        return asdict(self)

    def with_switches(self, given: Mapping[str, Any]) -> "Profile":
        """The profile with ``note`` and ``workbook`` as a delivery asks for them. Raises InvalidRequest."""
        for field in ("note", "workbook"):
            _check_kind(field, given.get(field, True))
        note, workbook = given.get("note", self.note), given.get("workbook", self.workbook)
        return replace(self, note=note, workbook=workbook)

    def bound(self, rule: str) -> Rule:
        """The rule of that name; without bounds if the profile has none."""
        return next((found for found in self.rules if found.rule == rule), Rule(rule=rule))


def finish_of(profile: Profile) -> Finish:
    """What the engine is asked for."""
    laid_on = profile.overlay
    overlay = Overlay(**{**laid_on, "image": _png(laid_on["image"])}) if laid_on else None
    return Finish(
        width=profile.width,
        height=profile.height,
        fit=profile.fit,
        background=profile.background,
        format=profile.format,
        max_bytes=profile.max_kb * 1000,
        min_bytes=profile.min_kb * 1000,
        least_side=int(profile.bound("long_side").at_least or 0),
        least_quality=min(int(profile.bound("quality").at_least or FLOOR_QUALITY), BEST_QUALITY),
        parameters=profile.parameters,
        overlay=overlay,
    )


def read_profile(name: str, given: Mapping[str, Any]) -> Profile:
    """The profile in untrusted fields, or defaults where they are missing. Raises InvalidRequest."""
    name = name.strip()
    if not name or len(name) > 40:
        raise InvalidRequest("name", "请给规格起一个名字，最多 40 个字")
    known = {field.name for field in fields(Profile)} - {"name", "built_in", "rules", "overlay"}
    values: dict[str, Any] = {field: given[field] for field in known if given.get(field) is not None}
    for field, value in values.items():
        _check_kind(field, value)
    values |= {"rules": _rules(given.get("rules")), "overlay": _overlay(given.get("overlay"))}
    profile = Profile(name=name, **values)
    _check(profile)
    return profile


def warnings_of(profile: Profile) -> list[Message]:
    """What a platform may refuse although the profile can be met."""
    most = profile.bound("bytes").at_most
    if most and profile.max_kb > most:
        return [message("上限 {kb} KB 超过平台收的 {most} KB", kb=profile.max_kb, most=int(most))]
    return []


def _check_kind(field: str, value: Any) -> None:
    """Whether a value is of the type of its field, and within bounds that hold for all profiles."""
    if field in ("workbook", "parameters", "note"):
        if not isinstance(value, bool):
            raise InvalidRequest(field, "请填 true 或 false")
    elif field in ("width", "height", "max_kb", "min_kb"):
        most = MAX_SIDE if field in ("width", "height") else MAX_KB
        if not _is_number(value, most) or not isinstance(value, int):
            raise InvalidRequest(field, "请填 0 到 {most} 的整数", most=most)
    elif not isinstance(value, str) or len(value) > 200:
        raise InvalidRequest(field, "请填文字，最多 200 个字")


def _check(profile: Profile) -> None:
    """What cannot be, told at the field that makes it so."""
    for field, choices in (("fit", FITS), ("format", FORMATS)):
        if getattr(profile, field) not in choices:
            raise InvalidRequest(field, "请填 {choices} 之一", choices=choices)
    if profile.background not in ("", "auto") and not _COLOUR.fullmatch(profile.background):
        raise InvalidRequest("background", "请填 #rrggbb 形式的颜色、auto 或留空（透明）")
    if profile.background == "" and profile.format == "jpeg":
        raise InvalidRequest("background", "JPEG 没有透明，请选底色，或把格式改成 PNG 或 WebP")
    if profile.fit in ("pad", "crop") and not (profile.width and profile.height):
        raise InvalidRequest("width" if not profile.width else "height", "请填宽和高")
    if profile.fit == "inside" and not (profile.width or profile.height):
        raise InvalidRequest("width", "请填宽或高，至少一个")
    if profile.fit == "original" and (profile.width or profile.height):
        raise InvalidRequest("fit", "原尺寸的规格不填宽和高")
    if profile.fit == profile.format == "original":
        for field in ("max_kb", "min_kb", "overlay"):
            if getattr(profile, field):
                raise InvalidRequest(field, "原图不重新压缩，不能限制大小，也不能叠加图片；请选一种格式")
    if not profile.file_name.strip():
        raise InvalidRequest("file_name", "请填文件名，例如 {example}", example="{文件名}")
    if profile.max_kb and profile.min_kb > profile.max_kb:
        raise InvalidRequest(
            "min_kb", "最小 {least} KB 超过了最大 {most} KB", least=profile.min_kb, most=profile.max_kb
        )
    needed = profile.width * profile.height * _BYTES_A_PIXEL.get(profile.format, 0) / 1000
    if profile.max_kb and profile.max_kb < needed and profile.fit != "inside":
        raise InvalidRequest(
            "max_kb",
            "{width}×{height} 的 {format} 放不进 {kb} KB，请放宽上限、改小尺寸或换一种格式",
            width=profile.width,
            height=profile.height,
            format=profile.format.upper(),
            kb=profile.max_kb,
        )


def _rules(given: Any) -> tuple[Rule, ...]:
    if given is None:
        return ()
    if not isinstance(given, (list, tuple)) or len(given) > len(RULES):
        raise InvalidRequest("rules", "请填规则的列表")
    return tuple(map(_rule, given))


def _rule(given: Any) -> Rule:
    if not isinstance(given, Mapping) or given.get("rule") not in RULES:
        raise InvalidRequest("rules", "只有这些规则：{rules}", rules=RULES)
    bounds = {name: given.get(name) for name in ("at_least", "at_most")}
    if not all(value is None or _is_number(value, MAX_KB) for value in bounds.values()):
        raise InvalidRequest("rules", "规则的上下限请填数字")
    confidence = given.get("confidence", "")
    return Rule(rule=given["rule"], confidence=confidence if confidence in (*"HMLU",) else "", **bounds)


def _overlay(given: Any) -> Mapping[str, Any] | None:
    if given is None:
        return None
    if not isinstance(given, Mapping) or not _png(given.get("image")):
        raise InvalidRequest("overlay", "请选一个 PNG，最大 200 KB")
    read = {"position": "bottom-right", "size": 0.2, "opacity": 1.0, **given}
    numbers = (read["size"], read["opacity"])
    if read["position"] not in tuple(POSITIONS) or not all(_is_number(n, 1) and n for n in numbers):
        raise InvalidRequest("overlay", "位置、大小或不透明度不对，大小和不透明度请填 0 到 1")
    return {name: read[name] for name in ("image", "position", "size", "opacity")}


def _is_number(value: Any, most: float) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= most


def _png(url: Any) -> bytes:
    """The bytes of a data URL; empty if it is no PNG within the bound."""
    if not isinstance(url, str) or not url.startswith(_PNG_URL) or len(url) > _MAX_OVERLAY * 4 // 3 + 100:
        return b""
    try:
        content = base64.b64decode(url.removeprefix(_PNG_URL), validate=True)
    except binascii.Error:
        return b""
    return content if content.startswith(b"\x89PNG") else b""


_DOUYIN = "抖店接口说明；大小有 1、3、5 MB 三种说法，取最严的"
_CHECKED_ON = "2026-11-29"

# name, width, height, rules, source, other fields; the values that satisfy every figure found.
_PLATFORMS: tuple[tuple[str, int, int, str, str, Mapping[str, Any]], ...] = (
    ("淘宝/天猫 主图", 1440, 1440, "long_side 800- H, bytes -500 U, name -50 M",
     "淘宝开放平台接口说明，天猫商品页；大小有 500 KB 和 3 MB 两种说法，取最严的",
     {"max_kb": 500, "folder": "主图"}),
    ("淘宝/天猫 白底图", 800, 800, "bytes 38-300 L, white_ground H, fill 0.7-0.8 U, edge M, name -50 M",
     "商家后台的旧表单；主体占比有 60–80 % 三种说法，取都满足的",
     {"background": "#ffffff", "max_kb": 300, "min_kb": 40, "folder": "白底图"}),
    ("京东 主图", 800, 800, "bytes -500 U",
     "第三方页面，规则中心要登录；大小有 500 KB 和 1 MB 两种说法，取最严的",
     {"max_kb": 500, "folder": "主图"}),
    ("拼多多 主图", 800, 800, "long_side 480- H, bytes -1000 H",
     "拼多多开放平台接口说明", {"max_kb": 1000, "folder": "主图"}),
    ("抖音 主图 1:1", 1200, 1200, "long_side 600- H, bytes -1000 U",
     _DOUYIN, {"max_kb": 1000, "folder": "主图"}),
    ("抖音 主图 3:4", 1200, 1600, "long_side 1000- H, bytes -1000 U",
     _DOUYIN, {"max_kb": 1000, "folder": "3比4"}),
    ("小红书 笔记 3:4", 1080, 1440, "bytes -10000 L", "第三方页面", {"max_kb": 10_000, "folder": "3比4"}),
    ("详情页", 790, 1500, "width 480-1200 M, bytes -500 U",
     "淘宝、京东、拼多多：宽有 750 和 790 两种说法，高 1500 或 2000，大小 500 KB 到 3 MB，取最严的",
     {"fit": "inside", "max_kb": 500, "folder": "详情"}),
    ("Amazon MAIN", 2000, 2000,
     "long_side 1000-10000 H, bytes -10000 L, white_ground H, fill 0.85- H, edge H, amazon_name H",
     "Amazon Seller Central：G1881、G9FUUH87RBNXGKB7",
     {"background": "#ffffff", "max_kb": 10_000, "file_name": "{ASIN}.MAIN"}),
    ("eBay", 1600, 1600, "long_side 500- H, quality 90- H, bytes -12000 L",
     "eBay 图片政策 4370、Media API", {"fit": "inside", "max_kb": 12_000}),
    ("原图", 0, 0, "", "像素不变，只去掉提示词等信息", {"fit": "original", "format": "original"}),
)  # fmt: skip


def _bounds(text: str) -> tuple[Rule, ...]:
    """The rules in a text as ``long_side 800- H, bytes -500 U``."""
    rules = []
    for name, *bounds, confidence in (words.split() for words in text.split(", ") if words):
        least, _, most = (bounds or ["-"])[0].partition("-")
        at_least, at_most = (float(bound) if bound else None for bound in (least, most))
        rules.append(Rule(rule=name, at_least=at_least, at_most=at_most, confidence=confidence))
    return tuple(rules)


BUILT_IN: Mapping[str, Profile] = {
    name: Profile(
        name=name,
        width=width,
        height=height,
        rules=_bounds(rules),
        source=source,
        built_in=True,
        checked_on=_CHECKED_ON,
        **others,
    )
    for name, width, height, rules, source, others in _PLATFORMS
}
