"""The domain types: requests, records and batches, and what an image model accepts.

Frozen dataclasses and their validation, no I/O. Re-exports ``validation``, ``references`` and ``sizes``;
other packages import from here.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from app.domain.references import FILES_URL as FILES_URL
from app.domain.references import PINNED as PINNED
from app.domain.references import WHOLE_DIGEST as WHOLE_DIGEST
from app.domain.references import LibraryImage as LibraryImage
from app.domain.references import LibraryPage as LibraryPage
from app.domain.references import Reference as Reference
from app.domain.references import ReferenceInfo as ReferenceInfo
from app.domain.references import ReferenceLimits as ReferenceLimits
from app.domain.references import SampleImage as SampleImage
from app.domain.references import ValidatedUpload as ValidatedUpload
from app.domain.sizes import ASPECT_RATIOS as ASPECT_RATIOS
from app.domain.sizes import RESOLUTION_AREAS as RESOLUTION_AREAS
from app.domain.sizes import RESOLUTIONS as RESOLUTIONS
from app.domain.sizes import Size as Size
from app.domain.sizes import exact_size as exact_size
from app.domain.sizes import nearest_choice as nearest_choice
from app.domain.validation import MAX_FILENAME_LENGTH as MAX_FILENAME_LENGTH
from app.domain.validation import MAX_PICTURES_A_ROW as MAX_PICTURES_A_ROW
from app.domain.validation import MAX_PROMPT_LENGTH as MAX_PROMPT_LENGTH
from app.domain.validation import MAX_REFERENCE_LENGTH as MAX_REFERENCE_LENGTH
from app.domain.validation import MAX_REFERENCES as MAX_REFERENCES
from app.domain.validation import MAX_SEED as MAX_SEED
from app.domain.validation import MAX_STEPS as MAX_STEPS
from app.domain.validation import READERS
from app.domain.validation import normal_text as normal_text
from app.domain.validation import read_aspect_ratio as read_aspect_ratio
from app.domain.validation import read_resolution as read_resolution
from app.domain.validation import read_sample_images as read_sample_images
from app.domain.validation import read_whole_number as read_whole_number
from app.domain.validation import trimmed_text as trimmed_text
from app.domain.validation import visible_text as visible_text
from app.domain.validation import whole_characters as whole_characters
from app.errors import InvalidRequest

MAX_ROWS_A_BATCH = 5_000
MAX_PICTURES_A_BATCH = 10_000
MAX_ROW_NUMBER = 9_999_999
MAX_BATCH_NAME_LENGTH = 200
# A row in which all of these are empty is skipped: not imported, validated, counted or submitted.
CONTENT_FIELDS = ("prompt", "negative_prompt", "filename", "sample_images")
MAX_ID = 2**63 - 1  # the largest SQLite integer


class Status(StrEnum):
    """Status of a record: queued, running, then one of four final states."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCESS = "success"
    FAILED = "failed"
    UNKNOWN = "unknown"
    CANCELLED = "cancelled"


