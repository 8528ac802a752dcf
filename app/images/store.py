"""Image files in output/, their thumbnails and embedded parameters.

Independent of the database, providers and views: callers pass a file name and a record id.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os.path
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from app.domain import GeneratedImage, SavedImage, ValidatedUpload
from app.errors import Billed, DiskError, InvalidRequest, Message, ModelError, NotFound, TooLarge, message
from app.images import answers, atomic_write, decode, metadata, sidecar
from app.images.containers import ENDING_OF, sniff
from app.images.filenames import (
    MAX_RESERVED_BYTES,
    PICTURE_ENDINGS,
    is_taken,
    max_stem_length,
    safe_stem,
    with_counter,
)
from app.images.marks import find_marks
from app.images.metadata import UNKNOWN_SIZE, parse_parameters
from app.system import windows_files

MAX_PIXELS = decode.MAX_PIXELS
THUMBNAIL_SIDES = (decode.THUMBNAIL_SIDE, decode.LARGE_THUMBNAIL_SIDE)
MAX_UPLOAD_BYTES = 15 * 1024 * 1024
MAX_UPLOAD_PIXELS = 4096 * 4096
STALE_AFTER = 600.0  # seconds after which a .part file is orphaned, where file locks are not available

PREVIEW = "-r"  # after the id in the names of previews for clients, beside the thumbnails
DELIVERIES = ".deliveries"  # where the finished files of deliveries wait
_DELIVERIES_KEPT = 24 * 3600.0
_MAX_LIBRARY_STEM = 200
_THUMBNAILS_PER_FOLDER = 1_000
_UNOPENED = "unopened"
_DELIVERY_ERRORS = {
    decode.Corrupt: "模型返回的图片不完整，可重新取回，不会重复计费",
    decode.TooManyPixels: "模型返回的图片像素过多，为安全起见没有打开，请换小一档的分辨率",
    decode.TooManyParts: "模型返回的图片分段过多，为安全起见没有打开，请换一个模型",
}
_UPLOAD_ERRORS = {
    decode.Corrupt: "图片文件已损坏或不完整，请换一个文件",
    decode.TooManyPixels: "图片超过 {limit} 像素，请缩小后再上传",
    decode.TooManyParts: "这张图片分段过多，打开它要很久，请用看图软件另存一份再上传",
}


def save_image(
    image: GeneratedImage, *, output_dir: Path, stem: str, record_id: int, embed: str, subfolder: str = ""
) -> SavedImage:
    """Validate the image, create its thumbnail and save it as ``stem`` plus the extension of its format,
    in ``subfolder`` of ``output_dir``.

    ``embed`` is the text of ``format_parameters``, or empty; marks are those of the bytes without it. Bytes
    with a C2PA manifest are saved as they are, and the text beside them before they appear. Never overwrites:
    the next free counter is used (``猫-2``) and returned. Idempotent per record: a second call, such as from
    a worker whose lease expired, returns the file of the first. Raises ModelError for invalid bytes; those in
    an unsupported format are saved unchanged in ``unopened/``. Raises DiskError for disk errors, leaving no
    image.
    """
    try:
        decoded = decode.decode(image.content, max_pixels=MAX_PIXELS)
    except decode.InvalidImage as error:
        raise _delivery_error(error, image.content, output_dir, record_id) from error
    pieces: metadata.Pieces = (image.content,)
    parameters, marks = parse_parameters(embed), find_marks(image.content)
    prompts, line_break, settings = embed.rpartition("\n")
    settings = settings.replace(UNKNOWN_SIZE, f"Size: {decoded.width}x{decoded.height}", 1)
    text = prompts + line_break + settings
    if text and not marks["c2pa"]:
        pieces, text = metadata.embed(image.content, decoded.format, text), ""
    sha256 = _sha256(pieces)
    stem = _assigned_stem(output_dir, stem, record_id)
    thumbnail = thumbnail_path(output_dir, record_id)
    folder = output_dir / subfolder
    # An older database gives ids again: the large thumbnail of a later record may still be there.
    with contextlib.suppress(OSError):
        thumbnail_path(output_dir, record_id, decode.LARGE_THUMBNAIL_SIDE).unlink()
    with atomic_write.translate_os_errors(output_dir):
        folder.mkdir(parents=True, exist_ok=True)
        with atomic_write.temp_file(output_dir, pieces) as part, _deleted_on_failure(thumbnail):
            if text:
                sidecar.write(folder, sha256, record_id, text, parts_folder=output_dir)
            atomic_write.write_over(thumbnail, decoded.thumbnail, output_dir)
            target = folder / (stem + ENDING_OF[decoded.format])
            placed = _place(part, target, record_id, parameters.prompt)
            windows_files.sync_folder(folder)
    if not isinstance(placed, str):
        make_thumbnail(thumbnail, folder / placed.filename)
        if drops_another := placed.sha256 != sha256:
            with contextlib.suppress(OSError):
                sidecar.delete(folder, sha256, record_id)
        return replace(placed, drops_another=drops_another)
    return _saved_image(placed, decoded, pieces, parameters.seed, marks)


def find_saved(output_dir: Path, *, stem: str, record_id: int, prompt: str) -> SavedImage | None:
    """The image that ``save_image`` wrote for this record before a crash; None without one.

    Identified by its parameters, embedded or beside it. Raises DiskError when the folder cannot be read.
    """
    if not output_dir.is_dir():
        raise DiskError(
            "找不到保存图片的文件夹「{folder}」，请检查它是否已被移走或没有挂载", folder=output_dir
        )
    stem = _assigned_stem(output_dir, stem, record_id)
    for name in _names(output_dir, stem):
        if not is_taken(output_dir, name):
            return None
        for ending in ENDING_OF.values():
            found = _read_own(output_dir / f"{name}{ending}", record_id, prompt)
            if found is not None:
                return found
    raise AssertionError("counters do not end")


def read_own(
    content: bytes, filename: str, *, record_id: int, prompt: str, beside: Iterable[str]
) -> SavedImage | None:
    """The image in these bytes, if parameters ``beside`` or embedded in them name this record; else None."""
    with contextlib.suppress(OSError, ValueError):
        for text in (*beside, metadata.extract(content) or ""):
            parameters = parse_parameters(text)
            if parameters.record_id == record_id and prompt in parameters.text:
                decoded = decode.decode(content, max_pixels=MAX_PIXELS)
                return _saved_image(filename, decoded, (content,), parameters.seed, find_marks(content))
    return None


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file in hexadecimal, as in ``SavedImage.sha256``."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def thumbnail_path(output_dir: Path, record_id: int, side: int = decode.THUMBNAIL_SIDE) -> Path:
    """The path of a record's thumbnail, which may not exist yet; 1,000 of each size per folder."""
    name = f"{record_id}.webp" if side == decode.THUMBNAIL_SIDE else f"{record_id}-{side}.webp"
    return output_dir / ".thumbnails" / str(record_id // _THUMBNAILS_PER_FOLDER) / name


def ensure_thumbnail(output_dir: Path, record_id: int, filename: str) -> Path:
    """The thumbnail, recreated from the image when missing. Raises NotFound when both are missing."""
    thumbnail = thumbnail_path(output_dir, record_id)
    return thumbnail if thumbnail.is_file() else make_thumbnail(thumbnail, open_output(output_dir, filename))


def make_thumbnail(thumbnail: Path, source: Path, side: int = decode.THUMBNAIL_SIDE) -> Path:
    """Create a thumbnail of an image; returns its path. Raises NotFound for a damaged image."""
    output_dir, filename = thumbnail.parents[2], source.name
    try:
        with source.open("rb") as file:
            content = decode.thumbnail_of(file, max_pixels=MAX_PIXELS, side=side)
    except (OSError, ValueError) as error:
        raise NotFound("图片「{filename}」打不开，可能已损坏", filename=filename) from error
    try:
        with atomic_write.translate_os_errors(output_dir):
            atomic_write.write_over(thumbnail, content, output_dir)
    except DiskError:
        # Another thread may have created it: Windows cannot replace a file that is being served.
        if not thumbnail.is_file():
            raise
    return thumbnail


def jpeg_of_webp(thumbnail: bytes, *, box: tuple[int, int]) -> bytes | None:
    """A thumbnail as a JPEG within ``box`` pixels; None when it is empty or damaged."""
    try:
        return decode.jpeg_thumbnail(thumbnail, box) if thumbnail else None
    except OSError:
        return None


def open_output(output_dir: Path, name: str) -> Path:
    """The path of an image directly in ``output_dir``; raises NotFound for every other name."""
    is_plain = not name.startswith(".") and not set(name) & set("/\\:\x00")
    if is_plain and os.path.splitext(name)[1].lower() in PICTURE_ENDINGS:  # noqa: PTH122
        path = output_dir / name
        with contextlib.suppress(OSError):
            if path.is_file() and path.resolve().parent == output_dir.resolve():
                return path
    raise NotFound("找不到这张图片，可能已被移走或删除")


def has_images(output_dir: Path) -> bool:
    """Whether the folder contains an image."""
    return any(path.suffix.lower() in ENDING_OF.values() for path in output_dir.iterdir())


def delete_image(output_dir: Path, filename: str, record_id: int, sha256: str = "") -> None:
    """Permanently delete an image, its thumbnails and what lies beside it; missing files are ignored.

    ``sha256`` is that of the image as saved, if recorded. Raises DiskError without retrying: emptying the
    trash runs again later.
    """
    with atomic_write.translate_os_errors(output_dir):
        with contextlib.suppress(NotFound):
            open_output(output_dir, filename).unlink(missing_ok=True)
        thumbnails = [thumbnail_path(output_dir, record_id, side) for side in THUMBNAIL_SIDES]
        previews = thumbnails[0].parent.glob(f"{record_id}{PREVIEW}*.jpg")
        unopened = (output_dir / _UNOPENED).glob(f"{record_id}.*")
        for path in (*thumbnails, *previews, *unopened):
            path.unlink(missing_ok=True)
        sidecar.delete(output_dir, sha256, record_id)
        answers.delete(output_dir, record_id)


def remove_part_files(output_dir: Path, *, older_than: float = STALE_AFTER) -> int:
    """Delete temporary files left by a crash; returns how many. Where file locks are not available, only
    those older than ``older_than`` seconds. Deletes the files of deliveries too, a day after the last.
    """
    with contextlib.suppress(OSError):
        for folder in (output_dir / DELIVERIES).iterdir():
            if time.time() - folder.stat().st_mtime > _DELIVERIES_KEPT:
                shutil.rmtree(folder, ignore_errors=True)
    with atomic_write.translate_os_errors(output_dir):
        return atomic_write.remove_parts(output_dir, older_than=older_than)


def validate_upload(filename: str, content: bytes) -> ValidatedUpload:
    """Decode an upload for the library and give it a safe file name.

    Raises TooLarge or InvalidRequest("file").
    """
    decoded = _check_upload(content)
    stem = safe_stem(filename, max_bytes=_MAX_LIBRARY_STEM) or "示例图"
    return ValidatedUpload(
        filename=stem + ENDING_OF[decoded.format],
        content=content,
        format=decoded.format,
        width=decoded.width,
        height=decoded.height,
        thumbnail=decoded.thumbnail,
    )


def _delivery_error(
    error: decode.InvalidImage, content: bytes, output_dir: Path, record_id: int
) -> ModelError:
    """The error of bytes from a provider; an apparently complete image is saved unchanged."""
    if isinstance(error, decode.Corrupt):
        return _broken(_DELIVERY_ERRORS[decode.Corrupt], again=True)
    if not isinstance(error, decode.UnsupportedFormat):
        reason = message(_DELIVERY_ERRORS[type(error)])
    elif error.format is None:
        text = "模型返回的内容不是图片，只能保存 PNG、JPEG、WebP，请重新取回或换一个模型"
        return _broken(text, again=True)
    else:
        text = "模型返回的图片是 {format} 格式，这里打不开，请换一个模型"
        reason = message(text, format=error.format.upper())
    aside = output_dir / _UNOPENED / f"{record_id}.{sniff(content)}"
    with atomic_write.translate_os_errors(output_dir):
        atomic_write.write_over(aside, content, output_dir)
    path = f"{output_dir.name}/{_UNOPENED}/{aside.name}"
    return _broken(message("{reason}，原文件已放在「{path}」", reason=reason, path=path), again=False)


def _saved_image(
    filename: str,
    decoded: decode.Decoded,
    pieces: metadata.Pieces,
    seed: int | None,
    marks: Mapping[str, Any],
) -> SavedImage:
    return SavedImage(
        filename=filename,
        width=decoded.width,
        height=decoded.height,
        format=decoded.format,
        file_size=sum(map(len, pieces)),
        sha256=_sha256(pieces),
        seed=seed,
        marks=marks,
    )


def _read_own(path: Path, record_id: int, prompt: str) -> SavedImage | None:
    with contextlib.suppress(OSError, ValueError):
        content = windows_files.retry_while_locked(path.read_bytes)
        beside = sidecar.texts(path.parent, content)
        return read_own(content, path.name, record_id=record_id, prompt=prompt, beside=beside)
    return None


def _broken(text: str | Message, *, again: bool) -> ModelError:
    return ModelError(text, cause="broken", billed=Billed.YES, retryable=again, task_valid=again)


def _check_upload(content: bytes) -> decode.Decoded:
    if len(content) > MAX_UPLOAD_BYTES:
        raise TooLarge("图片超过 {limit} MB，请压缩后再上传", limit=MAX_UPLOAD_BYTES // (1024 * 1024))
    if not content:
        raise InvalidRequest("file", "这是空文件（0 字节），请重新导出或下载一份再上传")
    try:
        return decode.decode(content, max_pixels=MAX_UPLOAD_PIXELS)
    except decode.InvalidImage as error:
        raise InvalidRequest("file", _upload_error(error)) from error


def _upload_error(error: decode.InvalidImage) -> Message:
    if not isinstance(error, decode.UnsupportedFormat):
        return message(_UPLOAD_ERRORS[type(error)], limit=f"{MAX_UPLOAD_PIXELS:,}")
    if error.format in ("heic", "avif"):
        text = "这是 {format} 照片，这里用不了，请在手机或电脑上导出成 JPEG 或 PNG 再上传"
        return message(text, format=error.format.upper())
    formats = tuple(name.upper() for name in decode.SUPPORTED_FORMATS)
    return message("这不是可用的图片，请上传 {formats} 文件", formats=formats)


@contextlib.contextmanager
def _deleted_on_failure(thumbnail: Path) -> Iterator[None]:
    try:
        yield
    except BaseException:
        with contextlib.suppress(OSError):
            windows_files.unlink(thumbnail)
        raise


def _assigned_stem(output_dir: Path, stem: str, record_id: int) -> str:
    units = max_stem_length(output_dir)
    return safe_stem(stem, max_bytes=MAX_RESERVED_BYTES, max_units=units) or f"图片-{record_id}"


def _names(output_dir: Path, stem: str) -> Iterator[str]:
    units = max_stem_length(output_dir)
    return (with_counter(stem, number, units) for number in itertools.count(1))


def _place(part: Path, target: Path, record_id: int, prompt: str) -> SavedImage | str:
    """Publish the part file under the first free name; returns it, or the image this record already has."""
    for name in _names(target.parent, target.stem):
        final = target.with_name(name + target.suffix)
        if not is_taken(target.parent, name):
            with contextlib.suppress(FileExistsError):  # another worker, with the same record perhaps
                windows_files.publish(part, final)
                return final.name
        if prompt and (saved := _read_own(final, record_id, prompt)):
            return saved
    raise AssertionError("counters do not end")


def _sha256(pieces: Iterable[bytes | memoryview]) -> str:
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(piece)
    return digest.hexdigest()
