"""Records, from queued to saved, and their pictures."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from app.domain.edits import MASK
from app.domain.marks import marks_of
from app.domain.references import SampleImage
from app.domain.requests import ImageRequest
from app.domain.row_extras import RowExtras
from app.domain.sizes import Size, own_size
from app.domain.validation import normalised
from app.errors import Message, message

MAX_ID = 2**63 - 1  # the largest SQLite integer


class Status(StrEnum):
    """Status of a record: held until a sample is released, queued, running, then one of four final states."""

    HELD = "held"
    QUEUED = "queued"
    RUNNING = "running"
    SUCCESS = "success"
    FAILED = "failed"
    UNKNOWN = "unknown"
    CANCELLED = "cancelled"


STATUS_LABELS = {  # in the order of their filters
    Status.SUCCESS: "成功",
    Status.FAILED: "失败",
    Status.UNKNOWN: "结果未知",
    Status.CANCELLED: "已取消",
    Status.RUNNING: "生成中",
    Status.QUEUED: "等待中",
    Status.HELD: "等放行",
}


class Pick(StrEnum):
    """The user's choice of a picture."""

    KEEP = "keep"
    REJECT = "reject"


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One picture, from queued to saved: a row of ``generation_records``.

    Times are UTC, ``YYYY-MM-DD HH:MM:SS`` (with milliseconds for started and finished). ``cost`` is CNY
    charged for it, ``at_stake`` CNY possibly charged (outcome unknown); None: the price is unknown.
    ``filename`` and ``image_path`` are empty until the picture is saved; ``reserved_stem`` is the base name
    reserved when queued. ``version`` is the global change counter at its last change. ``task_id`` is the
    provider's, ``crash_count`` the number of worker crashes. ``not_before`` is a Unix time. ``columns`` are
    the user's own, ``templates`` the fields whose typed form differs. ``pick`` is a Pick, or empty.
    ``position`` is the row's ``{序号}``, None when it was filled before. ``options`` are
    those of the request, ``marks`` are described in ``app.domain.marks``.
    """

    id: int
    created_at: str
    prompt: str
    negative_prompt: str
    aspect_ratio: str
    resolution: str
    width: int | None = None
    height: int | None = None
    num_images: int
    seed: int | None = None
    steps: int | None = None
    sample_images: tuple[SampleImage, ...] = ()
    image_path: str = ""
    filename: str = ""
    batch_id: str | None
    status: Status
    model: str
    error: Message
    cause: str = ""
    cost: Decimal | None = Decimal(0)
    at_stake: Decimal | None = Decimal(0)
    started_at: str | None = None
    finished_at: str | None = None
    deleted_at: str | None = None
    row_number: int
    picture_number: int = 1
    reserved_stem: str = ""
    requested_filename: str
    task_id: str | None = None
    attempts: int = 0
    retries: int = 0
    throttle_count: int = 0
    not_before: float = 0.0
    version: int
    file_size: int | None = None
    sha256: str = ""
    crash_count: int = 0
    columns: Mapping[str, str] = field(default_factory=dict)
    templates: Mapping[str, Any] = field(default_factory=dict)
    pick: str = ""
    position: int | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    marks: Mapping[str, Any] = field(default_factory=lambda: marks_of({}))

    @property
    def charged(self) -> bool:
        """Whether it ended charged and without a task id to fetch: a retry is charged again."""
        return self.status in (Status.FAILED, Status.CANCELLED) and self.task_id is None and self.cost != 0

    @property
    def seconds(self) -> float | None:
        """Seconds from when a worker last took it until it ended; None when it has not ended."""
        if not (self.started_at and self.finished_at):
            return None
        started, finished = map(datetime.fromisoformat, (self.started_at, self.finished_at))
        return (finished - started).total_seconds()

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
            model=self.model,
            **self.options,
        )

    @property
    def missed_size(self) -> Size | None:
        """The width and height that were asked for, where the picture has others."""
        own = own_size(self.resolution)
        return own if own and self.width and (self.width, self.height) != (own.width, own.height) else None

    @property
    def is_masked(self) -> bool:
        """Whether it changes a part of a picture, which the second of its references marks."""
        edit = self.options.get("edit")
        return bool(edit and edit.kind == MASK)

    @property
    def label(self) -> Message:
        """``第 3 行 · 第 2 张``: the prefix of its log lines."""
        is_one = max(self.num_images, self.picture_number) == 1
        text = "第 {row} 行" if is_one else "第 {row} 行 · 第 {picture} 张"
        return message(text, row=self.row_number, picture=self.picture_number)

    @property
    def row_request(self) -> ImageRequest:
        """The request of its row, which has the row's seed."""
        return self.request.of_row(self.picture_number)

    @property
    def extras(self) -> RowExtras:
        """What its row has besides the request."""
        return RowExtras(columns=self.columns, templates=self.templates, position=self.position)


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneratedImage:
    """A picture as the provider returned it, not yet validated; ``seed`` if the service reports it.

    ``watermark``: whether the visible mark was asked for, where that is decided when the picture is fetched.
    ``tagged``: whether the service says that it wrote the implicit mark; None: it was not asked to.
    """

    content: bytes
    seed: int | None = None
    watermark: bool | None = None
    tagged: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedImage:
    """A decoded and saved picture: real size and format (``png``, ``jpeg``, ``webp``), final name, and the
    seed in its embedded parameters. ``marks``: see ``app.domain.marks``. ``oss_key`` is that of the object
    when pictures are stored in OSS. ``drops_another``: it was there, and the one received is dropped."""

    filename: str
    width: int
    height: int
    format: str
    file_size: int
    sha256: str
    seed: int | None = None
    marks: Mapping[str, Any] = field(default_factory=dict)
    oss_key: str = ""
    drops_another: bool = False


def file_key(stem: str) -> str:
    """Key under which Windows and macOS treat two file names as equal: case-folded NFC without joiners."""
    if stem.isascii():
        return stem.lower()
    folded = normalised("NFC", normalised("NFC", stem).casefold())
    return folded.replace("\u200c", "").replace("\u200d", "")
