"""Images are saved completely or not at all, never over another, and always with a thumbnail."""

import contextlib
import errno
import fcntl
import io
import os
import random
import struct
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import pytest
from PIL import Image

from app.domain import GeneratedImage, ImageRequest, SavedImage
from app.errors import Billed, InvalidRequest, ModelError, NotFound, StorageError, TooLarge
from app.images import atomic_write, decode, metadata, store
from app.images.containers import (
    Part,
    jpeg_segment,
    jpeg_segments,
    png_chunk,
    png_chunks,
    webp_chunk,
    webp_chunks,
)
from app.images.exif import ImageInfo, with_user_comment
from app.images.filenames import safe_stem
from app.images.metadata import format_parameters
from app.system import windows_files
from tools.noise_images import SIZE, noise_image, pixels

TEXT = format_parameters(ImageRequest(prompt="猫"), None, "demo", 1, 5)
SNOW = format_parameters(ImageRequest(prompt="雪山"), None, "m", 7, None)


def save(
    folder: Path, content: bytes | None = None, stem: str = "猫", record_id: int = 1, embed: str = ""
) -> SavedImage:
    image = GeneratedImage(content=noise_image("png") if content is None else content)
    return store.save_image(image, output_dir=folder, stem=stem, record_id=record_id, embed=embed)


