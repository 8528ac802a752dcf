"""The nouns of the product: what is asked for, what came of it, what an image model accepts.

Frozen dataclasses and their rules. No input or output here; imports only the errors.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from errors import InvalidRequest
from references import CheckedUpload as CheckedUpload
from references import LibraryImage as LibraryImage
from references import LibraryPage as LibraryPage
from references import Reference as Reference
from references import ReferenceFacts as ReferenceFacts
from references import ReferenceLimits as ReferenceLimits
from references import SampleImage as SampleImage
from sizes import ASPECT_RATIOS as ASPECT_RATIOS
from sizes import RESOLUTION_AREAS as RESOLUTION_AREAS
from sizes import RESOLUTIONS as RESOLUTIONS
from sizes import Size as Size
from sizes import exact_size as exact_size

MAX_PICTURES_A_ROW = 10
MAX_REFERENCES = 4
MAX_ROWS_A_BATCH = 5_000
MAX_PICTURES_A_BATCH = 10_000
MAX_PROMPT_LENGTH = 10_000
MAX_FILENAME_LENGTH = 200
MAX_REFERENCE_LENGTH = 4_096
MAX_BATCH_NAME_LENGTH = 200
MAX_SEED = 4_294_967_293
MAX_STEPS = 150
MAX_ID = 2**63 - 1  # what the database counts up to


class Status(StrEnum):
    """A record's life: queued, running, then one of the four ends."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCESS = "success"
    FAILED = "failed"
    UNKNOWN = "unknown"
    CANCELLED = "cancelled"


class BatchStatus(StrEnum):
    """What a batch is doing, derived from its records and from whether somebody paused it."""

    QUEUED = "queued"
    RUNNING = "running"
    PAUSED = "paused"
    FINISHED = "finished"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageRequest:
    """Everything a model is told, for ``num_images`` pictures of one row."""

    prompt: str
    negative_prompt: str = ""
    aspect_ratio: str = "1:1"
    resolution: str = "2K"
    num_images: int = 1
    filename: str = ""
    seed: int | None = None
    steps: int | None = None
    sample_images: tuple[SampleImage, ...] = ()

    @classmethod
    def parse(cls, fields: Mapping[str, Any]) -> ImageRequest:
        """Untrusted fields (form, JSON or spreadsheet) -> a request, or the first InvalidRequest."""
        request, problems = cls.read(fields)
        if request is None:
            raise problems[0]
        return request

    @classmethod
    def read(cls, fields: Mapping[str, Any]) -> tuple[ImageRequest | None, list[InvalidRequest]]:
        """Untrusted fields -> (request, []) or (None, every complaint, in the order of the fields)."""
        values: dict[str, Any] = {}
        problems: list[InvalidRequest] = []
        for name, read in _READERS.items():
            try:
                values[name] = read(fields.get(name))
            except InvalidRequest as problem:
                problems.append(problem)
        return (None, problems) if problems else (cls(**values), [])


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCard:
    """What an image model declares; the pages and the checks follow it.

    name             the value of IMAGE_MODEL; label is for people, model_id is the service's own
    sizes            (aspect ratio, resolution) -> size; a missing pair is not offered
    prompt_limit     characters the service advises at most; longer is said, not refused
    max_references   0 = takes no reference images; reference_form "url" = must be public addresses,
                     "bytes" = are sent as they are, "any" = either
    reference_limits what each of them must keep to, where the service says so
    negative_prompt  "field" = its own field, "folded" = put into the prompt in words
    prices           resolution -> CNY a picture; price_extra_reference for each reference after the first
    notes            field name -> why the model does not take it, or what happens to it
    """

    name: str
    label: str
    model_id: str
    sizes: Mapping[tuple[str, str], Size]
    prompt_limit: int
    max_references: int
    reference_form: str
    negative_prompt: str
    takes_seed: bool
    takes_steps: bool
    prices: Mapping[str, Decimal]
    price_extra_reference: Decimal = Decimal(0)
    reference_limits: ReferenceLimits | None = None
    notes: Mapping[str, str] = field(default_factory=dict)

    def size(self, request: ImageRequest) -> Size:
        """Pixels for this request; only for requests that ``problems`` does not complain of."""
        return self.sizes[request.aspect_ratio, request.resolution]

    def price(self, request: ImageRequest) -> Decimal:
        """CNY for one picture of this request."""
        extra = max(len(request.sample_images) - 1, 0)
        return self.prices.get(request.resolution, Decimal(0)) + self.price_extra_reference * extra

    def problems(
        self, request: ImageRequest, facts: Mapping[str, ReferenceFacts] = MappingProxyType({})
    ) -> list[InvalidRequest]:
        """Why this model cannot make this request, before money is spent; empty when it can.

        ``facts`` are what is known of its reference images, by their address.
        """
        found = []
        if (request.aspect_ratio, request.resolution) not in self.sizes:
            offered = "、".join(r for r in RESOLUTIONS if (request.aspect_ratio, r) in self.sizes)
            text = f"{self.label} 没有 {request.aspect_ratio} 的 {request.resolution}，可选：{offered}"
            found.append(InvalidRequest("resolution", text))
        if len(request.sample_images) > self.max_references:
            text = self.notes.get("sample_images") or f"{self.label} 最多接受 {self.max_references} 张参考图"
            found.append(InvalidRequest("sample_images", text))
        elif self.reference_form == "url":
            found.extend(
                _not_public(image, self) for image in request.sample_images if not _is_web_url(image.url)
            )
        for image in request.sample_images:
            found.extend(_reference_problems(image, facts.get(image.url), self))
        return found

    def accept(self, request: ImageRequest) -> ImageRequest:
        """The request without the fields this model does not take, so that none is recorded as used."""
        return replace(
            request,
            seed=request.seed if self.takes_seed else None,
            steps=request.steps if self.takes_steps else None,
        )


