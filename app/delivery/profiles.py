"""Profiles: which picture a platform or a client takes. The built-in ones are figures with source and day."""

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from app.errors import InvalidRequest
from app.images.finishing import BEST_QUALITY, FLOOR_QUALITY, POSITIONS, Finish, Overlay

FITS = ("pad", "crop", "inside", "original")
FORMATS = ("jpeg", "png", "webp", "original")
# Bounds in pixels (long_side, width), kB, JPEG quality, share of the frame (fill), characters of the name.
_WITH_BOUNDS = ("long_side", "width", "bytes", "quality", "fill", "name")
RULES = (*_WITH_BOUNDS, "white_ground", "edge", "amazon_name")

MAX_NAME, MAX_TEXT = 40, 200  # characters
MAX_SIDE, MAX_KB, _MAX_PIXELS = 10_000, 100_000, 40_000_000
_PREVIEW_SIDE = 2_000
_MAX_OVERLAY = 200_000  # bytes
_COLOUR = re.compile(r"#[0-9a-fA-F]{6}")
_PNG_URL = "data:image/png;base64,"
_BYTES_A_PIXEL = {"png": 0.25, "jpeg": 0.02, "webp": 0.01}  # less is hopeless even for goods on white


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A figure of a platform, with bounds if the rule has some."""

    rule: str
    at_least: float | None = None
    at_most: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """The fields of the API; sizes in pixels and kB (1,000 bytes), 0: no bound. ``checked_on`` is a day."""

    name: str
    width: int = 0
    height: int = 0
    fit: str = "pad"
    focus: str = "center"  # what a crop keeps
    background: str = "auto"
    format: str = "jpeg"
    max_kb: int = 0
    min_kb: int = 0
    file_name: str = "{文件名}"
    folder: str = ""
    rules: tuple[Rule, ...] = ()
    workbook: bool = True
    columns: tuple[str, ...] = ()  # own ones, that the workbook has besides those of the names
    counters: bool = False  # in the names of files that are otherwise named alike
    parameters: bool = False
    note: bool = True
    overlay: Mapping[str, Any] | None = None
    built_in: bool = False
    source: str = ""
    checked_on: str = ""

    def bound(self, rule: str) -> Rule:
        """The rule of that name; without bounds if the profile has none."""
        return next((found for found in self.rules if found.rule == rule), Rule(rule=rule))


def finish_of(profile: Profile) -> Finish:
    """What the engine is asked for. Raises InvalidRequest for too many pixels."""
    _check_pixels(profile)
    laid_on, fill = profile.overlay, profile.bound("fill")
    return Finish(
        width=profile.width,
        height=profile.height,
        fit=profile.fit,
        focus=POSITIONS[profile.focus],
        background=profile.background,
        format=profile.format,
        max_bytes=profile.max_kb * 1000,
        min_bytes=profile.min_kb * 1000,
        least_side=int(profile.bound("long_side").at_least or 0),
        least_quality=min(int(profile.bound("quality").at_least or FLOOR_QUALITY), BEST_QUALITY),
        white=any(rule.rule == "white_ground" for rule in profile.rules),
        fill=(fill.at_least or 0.0, fill.at_most or 1.0) if fill in profile.rules else None,
        parameters=profile.parameters,
        overlay=Overlay(**{**laid_on, "image": _png(laid_on["image"])}) if laid_on else None,
    )


def preview_of(profile: Profile) -> Profile:
    """The profile with sides of a preview, 2,000 pixels at most."""
    if profile.fit in ("pad", "crop"):
        scale = min(_PREVIEW_SIDE / max(profile.width, profile.height, 1), 1)
        return replace(profile, width=round(profile.width * scale), height=round(profile.height * scale))
    sides = [min(side or _PREVIEW_SIDE, _PREVIEW_SIDE) for side in (profile.width, profile.height)]
    return replace(profile, fit="inside", width=sides[0], height=sides[1])


def read_profile(name: str, given: Mapping[str, Any]) -> Profile:
    """The profile in fields of the API's schema, with defaults for missing ones. Raises InvalidRequest."""
    name = name.strip()
    if not 1 <= len(name) <= MAX_NAME:
        raise InvalidRequest("name", "请给规格起一个名字，最多 {limit} 个字", limit=MAX_NAME)
    values = dict(given) | {"name": name, "built_in": False, "overlay": _overlay(given.get("overlay"))}
    values["rules"] = tuple(Rule(**rule) for rule in given.get("rules", ()))
    values["columns"] = tuple(given.get("columns", ()))
    profile = Profile(**values)
    _check(profile)
    return profile


def stored_profile(stored: Mapping[str, Any]) -> Profile:
    """A profile as it was stored, valid by the rules of then."""
    rules = tuple(
        Rule(**{name: rule[name] for name in ("rule", "at_least", "at_most")}) for rule in stored["rules"]
    )
    return Profile(**{**stored, "rules": rules, "columns": tuple(stored.get("columns", ()))})


def _check(profile: Profile) -> None:
    """Refuse values and combinations that cannot be met; the error names the field to change."""
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
    _check_pixels(profile)
    if not profile.file_name.strip():
        raise InvalidRequest("file_name", "请填文件名，例如 {example}", example="{文件名}")
    _check_bytes(profile)


def _check_pixels(profile: Profile) -> None:
    if profile.width * profile.height > _MAX_PIXELS:
        raise InvalidRequest("width", "宽乘高最多 {most} 像素，请改小宽或高", most=f"{_MAX_PIXELS:,}")