class BatchStatus(StrEnum):
    """Status of a batch, derived from its records and its paused flag."""

    QUEUED = "queued"
    RUNNING = "running"
    PAUSED = "paused"
    FINISHED = "finished"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageRequest:
    """Everything asked of the model for the ``num_images`` pictures of one row."""

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
        """Parse untrusted fields (form, JSON or spreadsheet). Raises the first InvalidRequest."""
        request, problems = cls.read(fields)
        if request is None:
            raise problems[0]
        return request

    @classmethod
    def read(cls, fields: Mapping[str, Any]) -> tuple[ImageRequest | None, list[InvalidRequest]]:
        """Parse untrusted fields -> (request, []) or (None, all errors in the order of READERS)."""
        values: dict[str, Any] = {}
        problems: list[InvalidRequest] = []
        for name, read in READERS.items():
            try:
                values[name] = read(fields.get(name))
            except InvalidRequest as problem:
                problems.append(problem)
        return (None, problems) if problems else (cls(**values), [])

    def seed_of(self, picture_number: int) -> int | None:
        """The row's seed plus the picture's offset: an equal seed would pay for the same picture twice."""
        return None if self.seed is None else (self.seed + picture_number - 1) % (MAX_SEED + 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSetup:
    """How to set up an image model, for the model page.

    title      name of the model family; ``about`` describes it in one sentence
    variables  variable of ``.env`` -> example value, in display order; empty: no key needed
    keys_at    URL where keys are issued, ``keys_from`` the issuer; empty for self-hosted services
    free       the text shown for a price of 0
    """

    title: str
    about: str
    variables: Mapping[str, str]
    keys_at: str = ""
    keys_from: str = ""
    free: str = "不花钱"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSpec:
    """Capabilities and prices of an image model; pages and validation are driven by it.

    name             value of IMAGE_MODEL; ``label`` is the display name, ``model_id`` the service's own id
    sizes            (aspect ratio, resolution) -> size; a missing pair is not offered
    prompt_limit     recommended maximum in characters; a longer prompt is a warning, not an error
    max_references   0 = no reference images; ``reference_form`` "url" = public addresses only,
                     "bytes" = uploaded as bytes, "any" = either
    reference_limits limits on each reference image, where the service documents them
    negative_prompt  "field" = a field of its own, "folded" = appended to the prompt
    prices           resolution -> CNY per picture; empty: unknown (no public price, none configured).
                     ``price_extra_reference`` is added for each reference after the first
    self_hosted      runs in this process or on the user's own server: while no price is configured, a
                     request is never charged, whatever its outcome. A price of 0 alone does not imply that
    setup            content of the model page
    notes            field name -> why the model ignores it, or what happens to it
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
    setup: ModelSetup
    price_extra_reference: Decimal = Decimal(0)
    self_hosted: bool = False
    reference_limits: ReferenceLimits | None = None
    field_notes: Mapping[str, str] = field(default_factory=dict)

    @property
    def local_reference_problem(self) -> str:
        """Why local images cannot be used as references, and what to do; empty when they can."""
        if self.reference_form != "url" or not self.max_references:
            return ""
        return (
            f"{self.label} 只接受公网地址的参考图，这台电脑上的图片用不了；请在 .env 里打开 OSS，或换一个模型"
        )

    def size(self, request: ImageRequest) -> Size:
        """Size in pixels for this request. Raises KeyError for a size that ``validate`` rejects."""
        return self.sizes[request.aspect_ratio, request.resolution]

    @property
    def is_priced(self) -> bool:
        """Whether the price is known; 0 is a known price."""
        return bool(self.prices)

    @property
    def costs_nothing(self) -> bool:
        """Whether every price is known to be 0."""
        return self.is_priced and not any(self.prices.values())

    def price(self, request: ImageRequest) -> Decimal | None:
        """CNY for one picture of this request; None if unknown."""
        if not self.is_priced:
            return None
        extra = max(len(request.sample_images) - 1, 0)
        return self.prices.get(request.resolution, Decimal(0)) + self.price_extra_reference * extra

    def is_free(self, request: ImageRequest) -> bool:
        """Whether this request can never be charged, so that it is safe to resubmit."""
        return self.self_hosted and self.price(request) == 0

    def validate(
        self, request: ImageRequest, facts: Mapping[str, ReferenceInfo] = MappingProxyType({})
    ) -> list[InvalidRequest]:
        """Errors of this request for this model, found before it is charged; empty when valid.

        ``facts`` maps the URL of a reference image to its known properties.
        """
        found = self.unsupported(request)
        refusal = self.local_reference_problem
        if refusal and not all(_is_web_url(image.url) for image in request.sample_images):
            found.append(InvalidRequest("sample_images", refusal))
        for image in request.sample_images:
            found.extend(_reference_problems(image, facts.get(image.url), self))
        return found

    def unsupported(self, request: ImageRequest) -> list[InvalidRequest]:
        """Errors for a size or a number of references this model does not support."""
        found = []
        if (request.aspect_ratio, request.resolution) not in self.sizes:
            offered = "、".join(r for r in RESOLUTIONS if (request.aspect_ratio, r) in self.sizes)
            text = f"{self.label} 没有 {request.aspect_ratio} 的 {request.resolution}，可选：{offered}"
            found.append(InvalidRequest("resolution", text))
        if len(request.sample_images) > self.max_references:
            text = (
                self.field_notes.get("sample_images")
                or f"{self.label} 最多接受 {self.max_references} 张参考图"
            )
            found.append(InvalidRequest("sample_images", text))
        return found

    def strip_unsupported(self, request: ImageRequest) -> ImageRequest:
        """The request without the fields this model ignores, so that they are not recorded as used."""
        return replace(
            request,
            seed=request.seed if self.takes_seed else None,
            steps=request.steps if self.takes_steps else None,
        )


def _is_web_url(url: str) -> bool:
    return url.startswith(("https://", "http://"))


def _reference_problems(
    image: SampleImage, facts: ReferenceInfo | None, spec: ModelSpec
) -> Iterator[InvalidRequest]:
    if facts is None:
        return
    if facts.is_missing:
        yield InvalidRequest("sample_images", f"参考图「{image.filename}」找不到了，请重新选择")
    elif spec.reference_limits and (why := spec.reference_limits.violation(facts)):
        yield InvalidRequest("sample_images", f"{spec.label} 用不了参考图「{image.filename}」：它{why}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One picture, from queued to saved: a row of ``generation_records``.

    Times are UTC, ``YYYY-MM-DD HH:MM:SS`` (with milliseconds for started and finished). ``cost`` is CNY
    charged for it, ``at_stake`` CNY possibly charged (outcome unknown); None: the price is unknown.
    ``filename`` and ``image_path`` are empty until the picture is saved; ``reserved_stem`` is the base name
    reserved when queued. ``version`` is the global change counter at its last change. ``task_id`` is the
    provider's, ``crash_count`` the number of worker crashes. ``not_before`` is a Unix time.
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
    cost: Decimal | None
    at_stake: Decimal | None
    favourite: bool
    started_at: str | None
    finished_at: str | None
    deleted_at: str | None
    row_number: int
    picture_number: int
    reserved_stem: str
    requested_filename: str
    task_id: str | None
    attempts: int
    retries: int
    throttle_count: int
    not_before: float
    version: int
    file_size: int | None = None
    sha256: str = ""
    crash_count: int = 0

    @property
    def charged(self) -> bool:
        """Whether it ended charged and without a task id to fetch: a retry is charged again."""
        return self.status in (Status.FAILED, Status.CANCELLED) and self.task_id is None and self.cost != 0

    @property
    def request(self) -> ImageRequest:
        """The request for this picture, with its pinned references."""
        return ImageRequest(
            prompt=self.prompt,
            negative_prompt=self.negative_prompt,
            aspect_ratio=self.aspect_ratio,
            resolution=self.resolution,
            num_images=self.num_images,
            filename=self.requested_filename,
            seed=self.seed,
            steps=self.steps,
            sample_images=tuple(image.pinned for image in self.sample_images),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Records submitted together. Costs are CNY, None when a price in them is unknown; ``eta_seconds``
    is extrapolated from the measured rate. ``retryable`` counts records that failed without a charge.
    """

    id: str
    name: str
    created_at: str
    status: BatchStatus
    paused_reason: str
    total: int
    counts: Mapping[Status, int]
    cost: Decimal | None
    at_stake: Decimal | None
    estimated_cost: Decimal | None
    eta_seconds: int | None
    version: int
    source: str
    retryable: int = 0

    @property
    def done(self) -> int:
        """Number of pictures in a final state."""
        return self.total - self.counts[Status.QUEUED] - self.counts[Status.RUNNING]


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    """One line of a batch's log; ``level`` is info, warning or error."""

    at: str
    level: str
    text: str
    record_id: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneratedImage:
    """A picture as the provider returned it, not yet validated; ``seed`` if the service reports it."""

    content: bytes
    seed: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedImage:
    """A decoded and saved picture: real size and format (``png``, ``jpeg``, ``webp``), final name."""

    filename: str
    width: int
    height: int
    format: str
    file_size: int
    sha256: str


def file_key(stem: str) -> str:
    """Key under which Windows and macOS treat two file names as equal: case-folded NFC without joiners."""
    folded = unicodedata.normalize("NFC", unicodedata.normalize("NFC", stem).casefold())
    return folded.translate({0x200C: None, 0x200D: None})
