"""Marks of AI-generated pictures are found wherever services write them; damaged ones fail no picture."""

import json
import random
import tracemalloc
import zlib
from pathlib import Path

import pytest

from app.domain import GeneratedImage, ImageRequest
from app.images import marks, store
from app.images.containers import jpeg_segment, png_chunk, webp_chunk
from app.images.exif import ImageInfo, with_user_comment
from app.images.marks import find_marks
from app.images.metadata import format_parameters
from tools.marked_images import FIELDS, WRAPPED, webp_and, with_c2pa, with_chunk, with_comment, with_xmp, xmp
from tools.noise_images import noise_image

NOTHING = {"aigc": False, "c2pa": False}
FORMATS = ("png", "jpeg", "webp")


@pytest.mark.parametrize("picture_format", FORMATS)
def test_a_picture_without_marks_has_none(picture_format: str) -> None:
    assert find_marks(noise_image(picture_format)) == NOTHING
    assert find_marks(with_xmp(picture_format, b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>")) == NOTHING


def test_other_files_are_not_looked_at() -> None:
    assert find_marks(b"GIF89a") == {"aigc": None, "c2pa": None}


@pytest.mark.parametrize("picture_format", FORMATS)
@pytest.mark.parametrize("packet", [xmp(), xmp(attribute=True), xmp(WRAPPED)])
def test_the_implicit_mark_is_found_in_xmp(picture_format: str, packet: bytes) -> None:
    found = find_marks(with_xmp(picture_format, packet))
    assert found == {"aigc": {"place": "xmp", "fields": FIELDS}, "c2pa": False}


def test_the_implicit_mark_is_found_in_compressed_xmp() -> None:
    payload = b"XML:com.adobe.xmp\x00\x01\x00\x00\x00" + zlib.compress(xmp())
    assert find_marks(with_chunk(b"iTXt", payload))["aigc"] == {"place": "xmp", "fields": FIELDS}


@pytest.mark.parametrize("text", [WRAPPED, json.dumps(FIELDS)])
def test_the_implicit_mark_is_found_in_a_text_chunk(text: str) -> None:
    found = find_marks(with_chunk(b"tEXt", b"AIGC\x00" + text.encode()))
    assert found["aigc"] == {"place": "png", "fields": FIELDS}


@pytest.mark.parametrize("picture_format", ["jpeg", "webp"])
def test_the_implicit_mark_is_found_in_a_user_comment(picture_format: str) -> None:
    found = find_marks(with_comment(picture_format, WRAPPED))
    assert found["aigc"] == {"place": "exif", "fields": FIELDS}
    assert find_marks(with_comment(picture_format, "a note on AIGC")) == NOTHING


@pytest.mark.parametrize("picture_format", FORMATS)
def test_a_c2pa_manifest_is_found(picture_format: str) -> None:
    assert find_marks(with_c2pa(picture_format)) == {"aigc": False, "c2pa": True}


@pytest.mark.parametrize("text", [WRAPPED, "AIGC" + json.dumps(FIELDS)])
def test_the_implicit_mark_is_found_in_app11_and_is_no_c2pa(text: str) -> None:
    plain = noise_image("jpeg")
    marked = plain[:2] + jpeg_segment(0xEB, b"JP\x00\x01" + text.encode()) + plain[2:]
    assert find_marks(marked) == {"aigc": {"place": "app11", "fields": FIELDS}, "c2pa": False}


def test_other_boxes_in_app11_are_no_c2pa() -> None:
    plain = noise_image("jpeg")
    other = jpeg_segment(0xEB, b"JP\x00\x01\x00\x00\x00\x01\x00\x00\x00\x20jumb" + b"json" * 4)
    assert find_marks(plain[:2] + other + plain[2:]) == NOTHING


@pytest.mark.parametrize(
    ("content", "place"),
    [
        *((with_xmp(picture_format, xmp()), "xmp") for picture_format in FORMATS),
        *((with_comment(picture_format, WRAPPED), "exif") for picture_format in ("jpeg", "webp")),
    ],
    ids=["png", "jpeg", "webp", "comment of a jpeg", "comment of a webp"],
)
def test_the_file_shows_the_mark_after_the_parameters_were_embedded(
    tmp_path: Path, content: bytes, place: str
) -> None:
    text = format_parameters(ImageRequest(prompt="猫"), None, "m", 7, None)
    image = GeneratedImage(content=content)
    saved = store.save_image(image, output_dir=tmp_path, stem="猫", record_id=7, embed=text)
    assert saved.marks == {"aigc": {"place": place, "fields": FIELDS}, "c2pa": False}
    assert store.find_saved(tmp_path, stem="猫", record_id=7, prompt="猫") == saved


@pytest.mark.parametrize(
    ("value", "fields"),
    [
        ("not JSON", {}),
        ('{"Label":"1"', {}),
        ("[1]", {}),
        ("[" * 100_000, {}),
        ('{"Label": ' + "9" * 5_000 + "}", {}),
        ('{"Label":"1","ContentProducer":{"a":1},"More":["b"]}', {"Label": "1"}),
        ('{"Label":2}', {"Label": "2"}),
        ('{"Label":"\\ud800\\u0000\\u202e1\\n"}', {"Label": "1"}),
        (json.dumps({"Label": "1" * 9_000}), {"Label": "1" * 300}),
    ],
)
def test_a_damaged_mark_counts_as_found_with_what_can_be_read(value: str, fields: dict[str, str]) -> None:
    assert find_marks(with_xmp("png", xmp(value)))["aigc"] == {"place": "xmp", "fields": fields}


def test_at_most_sixteen_fields_are_kept() -> None:
    value = json.dumps({f"field {number}": "x" for number in range(5_000)})
    assert len(find_marks(with_xmp("png", xmp(value)))["aigc"]["fields"]) == 16


def test_xmp_that_breaks_off_after_the_mark_counts() -> None:
    packet = xmp()
    cut = packet[: packet.index(b"</rdf:RDF>")]
    assert find_marks(with_xmp("jpeg", cut))["aigc"] == {"place": "xmp", "fields": FIELDS}


def test_entities_of_xmp_are_not_expanded() -> None:
    bomb = b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;">]>' + xmp("&b;" * 100)
    assert find_marks(with_xmp("png", bomb)) == NOTHING


def test_names_in_xmp_are_looked_at_as_they_are_written(monkeypatch: pytest.MonkeyPatch) -> None:
    looked_at: list[str] = []
    is_aigc = marks._is_aigc

    def look(name: str, prefixes: set[str]) -> bool:
        looked_at.append(name)
        return is_aigc(name, prefixes)

    monkeypatch.setattr(marks, "_is_aigc", look)
    packet = b'<x xmlns="' + 5_000 * b"u" + b'">' + 1_000 * b"<a/>" + b"</x>"
    assert find_marks(with_xmp("png", packet)) == NOTHING
    assert sum(map(len, looked_at)) <= len(packet)


def test_the_property_has_the_namespace_of_the_mark() -> None:
    other = b'<x xmlns:a="http://example.com/aigc/" a:AIGC="{}"><a:AIGC>{}</a:AIGC><AIGC>{}</AIGC></x>'
    assert find_marks(with_xmp("png", other)) == NOTHING
    own = b'<AIGC xmlns="http://www.tc260.org.cn/ns/AIGC/1.0/">{"Label":"1"}</AIGC>'
    assert find_marks(with_xmp("png", own))["aigc"] == {"place": "xmp", "fields": {"Label": "1"}}


@pytest.mark.parametrize(
    "packet", [b"", b"\xff\xfe", b"<?xml version='1.0' encoding='no-such'?><a/>", b"<" * 99]
)
@pytest.mark.parametrize("picture_format", FORMATS)
def test_damaged_xmp_holds_no_mark(picture_format: str, packet: bytes) -> None:
    assert find_marks(with_xmp(picture_format, packet)) == NOTHING


@pytest.mark.parametrize("seed", range(40))
def test_damaged_files_are_looked_at_without_an_error(seed: int) -> None:
    rng = random.Random(seed)
    samples = [
        *(with_xmp(each, xmp()) for each in FORMATS),
        *(with_c2pa(each) for each in FORMATS),
        *(with_comment(each, WRAPPED) for each in ("jpeg", "webp")),
        with_chunk(b"zTXt", b"AIGC\x00\x00" + zlib.compress(WRAPPED.encode())),
    ]
    for sample in samples:
        content = bytearray(sample[: rng.choice([len(sample), rng.randrange(13, len(sample))])])
        for _ in range(rng.randrange(30)):
            content[rng.randrange(12, min(len(content), 400))] = rng.randrange(256)
        found = find_marks(bytes(content))
        json.dumps(found, ensure_ascii=False).encode()  # can be stored
        assert found.keys() == {"aigc", "c2pa"}


def test_what_is_looked_at_of_large_metadata_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fifty megabytes in 800 chunks, each of which unpacks to more, and chunks of one byte."""
    packed = b"XML:com.adobe.xmp\x00\x01\x00\x00\x00" + zlib.compress(bytes(60_000_000))
    chunks = [png_chunk(b"iTXt", packed + bytes(62_500 - len(packed) % 62_500))] * 800
    plain = noise_image("png")
    content = b"".join((plain[:33], *chunks, png_chunk(b"tEXt", b"AIGC\x00" + WRAPPED.encode()), plain[33:]))
    assert len(content) > 50_000_000
    looked_at: list[int] = []
    real = marks._implicit_mark

    def counting(place: str, text: bytes | str) -> object:
        looked_at.append(len(text))
        return real(place, text)

    monkeypatch.setattr(marks, "_implicit_mark", counting)
    tracemalloc.start()
    assert find_marks(content) == NOTHING  # the mark is beyond what is looked at
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(looked_at) == 16
    assert max(looked_at) <= 1_000_000
    assert peak < 5_000_000


def test_a_comment_of_fifty_megabytes_is_shortened() -> None:
    block = with_user_comment(b"", "猫" * 25_000_000, ImageInfo(width=96, height=64, is_srgb=True))
    content = webp_and(webp_chunk(b"EXIF", block))
    tracemalloc.start()
    assert find_marks(content)["aigc"] is False
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20_000_000