def _check_bytes(profile: Profile) -> None:
    most, taken = profile.max_kb, profile.bound("bytes").at_most
    if most and profile.min_kb > most:
        raise InvalidRequest(
            "min_kb", "最小 {least} KB 超过了最大 {most} KB", least=profile.min_kb, most=most
        )
    if taken and most > taken:
        raise InvalidRequest("max_kb", "上限 {kb} KB 超过平台收的 {most} KB", kb=most, most=int(taken))
    size = {"width": profile.width, "height": profile.height, "format": profile.format.upper()}
    needed = profile.width * profile.height * _BYTES_A_PIXEL.get(profile.format, 0) / 1000
    if most and most < needed and profile.fit != "inside":
        words = "{width}×{height} 的 {format} 放不进 {kb} KB，请放宽上限、改小尺寸或换一种格式"
        raise InvalidRequest("max_kb", words, kb=most, **size)


def _overlay(given: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    if given is None:
        return None
    if not _png(given["image"]):
        raise InvalidRequest("overlay", "请选一个 PNG，最大 200 KB")
    return {"position": "bottom-right", "size": 0.2, "opacity": 1.0, **given}


def _png(url: str) -> bytes:
    """The bytes of a data URL; empty if it is no PNG within the bound."""
    if not url.startswith(_PNG_URL) or len(url) > _MAX_OVERLAY * 4 // 3 + 100:
        return b""
    try:
        content = base64.b64decode(url.removeprefix(_PNG_URL), validate=True)
    except binascii.Error:
        return b""
    return content if content.startswith(b"\x89PNG") else b""


_DOUYIN = "抖店接口说明；大小有 1、3、5 MB 三种说法，取最严的"
_Bounds = Mapping[str, tuple[float | None, float | None]]  # (at least, at most) by rule
_ANY = (None, None)
_CHECKED_ON = "2026-11-29"

# name, width, height, rules, source, other fields; the values that satisfy every figure found.
_PLATFORMS: tuple[tuple[str, int, int, _Bounds, str, Mapping[str, Any]], ...] = (
    ("淘宝/天猫 主图", 1440, 1440, {"long_side": (800, None), "bytes": (None, 500), "name": (None, 50)},
     "淘宝开放平台接口说明，天猫商品页；大小有 500 KB 和 3 MB 两种说法，取最严的",
     {"max_kb": 500, "folder": "主图"}),
    ("淘宝/天猫 白底图", 800, 800,
     {"bytes": (38, 300), "white_ground": _ANY, "fill": (0.7, 0.8), "edge": _ANY, "name": (None, 50)},
     "商家后台的旧表单；主体占比有 60–80 % 三种说法，取都满足的",
     {"background": "#ffffff", "max_kb": 300, "min_kb": 40, "folder": "白底图"}),
    ("京东 主图", 800, 800, {"bytes": (None, 500)},
     "第三方页面，规则中心要登录；大小有 500 KB 和 1 MB 两种说法，取最严的",
     {"max_kb": 500, "folder": "主图"}),
    ("拼多多 主图", 800, 800, {"long_side": (480, None), "bytes": (None, 1000)},
     "拼多多开放平台接口说明", {"max_kb": 1000, "folder": "主图"}),
    ("抖音 主图 1:1", 1200, 1200, {"long_side": (600, None), "bytes": (None, 1000)},
     _DOUYIN, {"max_kb": 1000, "folder": "主图"}),
    ("抖音 主图 3:4", 1200, 1600, {"long_side": (1000, None), "bytes": (None, 1000)},
     _DOUYIN, {"max_kb": 1000, "folder": "3比4"}),
    ("小红书 笔记 3:4", 1080, 1440, {"bytes": (None, 10000)}, "第三方页面",
     {"max_kb": 10_000, "folder": "3比4"}),
    ("详情页", 790, 1500, {"width": (480, 1200), "bytes": (None, 500)},
     "淘宝、京东、拼多多：宽有 750 和 790 两种说法，高 1500 或 2000，大小 500 KB 到 3 MB，取最严的",
     {"fit": "inside", "max_kb": 500, "folder": "详情"}),
    ("Amazon MAIN", 2000, 2000,
     {"long_side": (1000, 10000), "bytes": (None, 10000),
      "white_ground": _ANY, "fill": (0.85, None), "edge": _ANY, "amazon_name": _ANY},
     "Amazon Seller Central：G1881、G9FUUH87RBNXGKB7",
     {"background": "#ffffff", "max_kb": 10_000, "file_name": "{ASIN}.MAIN"}),
    ("eBay", 1600, 1600, {"long_side": (500, None), "quality": (90, None), "bytes": (None, 12000)},
     "eBay 图片政策 4370、Media API", {"fit": "inside", "max_kb": 12_000}),
    ("原图", 0, 0, {}, "像素不变，只去掉提示词等信息", {"fit": "original", "format": "original"}),
)  # fmt: skip

BUILT_IN: Mapping[str, Profile] = {
    name: Profile(
        name=name,
        width=width,
        height=height,
        rules=tuple(Rule(rule=rule, at_least=bounds[0], at_most=bounds[1]) for rule, bounds in rules.items()),
        source=source,
        built_in=True,
        checked_on=_CHECKED_ON,
        **others,
    )
    for name, width, height, rules, source, others in _PLATFORMS
}
