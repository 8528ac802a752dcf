"""The installed Chinese font."""

from contextlib import suppress
from functools import cache, lru_cache

from PIL import ImageFont

Font = ImageFont.FreeTypeFont

# File names of Chinese fonts on Windows, macOS and Linux, which Pillow finds, and the face in each.
_FONTS = (
    *(("msyh.ttc", 0), ("simhei.ttf", 0), ("Deng.ttf", 0), ("simsun.ttc", 0)),
    *(("PingFang.ttc", 0), ("Hiragino Sans GB.ttc", 0), ("STHeiti Medium.ttc", 0), ("Songti.ttc", 0)),
    *(("NotoSansCJK-Regular.ttc", 2), ("wqy-microhei.ttc", 0), ("wqy-zenhei.ttc", 0)),
    ("DroidSansFallbackFull.ttf", 0),
)


@lru_cache(maxsize=16)
def chinese_font(size: int) -> Font | None:
    """The installed Chinese font at a size in pixels, or None."""
    font = _installed_font()
    return font and font.font_variant(size=size)


@cache
def _installed_font() -> Font | None:
    for name, index in _FONTS:
        with suppress(OSError):
            return ImageFont.truetype(name, index=index)
    return None
