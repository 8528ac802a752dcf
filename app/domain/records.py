"""Records, from queued to saved, their pictures, and the changes of one before it is made again."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from app.domain.edits import MASK
from app.domain.references import SampleImage
from app.domain.requests import ImageRequest, RowExtras
from app.domain.row_fields import CHANGEABLE
from app.domain.sizes import Size, own_size
from app.domain.validation import READERS, normalised
from app.errors import InvalidRequest, Message, message

EDGE_SEEN_FROM = 10.0  # of 255
PLACES: Mapping[str, str] = {"xmp": "XMP", "png": "PNG tEXt", "exif": "EXIF UserComment", "app11": "APP11"}


def marks_of(stored: Mapping[str, Any]) -> dict[str, Any]:
    """The marks that say a picture is AI-generated, as stored; what is not of their form counts as not looked
    at or is left out.

    ``visible`` is whether the service was asked for its visible mark; None: not recorded, or no switch.
    ``aigc`` is the implicit mark of GB 45438-2025, ``{"place": a key of PLACES, "fields": {name: text}}``;
    False when none was found, None when the file was not looked at. ``tagged``, where the service was asked
    for that mark, is whether it says that it wrote it. ``c2pa`` is whether there is a C2PA manifest, which is
    not verified; None when not looked at. ``laid``, of a picture that was changed through a mask, is the
    difference at its edge (``app.images.masks``); False when the answer could not be laid over.
    """
    aigc = stored.get("aigc")
    if isinstance(aigc, Mapping) and aigc.get("place") in PLACES:
        fields = aigc.get("fields")
        texts = {str(name): str(text) for name, text in fields.items()} if isinstance(fields, Mapping) else {}
        aigc = {"place": aigc["place"], "fields": texts}
    elif aigc is not False:
        aigc = None
    more = {"tagged": stored["tagged"]} if isinstance(stored.get("tagged"), bool) else {}
    if (laid := stored.get("laid")) is False or type(laid) in (int, float):
        more["laid"] = laid
    visible, c2pa = _flag(stored.get("visible")), _flag(stored.get("c2pa"))
    return {"visible": visible, "aigc": aigc, "c2pa": c2pa, **more}


def mark_word(marks: Mapping[str, Any]) -> Message:
    """Whether a picture says that it is AI-generated: in view, as the service was asked, or in its file."""
    if any(value for name, value in marks.items() if name != "laid"):
        return message("有")
    return message("没有" if marks["aigc"] is False else "未检查")


def edge_problem(marks: Mapping[str, Any]) -> Message | None:
    """What is to be looked at in a picture that was changed through a mask; None when nothing is."""
    if marks.get("laid") is False:
        return message("没能盖回原图：没涂的地方也可能变了，请对照原图看一遍")
    if marks.get("laid", 0) >= EDGE_SEEN_FROM:
        return message("边缘可能看得出，请放大看看；不满意就把范围涂大一些再改")
    return None


def _flag(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


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
    those of the request, ``marks`` are described in ``marks_of``.
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
    seed in its embedded parameters. ``marks``: see ``marks_of``. ``oss_key`` is that of the object
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


Changes = Mapping[str, Any]  # field -> its new value, as an ImageRequest has it

_MAX_SHOWN = 200


def read_changes(fields: Mapping[str, Any]) -> tuple[dict[str, Any], list[InvalidRequest]]:
    """Parse untrusted fields -> (the changes, the problems with the others); null changes nothing.

    An own size changes the ratio too.
    """
    changes: dict[str, Any] = {}
    problems: list[InvalidRequest] = []
    for name, value in fields.items():
        if value is not None:
            try:
                changes[name] = READERS[name](value)
            except InvalidRequest as problem:
                problems.append(problem)
    own = own_size(changes.get("aspect_ratio", "")) or own_size(changes.get("resolution", ""))
    if own and len(changes.keys() & {"aspect_ratio", "resolution"}) == 1:
        changes |= {"aspect_ratio": own.aspect_ratio, "resolution": str(own)}
    return changes, problems


def changed_request(record: Record, changes: Changes) -> ImageRequest:
    """The request of the record with these changes, and with pinned references."""
    request = replace(record.request, **changes)
    return replace(request, sample_images=tuple(image.pinned for image in request.sample_images))


def differing(record: Record, changes: Changes) -> dict[str, Any]:
    """Those of the changes whose value the record does not have yet."""
    before, after = record.request, changed_request(record, changes)
    return {name: changes[name] for name in changes if getattr(before, name) != getattr(after, name)}


def earlier_values(record: Record, changes: Changes) -> tuple[Message, ...]:
    """What the record has in the changed fields, cut to a line of a log."""
    return tuple(_shown(getattr(record, name)) for name in CHANGEABLE if name in changes)


def _shown(value: Any) -> Message:
    text = value if isinstance(value, str) else "、".join(image.filename for image in value)
    if not text:
        return message("（空）")
    return message("「{value}」", value=text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}…")
