"""The values that options of a request may have, and what people write for them."""

from collections.abc import Mapping

# Value -> what else stands for it, separated by spaces.
BACKGROUNDS = {"transparent": "透明 透明背景", "opaque": "不透明 不透明背景"}
OUTPUT_FORMATS = {"png": ".png", "jpeg": "jpg .jpg .jpeg", "webp": ".webp"}
QUALITIES = {
    "low": "低 低质量",
    "medium": "中 中等 中等质量",
    "high": "高 高质量",
    "xhigh": "很高 很高质量",
    "max": "最高 最高质量",
}
UNSET_WORDS = ("", "auto", "自动", "默认")

# The words for the values of options, in workbooks and on pages.
OPTION_WORDS: Mapping[str, Mapping[str, str]] = {
    "background": {"transparent": "透明", "opaque": "不透明"},
    "output_format": {"png": "PNG", "jpeg": "JPEG", "webp": "WebP"},
    "quality": {
        "low": "低质量",
        "medium": "中等质量",
        "high": "高质量",
        "xhigh": "很高质量",
        "max": "最高质量",
    },
}