def names(folder: Path) -> list[str]:
    """Every file below the folder."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def bomb() -> bytes:
    """A PNG of 60,000 × 60,000 in a hundred bytes."""
    header = (60_000).to_bytes(4, "big") * 2 + b"\x08\x06\x00\x00\x00"
    return (
        b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + png_chunk(b"IDAT", b"x") + png_chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(
    ("picture_format", "filename"), [("png", "猫.png"), ("jpeg", "猫.jpg"), ("webp", "猫.webp")]
)
def test_the_extension_follows_the_bytes(tmp_path: Path, picture_format: str, filename: str) -> None:
    content = noise_image(picture_format)
    saved = save(tmp_path / "output", content)
    assert (saved.filename, saved.format) == (filename, picture_format)
    assert (saved.width, saved.height) == SIZE
    assert (tmp_path / "output" / filename).read_bytes() == content
    assert saved.file_size == len(content)
    assert names(tmp_path / "output") == [".thumbnails/0/1.webp", filename]


@pytest.mark.parametrize("prompt", ["猫", "Size: ?"], ids=["", "like the last line"])
def test_the_saved_file_carries_its_parameters_and_real_size(tmp_path: Path, prompt: str) -> None:
    content = noise_image("png")
    text = format_parameters(ImageRequest(prompt=prompt), None, "demo", 1, 5)
    saved = save(tmp_path, content, embed=text)
    stored = (tmp_path / saved.filename).read_bytes()
    chosen = "Steps: default, Sampler: default, Schedule type: default"
    assert metadata.extract(stored) == f"{prompt}\n{chosen}, Seed: 5, Size: 96x64, Model: demo, Record: 1"
    assert pixels(stored) == pixels(content)
    assert saved.file_size == len(stored)


def test_an_existing_file_is_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "猫.png").write_bytes(b"the person's own")
    assert save(tmp_path).filename == "猫-2.png"
    assert save(tmp_path, noise_image("jpeg")).filename == "猫-3.jpg"
    assert (tmp_path / "猫.png").read_bytes() == b"the person's own"


def test_a_name_that_appears_just_before_publishing_is_not_overwritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "猫.png").write_bytes(b"just arrived")
    monkeypatch.setattr(store, "is_taken", lambda _folder, _stem: False)
    assert save(tmp_path).filename == "猫-2.png"
    assert (tmp_path / "猫.png").read_bytes() == b"just arrived"


def test_concurrent_saves_of_one_stem_get_distinct_names_also_for_the_same_bytes(tmp_path: Path) -> None:
    contents = [noise_image("png") for _ in range(6)] * 2
    with ThreadPoolExecutor(4) as threads:
        saved = list(threads.map(lambda n: save(tmp_path, contents[n], record_id=n), range(12)))
    assert len({picture.filename for picture in saved}) == 12
    assert [(tmp_path / picture.filename).read_bytes() for picture in saved] == contents
    assert not list(tmp_path.glob(".*.part"))


def test_a_hostile_stem_stays_in_the_folder(tmp_path: Path) -> None:
    folder = tmp_path / "output"
    assert save(folder, stem="../../CON").filename == "_CON.png"
    assert save(folder, stem="..", record_id=9).filename == "图片-9.png"
    assert names(tmp_path) == sorted(
        ["output/.thumbnails/0/1.webp", "output/.thumbnails/0/9.webp", "output/_CON.png", "output/图片-9.png"]
    )


def test_the_longest_name_keeps_its_image_number_and_takes_a_counter(tmp_path: Path) -> None:
    stem, ends = safe_stem("a" + "猫" * 300), ("-2_1", "-2_10", "-99999_10", "", "-2")
    asked = [stem + end for end in ends[:-1]] + [stem]
    saved = [save(tmp_path, stem=name, record_id=number).filename for number, name in enumerate(asked)]
    assert saved == [f"{stem}{end}.png" for end in ends]


@pytest.mark.parametrize(("picture_format", "step"), [("png", 97), ("jpeg", 23), ("webp", 23)])
def test_a_truncated_file_is_refused_as_fetchable_again(
    tmp_path: Path, picture_format: str, step: int
) -> None:
    content = noise_image(picture_format, progressive=picture_format == "jpeg")
    for length in [*range(12, len(content), step), len(content) - 2, len(content) - 1]:
        with pytest.raises(ModelError) as caught:
            save(tmp_path, content[:length])
        error = caught.value
        assert (error.cause, error.billed) == ("broken", Billed.YES)
        assert (error.retryable, error.task_valid) == (True, True)
    assert names(tmp_path) == []


@pytest.mark.parametrize("content", [b"", b"<html>502 Bad Gateway</html>", b'{"error": "busy"}', bytes(5000)])
def test_a_file_that_is_no_image_is_refused(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(ModelError, match="不是图片") as caught:
        save(tmp_path, content)
    assert caught.value.task_valid
    assert names(tmp_path) == []


@pytest.mark.parametrize("picture_format", ["gif", "bmp"])
def test_a_format_that_cannot_carry_parameters_is_refused(tmp_path: Path, picture_format: str) -> None:
    with pytest.raises(ModelError, match=picture_format.upper()) as caught:
        save(tmp_path, noise_image(picture_format))
    assert not caught.value.retryable


def test_undecodable_paid_bytes_are_quarantined_unchanged(tmp_path: Path) -> None:
    for record_id, (content, name) in enumerate(
        [(bomb(), "0.png"), (in_scans(100), "1.jpeg"), (noise_image("gif"), "2.gif")]
    ):
        with pytest.raises(ModelError, match=f"原文件已放在「output/unopened/{name}」") as caught:
            save(tmp_path / "output", content, record_id=record_id)
        assert (caught.value.billed, caught.value.task_valid) == (Billed.YES, False)
        assert (tmp_path / "output/unopened" / name).read_bytes() == content
    store.delete_image(tmp_path / "output", "", 1)
    assert names(tmp_path / "output") == ["unopened/0.png", "unopened/2.gif"]


def test_a_full_disk_does_not_lose_quarantined_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", fail_with(OSError(errno.ENOSPC, "full")))
        with pytest.raises(StorageError, match="磁盘已满"):
            save(tmp_path, noise_image("gif"))
    with pytest.raises(ModelError, match=r"unopened/1\.gif"):
        save(tmp_path, noise_image("gif"))


@pytest.mark.filterwarnings("default")
def test_a_decompression_bomb_is_refused_before_decoding(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="像素过多"):
        save(tmp_path, bomb())
    with pytest.raises(InvalidRequest, match="图片超过 16,777,216 像素") as caught:
        store.validate_upload("弹", bomb())
    assert caught.value.field == "file"


def in_scans(number: int, size: tuple[int, int] = (64, 64)) -> bytes:
    """A progressive JPEG whose last scan is repeated up to that number."""
    packed = io.BytesIO()
    Image.new("L", size, 128).save(packed, "JPEG", progressive=True)
    content = packed.getvalue()
    last = content.rfind(b"\xff\xda")
    more = number - content.count(b"\xff\xda")
    return content[:-2] + content[last:-2] * more + content[-2:]


def test_a_jpeg_with_excessive_scans_is_refused_before_decoding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = in_scans(200_000, (4096, 4096))
    monkeypatch.setattr(Image, "open", None)
    with pytest.raises(ModelError, match="分段过多"):
        save(tmp_path, content)
    with pytest.raises(InvalidRequest, match="分段过多，打开它要很久，请用看图软件另存一份") as caught:
        store.validate_upload("弹", content)
    assert caught.value.field == "file"


def test_a_garbled_jpeg_can_be_fetched_again(tmp_path: Path) -> None:
    content = in_scans(10)[:16] + bytes(range(256)) * 8
    with pytest.raises(ModelError) as caught:
        save(tmp_path, content)
    assert (caught.value.retryable, caught.value.task_valid) == (True, True)


def stuffed(picture_format: str, at: str) -> bytes:
    """A complete image with 10 MB inside that readers parse piece by piece."""
    plain = noise_image("webp", xmp=b"<x/>") if picture_format == "webp" else noise_image(picture_format)
    if picture_format == "png":
        end = {"before": 33, "behind": len(plain) - 12}[at]
        return plain[:end] + png_chunk(b"teXt", b"") * 900_000 + plain[end:]
    if picture_format == "webp":
        body = plain[12:] + webp_chunk(b"JUNK", b"") * 1_250_000
        return b"RIFF" + struct.pack("<L", 4 + len(body)) + b"WEBP" + body
    filling, name = at.split(", ")
    places = {"start": 2, "frame": plain.index(b"\xff\xc0"), "scan": plain.index(b"\xff\xda")}
    end = places.get(name, len(plain) - 2)
    pieces = {
        "fill": b"\xff" * 10_000_000,
        "nothing": bytes(10_000_000),
        "temporary": b"\xff\x01" * 5_000_000,
        "restarts": b"\xff\xd0" * 5_000_000,
        "stuffing": b"\xff\x00" * 5_000_000,
        "unknown": jpeg_segment(0xF0, b"x" * 60_000) * 160,
        "end": b"\xff\xd9" + b"\xff" * 10_000_000,
    }
    return plain[:end] + pieces[filling] + plain[end:]


@pytest.mark.parametrize(
    ("picture_format", "at"),
    [
        *(("jpeg", f"fill, {place}") for place in ("start", "frame", "scan", "data")),
        *(("jpeg", f"{filling}, frame") for filling in ("nothing", "restarts", "stuffing", "unknown", "end")),
        ("jpeg", "temporary, start"),
        ("png", "before"),
        ("png", "behind"),
        ("webp", ""),
    ],
)
def test_an_image_with_excessive_small_parts_is_refused_before_decoding(
    monkeypatch: pytest.MonkeyPatch, picture_format: str, at: str
) -> None:
    content = stuffed(picture_format, at)
    monkeypatch.setattr(Image, "open", None)
    with pytest.raises(InvalidRequest, match="分段过多"):
        store.validate_upload("弹", content)


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        (stuffed("png", "before"), png_chunks),
        (stuffed("webp", ""), webp_chunks),
        (b"\xff\xd8" + jpeg_segment(0xFE, b"x") * 2_000_000, jpeg_segments),
        (b"\xff\xd8" + b"\xff\xd0" * 5_000_000, jpeg_segments),
    ],
    ids=["png", "webp", "jpeg", "jpeg, restarts"],
)
def test_parameters_are_sought_in_a_bounded_number_of_parts(
    content: bytes, parts: Callable[[bytes], Iterator[Part]]
) -> None:
    assert sum(1 for _ in parts(content)) <= 50_000
    assert metadata.extract(content) is None


def test_a_few_fill_bytes_are_accepted() -> None:
    plain = noise_image("jpeg")
    frame, scan = plain.index(b"\xff\xc0"), plain.index(b"\xff\xda")
    content = (
        plain[:frame] + b"\xff" * 40 + plain[frame:scan] + b"\xff" + plain[scan:-2] + b"\xff" * 3 + plain[-2:]
    )
    assert store.validate_upload("猫", content).width == 96
    assert "Record: 1" in (metadata.extract(b"".join(metadata.embed(content, "jpeg", TEXT))) or "")


@pytest.mark.parametrize("scans", [10, 64])
def test_realistic_scan_counts_are_accepted(scans: int) -> None:
    assert store.validate_upload("猫", in_scans(scans)).width == 64
    with pytest.raises(InvalidRequest):
        store.validate_upload("猫", in_scans(65))


def test_scan_markers_in_comments_or_after_the_end_are_not_counted() -> None:
    plain = in_scans(10)
    looks = b"\xff\xda\x00\x04xx" * 1000
    assert store.validate_upload("猫", plain[:2] + jpeg_segment(0xFE, looks) + plain[2:])
    assert store.validate_upload("猫", plain + looks + b"\xff\xd9")


@pytest.mark.parametrize("size", [(4096, 4096), (6240, 2656)])
def test_the_largest_service_sizes_are_accepted(size: tuple[int, int]) -> None:
    packed = io.BytesIO()
    Image.new("RGB", size).save(packed, "JPEG")
    checked = decode.decode(packed.getvalue(), max_pixels=store.MAX_PIXELS)
    assert (checked.width, checked.height) == size


def test_a_corrupted_png_byte_is_detected(tmp_path: Path) -> None:
    content = bytearray(noise_image("png"))
    content[len(content) // 2] ^= 0x10
    with pytest.raises(ModelError, match="不完整"):
        save(tmp_path, bytes(content))


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("picture_format", ["png", "jpeg", "webp"])
def test_any_corruption_is_an_app_error(picture_format: str) -> None:
    chance = random.Random(11)
    content = noise_image(picture_format, exif=Image.Exif())
    for _ in range(300):
        damaged = bytearray(content)
        for _ in range(chance.randint(1, 4)):
            damaged[chance.randrange(min(len(damaged), 300))] = chance.randrange(256)
        with contextlib.suppress(InvalidRequest):
            store.validate_upload("坏", bytes(damaged))


class Crash(BaseException):
    """Ends the process as far as the code under test can tell."""


def fail_with(problem: BaseException) -> Any:
    def fail(*_args: object, **_kwargs: object) -> NoReturn:
        raise problem

    return fail


@pytest.mark.parametrize("step", ["fsync", "link"])
@pytest.mark.parametrize("problem", [Crash(), OSError(errno.ENOSPC, "No space left on device")])
def test_a_failure_before_publishing_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, problem: BaseException
) -> None:
    monkeypatch.setattr(os, step, fail_with(problem))
    with pytest.raises((Crash, StorageError)):
        save(tmp_path)
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    ("number", "advice"),
    [
        (errno.ENOSPC, "腾出空间"),
        (errno.EDQUOT, "腾出空间"),
        (errno.EROFS, "权限"),
        (errno.ENAMETOOLONG, "短一些"),
        (errno.EIO, "检查磁盘"),
    ],
)
def test_a_write_error_is_reported_with_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, advice: str
) -> None:
    monkeypatch.setattr(os, "fsync", fail_with(OSError(number, os.strerror(number))))
    with pytest.raises(StorageError, match=advice):
        save(tmp_path)
    assert names(tmp_path) == []


def test_an_output_folder_that_cannot_be_created_is_reported(tmp_path: Path) -> None:
    (tmp_path / "output").write_text("a file stands in the way")
    with pytest.raises(StorageError):
        save(tmp_path / "output")


def test_images_are_saved_on_disks_without_hard_links(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "link", fail_with(OSError(errno.EPERM, "Operation not permitted")))
    contents = [noise_image("png"), noise_image("png")]
    saved = [save(tmp_path, content, record_id=n) for n, content in enumerate(contents)]
    assert [picture.filename for picture in saved] == ["猫.png", "猫-2.png"]
    assert [(tmp_path / picture.filename).read_bytes() for picture in saved] == contents


def test_a_failed_publish_without_hard_links_leaves_no_empty_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "x.part").write_bytes(b"whole")
    monkeypatch.setattr(os, "link", fail_with(OSError(errno.EPERM, "Operation not permitted")))
    monkeypatch.setattr(Path, "replace", fail_with(OSError(errno.EIO, "I/O error")))
    with pytest.raises(OSError, match="I/O"):
        windows_files.publish(tmp_path / "x.part", tmp_path / "x.png")
    assert names(tmp_path) == ["x.part"]


def orphaned_temp_file(folder: Path) -> Path:
    """The temporary file of a killed process: its lock ended with it."""
    part = folder / f".{'0a' * 8}.part"
    part.write_bytes(b"half a pict")
    return part


def test_temporary_files_of_a_dead_process_are_removed_and_nothing_else(tmp_path: Path) -> None:
    part = orphaned_temp_file(tmp_path)
    for name in ("download.png.part", ".hidden", "猫.png"):
        (tmp_path / name).touch()
    assert store.remove_part_files(tmp_path) == 1
    assert not part.exists()
    assert names(tmp_path) == [".hidden", "download.png.part", "猫.png"]
    assert store.remove_part_files(tmp_path / "not there") == 0


def test_the_finished_files_of_a_delivery_are_removed_a_day_after_the_last(tmp_path: Path) -> None:
    for name in ("old", "new"):
        folder = tmp_path / store.DELIVERIES / name
        folder.mkdir(parents=True)
        (folder / "0").write_bytes(b"picture")
    day_ago = time.time() - 24 * 3600 - 1
    os.utime(tmp_path / store.DELIVERIES / "old", (day_ago, day_ago))
    store.remove_part_files(tmp_path)
    assert names(tmp_path / store.DELIVERIES) == ["new/0"]


def test_temporary_files_of_a_live_process_are_kept(tmp_path: Path) -> None:
    with atomic_write.temp_file(tmp_path, [b"whole"]) as part:
        assert store.remove_part_files(tmp_path) == 0
        assert part.read_bytes() == b"whole"
    assert names(tmp_path) == []


def test_without_locks_age_decides(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fcntl, "flock", fail_with(OSError(errno.ENOLCK, "No locks available")))
    part = orphaned_temp_file(tmp_path)
    assert store.remove_part_files(tmp_path) == 0
    hour_ago = time.time() - 3600
    os.utime(part, (hour_ago, hour_ago))
    assert store.remove_part_files(tmp_path) == 1
    assert save(tmp_path).filename == "猫.png"


def test_a_temporary_file_removed_before_locking_is_rewritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = fcntl.flock
    swept: list[Path] = []

    def too_late(handle: int, how: int) -> None:
        if not swept:
            swept.append(next(tmp_path.glob(".*.part")))
            swept[0].unlink()
        lock(handle, how)

    monkeypatch.setattr(fcntl, "flock", too_late)
    assert save(tmp_path).filename == "猫.png"


def test_a_saved_image_is_found_by_its_metadata(tmp_path: Path) -> None:
    text = format_parameters(ImageRequest(prompt="雪山"), None, "m", 7, 42)
    for number in (6, 7):
        embed = text.replace("Record: 7", f"Record: {number}")
        saved = save(tmp_path, record_id=number, embed=embed)
    found = store.find_saved(tmp_path, stem="猫", record_id=7, prompt="雪山")
    assert found == saved
    assert saved.seed == 42
    assert saved.filename == "猫-2.png"
    for record_id, prompt in ((8, "雪山"), (7, "海")):
        assert store.find_saved(tmp_path, stem="猫", record_id=record_id, prompt=prompt) is None


def test_a_record_never_gets_two_files(tmp_path: Path) -> None:
    first = save(tmp_path, noise_image("png", size=(64, 64)), record_id=7, embed=SNOW)
    thumbnail = store.thumbnail_path(tmp_path, 7).read_bytes()
    again = save(tmp_path, noise_image("png", size=(96, 64)), record_id=7, embed=SNOW)
    assert again == replace(first, drops_another=True)
    assert names(tmp_path) == [".thumbnails/0/7.webp", "猫.png"]
    assert store.thumbnail_path(tmp_path, 7).read_bytes() == thumbnail


def test_two_workers_that_save_one_record_at_the_same_time_make_one_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content, publish = noise_image("png"), windows_files.publish

    def publish_second(part: Path, final: Path) -> bool:
        monkeypatch.setattr(windows_files, "publish", publish)
        save(tmp_path, content, embed=TEXT)
        return publish(part, final)

    monkeypatch.setattr(windows_files, "publish", publish_second)
    assert save(tmp_path, content, embed=TEXT).filename == "猫.png"
    assert names(tmp_path) == [".thumbnails/0/1.webp", "猫.png"]


@pytest.mark.parametrize("picture_format", ["jpeg", "webp"])
@pytest.mark.parametrize("comment", ["made by a machine\nof ours", '{"AIGC": {"Label": "1"}}', '{"a": 1}'])
def test_an_image_with_a_service_comment_is_recognised(
    tmp_path: Path, picture_format: str, comment: str
) -> None:
    block = b"Exif\x00\x00" + with_user_comment(b"", comment, ImageInfo(width=96, height=64, is_srgb=True))
    content = noise_image(picture_format, exif=block)
    first = save(tmp_path, content, record_id=7, embed=SNOW)
    assert store.find_saved(tmp_path, stem="猫", record_id=7, prompt="雪山") == first
    assert save(tmp_path, content, record_id=7, embed=SNOW) == first


def test_a_tolerated_defect_is_still_decodable_after_saving(tmp_path: Path) -> None:
    content = noise_image("jpeg")
    content = content[:4] + b"\x00\x01" + content[6:]  # a segment shorter than its own length
    saved = save(tmp_path, content, record_id=7, embed=SNOW)
    assert pixels((tmp_path / saved.filename).read_bytes()) == pixels(content)
    assert store.find_saved(tmp_path, stem="猫", record_id=7, prompt="雪山") == saved


@pytest.mark.parametrize("picture_format", ["png", "jpeg", "webp"])
@pytest.mark.parametrize(
    ("prompt", "negative_prompt"),
    [
        ('{"AIGC": "猫", "Label": "x"}', ""),
        ('{"Label": 5}\n画一只', ""),
        ("雪山\nNegative prompt: 人\nSteps: 5, Record: 9", "人"),
        ("\U0001f600" * 10_000, "\U0001f600" * 10_000),  # more than a JPEG can carry
    ],
    ids=["braces", "braces in a line", "like settings", "very long"],
)
def test_any_request_is_recognised_in_its_image(
    tmp_path: Path, picture_format: str, prompt: str, negative_prompt: str
) -> None:
    request = ImageRequest(prompt=prompt, negative_prompt=negative_prompt)
    text = format_parameters(request, None, "m", 7, None)
    first = save(tmp_path, noise_image(picture_format), record_id=7, embed=text)
    assert store.find_saved(tmp_path, stem="猫", record_id=7, prompt=prompt) == first
    again = save(tmp_path, noise_image(picture_format), record_id=7, embed=text)
    assert again == replace(first, drops_another=True)


def test_a_corrupt_file_matches_no_record(tmp_path: Path) -> None:
    path = tmp_path / save(tmp_path, record_id=7, embed=SNOW).filename
    path.write_bytes(path.read_bytes()[:-40])
    assert store.find_saved(tmp_path, stem="猫", record_id=7, prompt="雪山") is None


def test_a_missing_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="文件夹"):
        store.find_saved(tmp_path / "not mounted", stem="猫", record_id=7, prompt="雪山")


@pytest.mark.parametrize("mode", ["RGB", "L", "P", "1", "I;16", "RGBA", "LA", "CMYK"])
def test_thumbnails_are_small_webp_with_the_longest_side_320(tmp_path: Path, mode: str) -> None:
    picture_format = "jpeg" if mode == "CMYK" else "png"
    save(tmp_path, noise_image(picture_format, mode, (800, 400)), record_id=2345)
    path = store.thumbnail_path(tmp_path, 2345)
    assert path == tmp_path / ".thumbnails" / "2" / "2345.webp"
    with Image.open(path) as thumbnail:
        assert (thumbnail.format, thumbnail.size) == ("WEBP", (320, 160))


def test_thumbnails_respect_exif_orientation(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    saved = save(tmp_path, noise_image("jpeg", size=(800, 400), exif=exif))
    assert (saved.width, saved.height) == (400, 800)
    with Image.open(store.thumbnail_path(tmp_path, 1)) as thumbnail:
        assert thumbnail.size == (160, 320)


@pytest.mark.parametrize("options", [{"mode": "RGBA"}, {"mode": "P", "transparency": 0}, {"mode": "RGB"}])
def test_transparency_is_kept_in_thumbnails(tmp_path: Path, options: dict[str, Any]) -> None:
    clear = Image.new(options["mode"], (640, 640))
    extra = {"transparency": (0, 0, 0)} if options["mode"] == "RGB" else options
    packed = io.BytesIO()
    clear.save(packed, "PNG", **{name: value for name, value in extra.items() if name != "mode"})
    save(tmp_path, packed.getvalue())
    with Image.open(store.thumbnail_path(tmp_path, 1)) as thumbnail:
        assert thumbnail.mode == "RGBA"
        assert thumbnail.getchannel("A").getextrema() == (0, 0)


def test_thumbnails_carry_no_metadata(tmp_path: Path) -> None:
    save(tmp_path, noise_image("webp", xmp=b"<x:secret/>", exif=Image.Exif()), embed="a prompt\nSize: ?")
    assert b"secret" not in store.thumbnail_path(tmp_path, 1).read_bytes()
    assert metadata.extract(store.thumbnail_path(tmp_path, 1).read_bytes()) is None


@pytest.mark.parametrize("picture_format", ["png", "jpeg", "webp"])
def test_a_missing_thumbnail_is_rebuilt_and_survives_its_image(tmp_path: Path, picture_format: str) -> None:
    saved = save(tmp_path, noise_image(picture_format))
    first = store.thumbnail_path(tmp_path, 1).read_bytes()
    store.thumbnail_path(tmp_path, 1).unlink()
    assert store.ensure_thumbnail(tmp_path, 1, saved.filename).read_bytes() == first
    assert not list(tmp_path.glob(".*.part"))
    (tmp_path / saved.filename).unlink()
    assert store.ensure_thumbnail(tmp_path, 1, saved.filename).read_bytes() == first


def test_a_large_thumbnail_is_made_when_asked_for_and_both_are_deleted_with_their_picture(
    tmp_path: Path,
) -> None:
    saved = save(tmp_path, noise_image("png", size=(1600, 900)))
    path = store.thumbnail_path(tmp_path, 1, 800)
    assert not path.exists()
    with Image.open(store.make_thumbnail(path, tmp_path / saved.filename, 800)) as large:
        assert (large.format, large.size) == ("WEBP", (800, 450))
    for filename in (saved.filename, saved.filename, "../../etc/passwd"):
        store.delete_image(tmp_path, filename, 1)
    assert names(tmp_path) == []


def test_a_picture_of_the_same_number_does_not_show_the_large_thumbnail_of_another(tmp_path: Path) -> None:
    path = store.thumbnail_path(tmp_path, 1, 800)
    store.make_thumbnail(path, tmp_path / save(tmp_path).filename, 800)
    save(tmp_path, stem="狗")  # after an older database was put back
    assert not path.exists()


def test_without_image_and_thumbnail_there_is_nothing_to_show(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        store.ensure_thumbnail(tmp_path, 1, "猫.png")
    (tmp_path / "猫.png").write_bytes(b"not a picture")
    with pytest.raises(NotFound, match="打不开"):
        store.ensure_thumbnail(tmp_path, 1, "猫.png")


@pytest.mark.parametrize(
    "name",
    [
        *("", ".", "..", "../secret.png", "/etc/passwd", "a/../猫.png", "..\\secret.png", "C:猫.png"),
        *(".thumbnails/0/1.webp", ".hidden.png", "猫.png\x00.jpg", "folder.png", "link.png", "page.html"),
        *("x.part", "lone\ud800.png", "long" * 100 + ".png"),
    ],
)
def test_only_images_of_the_folder_are_served(tmp_path: Path, name: str) -> None:
    output = tmp_path / "output"
    (output / "folder.png").mkdir(parents=True)
    (tmp_path / "secret.png").touch()
    (output / "link.png").symlink_to(tmp_path / "secret.png")
    for there in (".hidden.png", "page.html", "x.part"):
        (output / there).touch()
    with pytest.raises(NotFound):
        store.open_output(output, name)


def test_an_upload_is_decoded_and_named_by_its_bytes() -> None:
    upload = store.validate_upload("C:\\fakepath\\猫.png", noise_image("jpeg", size=(400, 200)))
    assert (upload.filename, upload.format) == ("C_fakepath_猫.jpg", "jpeg")
    assert (upload.width, upload.height) == (400, 200)
    with Image.open(io.BytesIO(upload.thumbnail)) as thumbnail:
        assert thumbnail.size == (320, 160)
    assert store.validate_upload("???", noise_image("webp")).filename == "示例图.webp"


@pytest.mark.parametrize(
    "content",
    [b"<svg onload='x'/>", b"%PDF-1.7", noise_image("gif"), noise_image("tiff"), noise_image("png")[:-9]],
)
def test_an_upload_that_is_no_complete_image_is_refused(content: bytes) -> None:
    with pytest.raises(InvalidRequest) as caught:
        store.validate_upload("猫.png", content)
    assert caught.value.field == "file"


def test_an_oversized_upload_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    content = noise_image("png")
    monkeypatch.setattr(store, "MAX_UPLOAD_BYTES", len(content))
    monkeypatch.setattr(store, "MAX_UPLOAD_PIXELS", SIZE[0] * SIZE[1])
    assert store.validate_upload("猫", content).format == "png"
    monkeypatch.setattr(store, "MAX_UPLOAD_PIXELS", SIZE[0] * SIZE[1] - 1)
    with pytest.raises(InvalidRequest, match="像素"):
        store.validate_upload("猫", content)
    monkeypatch.setattr(store, "MAX_UPLOAD_BYTES", len(content) - 1)
    with pytest.raises(TooLarge):
        store.validate_upload("猫", content)


@pytest.mark.parametrize(
    ("content", "advice"),
    [
        (b"\x00\x00\x00\x24ftypheic" + bytes(64), "HEIC 照片，这里用不了，请在.*导出成 JPEG 或 PNG"),
        (b"\x00\x00\x00\x24ftypmif1" + bytes(64), "HEIC 照片"),
        (b"\x00\x00\x00\x1cftypavif" + bytes(64), "AVIF 照片"),
        (b"", "空文件"),
        (b"hello", "这不是可用的图片，请上传 PNG、JPEG、WEBP 文件"),
    ],
)
def test_each_unsupported_file_type_has_its_advice(content: bytes, advice: str) -> None:
    with pytest.raises(InvalidRequest, match=advice):
        store.validate_upload("照片.heic", content)
