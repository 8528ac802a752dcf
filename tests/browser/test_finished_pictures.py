"""What the engine of deliveries makes of odd originals, read back by a browser."""

import base64
import re
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree

import pytest
from playwright.sync_api import Browser, Page

from app.delivery.profiles import BUILT_IN, Profile, finish_of
from app.images.finishing import Finished, finish, layout
from tools.odd_images import SECRET, Odd, difference, odd_images

_READ = """async ({data, points}) => {
  const bytes = Uint8Array.from(atob(data), (sign) => sign.charCodeAt(0));
  const bitmap = await createImageBitmap(new Blob([bytes]));
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
  const context = canvas.getContext("2d", {willReadFrequently: true});
  context.drawImage(bitmap, 0, 0);
  const pixels = points.map(([x, y]) => [...context.getImageData(x, y, 1, 1).data]);
  return {width: bitmap.width, height: bitmap.height, pixels};
}"""
_BEGINNINGS = {"jpeg": b"\xff\xd8\xff", "png": b"\x89PNG\r\n\x1a\n", "webp": b"RIFF"}
_PACKET = re.compile(rb"<x:xmpmeta.*?</x:xmpmeta>", re.DOTALL)
_AIGC = "{http://www.tc260.org.cn/ns/AIGC/1.0/}AIGC"
# Of those that differ in their figures only, one.
_KINDS = ("淘宝/天猫 主图", "淘宝/天猫 白底图", "抖音 主图 3:4", "详情页", "Amazon MAIN", "原图")
_TEXTS = (SECRET, "secret-prompt", "Steps: 20")


@pytest.fixture(scope="module")
def reader(browser: Browser) -> Iterator[Page]:
    """An empty page that decodes pictures."""
    context = browser.new_context()
    yield context.new_page()
    context.close()


@pytest.fixture(scope="module")
def originals() -> dict[str, Odd]:
    return odd_images()


@pytest.mark.parametrize("name", _KINDS)
def test_a_platform_gets_its_size_bytes_format_and_colours_and_nothing_hidden(
    reader: Page, originals: dict[str, Odd], name: str
) -> None:
    profile = BUILT_IN[name]
    for title, odd in originals.items():
        finished = finish(odd.content, finish_of(profile))
        places = dict(_places(profile, finished, odd))
        read = _read(reader, finished.content, list(places))
        is_moved = any("商品占比从" in str(change) for change in finished.changes)
        assert (read["width"], read["height"]) == _size(profile, odd, finished if is_moved else None), title
        assert len(finished.content) <= profile.max_kb * 1000 or not profile.max_kb, title
        assert finished.content.startswith(_BEGINNINGS[finished.format]), title
        for (place, wanted), pixel in zip(places.items(), read["pixels"], strict=True):
            assert difference(pixel, wanted) <= 2, (title, place, pixel, wanted)
        _holds_the_mark_and_nothing_else(finished, odd, is_original=profile.fit == "original")


def _read(reader: Page, content: bytes, points: list[tuple[int, int]]) -> Any:
    return reader.evaluate(_READ, {"data": base64.b64encode(content).decode(), "points": points})


def _size(profile: Profile, odd: Odd, moved: Finished | None) -> tuple[int, int]:
    """The size that the platform asks for, as far as the original has it, less the ground cut off where the
    goods were moved into their share."""
    width, height = odd.size
    if moved and profile.bound("long_side").at_least:
        side = min(moved.width, profile.width)
        assert side >= (profile.bound("long_side").at_least or 0)
        return side, round(side * profile.height / profile.width)
    if profile.fit == "original":
        return odd.size
    if profile.fit == "inside":
        scale = min(1, profile.width / width, profile.height / height)
        return max(1, round(width * scale)), max(1, round(height * scale))
    least = profile.bound("long_side").at_least
    if not least or width >= profile.width or height >= profile.height:
        return profile.width, profile.height
    share = max(width / profile.width, height / profile.height, least / max(profile.width, profile.height))
    return round(profile.width * share), round(profile.height * share)


def _places(
    profile: Profile, finished: Finished, odd: Odd
) -> Iterator[tuple[tuple[int, int], tuple[int, int, int]]]:
    """(pixel of the finished picture, colour that it must have): in the goods, the ground and the padding."""
    white, said = (255, 255, 255), " ".join(map(str, finished.changes))
    if "商品占比从" in said:  # the goods are elsewhere, on white up to the corners
        yield from dict.fromkeys([(0, 0), (finished.width - 1, finished.height - 1)], white).items()
        return
    ground = white if "提到纯白" in said else odd.ground
    width, height = layout(finish_of(profile), *odd.size).picture
    left, top = (finished.width - width) // 2, (finished.height - height) // 2
    is_shown = profile.fit != "original" or not odd.is_cmyk  # browsers ignore profiles of inks
    if min(width, height) >= 64 and is_shown:  # in smaller ones the fields share the blocks of a JPEG
        for (x, y), colour in odd.colours.items():
            yield (left + int(x * width), top + int(y * height)), colour
    if ground and profile.fit != "original":
        padding = white if profile.background == "#ffffff" else ground
        yield from dict.fromkeys([(left, top), (left + width - 1, top + height - 1)], ground).items()
        if left > 1 or top > 1:
            yield from dict.fromkeys([(0, 0), (finished.width - 1, finished.height - 1)], padding).items()


def _holds_the_mark_and_nothing_else(finished: Finished, odd: Odd, *, is_original: bool) -> None:
    content = finished.content
    for coding in ("utf-8", "utf-16-le", "utf-16-be"):
        assert [text for text in _TEXTS if text.encode(coding) in content] == []
    packets = _PACKET.findall(content)
    marks = [element.text for packet in packets for element in ElementTree.fromstring(packet).iter(_AIGC)]
    assert marks == ([odd.aigc] if odd.aigc else [])
    chunks = (b"tEXt", b"zTXt", b"tIME", b"caBX", b"EXIF", b"C2PA", b"Photoshop")
    more = () if is_original else (b"Exif\0\0", b"eXIf", b"ICC_PROFILE", b"iCCP")
    assert [name for name in (*chunks, *more) if name in content] == []