def _is_web_url(url: str) -> bool:
    return url.startswith(("https://", "http://"))


def _not_public(image: SampleImage, card: ModelCard) -> InvalidRequest:
    text = f"{card.label} 只接受公网地址的参考图，「{image.filename}」只在这台电脑上，请先放到 OSS 或换一张"
    return InvalidRequest("sample_images", text)


def _reference_problems(
    image: SampleImage, facts: ReferenceFacts | None, card: ModelCard
) -> Iterator[InvalidRequest]:
    if facts is None:
        return
    if facts.is_missing:
        yield InvalidRequest("sample_images", f"参考图「{image.filename}」找不到了，请重新选择")
    elif card.reference_limits and (why := card.reference_limits.complaint(facts)):
        yield InvalidRequest("sample_images", f"{card.label} 用不了参考图「{image.filename}」：它{why}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One picture's life, from queued to kept: a row of ``generation_records``.

    Times are UTC, ``YYYY-MM-DD HH:MM:SS`` (with milliseconds for started and finished). ``cost`` is CNY
    that was billed for it, ``at_stake`` CNY that may have been billed: nobody can know yet.
    ``filename`` and ``image_path`` are empty until the picture is kept; ``file_stem`` is promised from
    the start. ``version`` grows with every change anywhere. ``lease_until`` is a Unix time.
    """

    id: int
    created_at: str
    prompt: str
    negative_prompt: str
    aspect_ratio: str
    resolution: str
    width: int | None
    height: int | None
    num_images: int
    seed: int | None
    steps: int | None
    sample_images: tuple[SampleImage, ...]
    image_path: str
    filename: str
    batch_id: str | None
    status: Status
    model: str
    error: str
    cause: str
    cost: Decimal
    at_stake: Decimal
    favourite: bool
    started_at: str | None
    finished_at: str | None
    deleted_at: str | None
    row_number: int
    picture_number: int
    file_stem: str
    requested_filename: str
    ticket: str | None
    attempts: int
    retries: int
    throttled: int
    not_before: float
    version: int
    file_size: int | None = None
    sha256: str = ""

    @property
    def request(self) -> ImageRequest:
        """What the model is told for this one picture."""
        return ImageRequest(
            prompt=self.prompt,
            negative_prompt=self.negative_prompt,
            aspect_ratio=self.aspect_ratio,
            resolution=self.resolution,
            num_images=self.num_images,
            filename=self.requested_filename,
            seed=self.seed,
            steps=self.steps,
            sample_images=self.sample_images,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Records submitted together. Costs are CNY; ``eta_seconds`` follows the pace that was seen."""

    id: str
    name: str
    created_at: str
    status: BatchStatus
    paused_reason: str
    total: int
    counts: Mapping[Status, int]
    cost: Decimal
    at_stake: Decimal
    estimated_cost: Decimal
    eta_seconds: int | None
    version: int
    source: str

    @property
    def done(self) -> int:
        """Pictures that have come to an end, whichever."""
        return self.total - self.counts[Status.QUEUED] - self.counts[Status.RUNNING]


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    """One line of a batch's log; ``level`` is info, warning or error."""

    at: str
    level: str
    text: str
    record_id: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """A picture as a model delivered it, not yet checked; ``seed`` when the service named the real one."""

    content: bytes
    seed: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptPicture:
    """A picture that was decoded and kept: real size and format (``png``, ``jpeg``, ``webp``), final name."""

    filename: str
    width: int
    height: int
    format: str
    file_size: int
    sha256: str


def file_key(stem: str) -> str:
    """The form in which two file names are one and the same on Windows and macOS, which skip joiners."""
    folded = unicodedata.normalize("NFC", unicodedata.normalize("NFC", stem).casefold())
    return folded.translate({0x200C: None, 0x200D: None})


def normal_text(value: Any) -> str:
    """Text of a cell or field with stray white space at the ends and full-width signs mended."""
    return unicodedata.normalize("NFKC", str(value)).strip()


def whole_characters(text: str) -> str:
    """The text, with a ``?`` for each half of a character: no file, database or answer can hold those."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _read_text(name: str, label: str, limit: int, *, required: bool = False) -> Any:
    def read(value: Any) -> str:
        if value is None:
            value = ""
        if not isinstance(value, str):
            raise InvalidRequest(name, f"{label}应为文字")
        text = value.replace("\r\n", "\n").replace("\x00", "").strip()
        if required and not text:
            raise InvalidRequest(name, f"请填写{label}")
        if len(text) > limit:
            raise InvalidRequest(name, f"{label}有 {len(text)} 字，最多 {limit} 字")
        return whole_characters(text)

    return read


def read_aspect_ratio(value: Any) -> str:
    """``16：9``, ``16x9``, ``１６:９`` -> ``16:9``; empty -> ``1:1``; InvalidRequest for anything else."""
    if value is None or value == "":
        return "1:1"
    text = re.sub(r"\s*[:xX×*/比]\s*", ":", _short(value))
    if text not in ASPECT_RATIOS:
        raise InvalidRequest(
            "aspect_ratio", f"不支持的图片比例「{str(value)[:60]}」，可选：{'、'.join(ASPECT_RATIOS)}"
        )
    return text


def read_resolution(value: Any) -> str:
    """``2k``, ``２Ｋ`` -> ``2K``; empty -> ``2K``; InvalidRequest for anything else."""
    if value is None or value == "":
        return "2K"
    text = _short(value).upper()
    if text not in RESOLUTIONS:
        raise InvalidRequest(
            "resolution", f"不支持的分辨率「{str(value)[:60]}」，可选：{'、'.join(RESOLUTIONS)}"
        )
    return text


def _short(value: Any) -> str:
    """Text that a ratio or resolution could be; nothing longer is worth a look."""
    return normal_text(str(value)[:60])


def read_whole_number(value: Any) -> int | None:
    """``3``, ``3.0``, ``"３"``, ``"3.0"`` -> 3; empty -> None; ValueError for anything else, also True."""
    if value is None or value == "":
        return None
    if isinstance(value, bool):
        raise ValueError(value)
    text = _short(value)
    if not re.fullmatch(r"[+-]?[0-9]{1,12}(\.0+)?", text):
        raise ValueError(value)
    return int(text.split(".")[0])


def _read_number(name: str, label: str, low: int, high: int, default: int | None) -> Any:
    def read(value: Any) -> int | None:
        complaint = InvalidRequest(name, f"{label}应为 {low}–{high} 的整数，现在是「{str(value)[:60]}」")
        try:
            number = read_whole_number(value)
        except ValueError:
            raise complaint from None
        if number is None or (name == "seed" and number == -1):
            return default
        if not low <= number <= high:
            raise complaint
        return number

    return read


def read_sample_images(value: Any) -> tuple[SampleImage, ...]:
    """A list of ``{"url", "filename"}`` (or its JSON text) -> reference images, at most 4."""
    if value in (None, "", []):
        return ()
    try:
        items = json.loads(value) if isinstance(value, str) else list(value)
        images = tuple(SampleImage(url=_words(i["url"]), filename=_words(i["filename"])) for i in items)
    except (ValueError, KeyError, TypeError, RecursionError):
        raise InvalidRequest("sample_images", "参考图应为 [{url, filename}] 的列表") from None
    if len(images) > MAX_REFERENCES:
        raise InvalidRequest("sample_images", f"参考图有 {len(images)} 张，最多 {MAX_REFERENCES} 张")
    return images


def _words(value: Any) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= MAX_REFERENCE_LENGTH:
        raise ValueError(value)
    return whole_characters(value)


_READERS = {
    "prompt": _read_text("prompt", "提示词", MAX_PROMPT_LENGTH, required=True),
    "negative_prompt": _read_text("negative_prompt", "负面提示词", MAX_PROMPT_LENGTH),
    "aspect_ratio": read_aspect_ratio,
    "resolution": read_resolution,
    "sample_images": read_sample_images,
    "num_images": _read_number("num_images", "生成数量", 1, MAX_PICTURES_A_ROW, 1),
    "filename": _read_text("filename", "文件名", MAX_FILENAME_LENGTH),
    "seed": _read_number("seed", "种子", 0, MAX_SEED, None),
    "steps": _read_number("steps", "采样步数", 1, MAX_STEPS, None),
}
