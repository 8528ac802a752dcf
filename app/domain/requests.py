"""What is asked of the model for one row, and what it has besides: own columns, and its fields as typed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from app.domain.edits import Edit
from app.domain.references import DIGEST_LENGTH, SampleImage
from app.domain.row_fields import CONTENT_FIELDS, MAX_PROMPT_LENGTH, MAX_SEED, OPTIONS, TEXT_TEMPLATES
from app.domain.sizes import own_size
from app.domain.validation import READERS, read_sample_images, trimmed_text, whole_characters
from app.errors import InvalidRequest

MAX_OWN_COLUMNS = 50
MAX_OWN_NAME_LENGTH = 100
MAX_OWN_TEXT_LENGTH = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class RowExtras:
    """The own columns of a row, in the sheet's order, and those of its fields whose typed form differs.

    ``position`` is its ``{序号}``; None for a row that was filled before.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    templates: Mapping[str, Any] = field(default_factory=dict)
    position: int | None = None


def own_column_names(rows: Iterable[Mapping[str, str]]) -> list[str]:
    """The names of the own columns of all rows, in the order of first appearance."""
    return list(dict.fromkeys(name for columns in rows for name in columns))


def column_name(text: str) -> str:
    """A header as the name of an own column: white space folded."""
    return trimmed_text(" ".join(text.split()))


def read_columns(value: Any) -> dict[str, str]:
    """Untrusted own columns -> name to text. Raises InvalidRequest."""
    if not isinstance(value or {}, Mapping):
        raise InvalidRequest("columns", "columns 应为列名到文字的对象")
    columns = {column_name(name): text for name, text in (value or {}).items()}
    if not all(isinstance(text, str) for text in columns.values()):
        raise InvalidRequest("columns", "columns 应为列名到文字的对象")
    if len(columns) > MAX_OWN_COLUMNS:
        text = "自己的列有 {n} 列，最多 {limit} 列"
        raise InvalidRequest("columns", text, n=len(columns), limit=MAX_OWN_COLUMNS)
    for name, cell in columns.items():
        if not 0 < len(name) <= MAX_OWN_NAME_LENGTH:
            raise InvalidRequest("columns", "列名应为 1–{limit} 个字", limit=MAX_OWN_NAME_LENGTH)
        if len(cell) > MAX_OWN_TEXT_LENGTH:
            text, limit = "「{name}」有 {n} 字，自己的列一格最多 {limit} 字", MAX_OWN_TEXT_LENGTH
            raise InvalidRequest("columns", text, name=name, n=len(cell), limit=limit)
    return {name: whole_characters(cell) for name, cell in columns.items()}


def read_templates(value: Any) -> dict[str, Any]:
    """Untrusted ``templates`` of a record, to make it again. Raises InvalidRequest."""
    if not isinstance(value, Mapping) or not set(value) <= {*TEXT_TEMPLATES, "sample_images"}:
        raise InvalidRequest("templates", "templates 应为记录里的 templates")
    texts = {name: value[name] for name in TEXT_TEMPLATES if name in value}
    if not all(isinstance(text, str) and len(text) <= MAX_PROMPT_LENGTH for text in texts.values()):
        raise InvalidRequest("templates", "templates 应为记录里的 templates")
    images = read_sample_images(value.get("sample_images"))
    names = [{"url": image.url, "filename": image.filename} for image in images]
    texts = {name: whole_characters(text) for name, text in texts.items()}
    return {**texts, "sample_images": names} if names else texts


FINGERPRINT_LENGTH = 32  # hexadecimal digits


def is_empty_row(fields: Mapping[str, Any]) -> bool:
    """Whether an untrusted row has nothing in any of CONTENT_FIELDS."""
    values = (fields.get(name) for name in CONTENT_FIELDS)
    return not any(trimmed_text(value) if isinstance(value, str) else value for value in values)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageRequest:
    """Everything asked of the model for the ``num_images`` pictures of one row.

    ``model`` is the id of the model; before it is looked up, what the user wrote, or empty for the default.
    ``reference_strength`` is in percent. With ``edit`` the first reference is changed, a second is its mask;
    ``row_print`` is the fingerprint of the row whose picture was changed, beside which the new one is shown.
    """

    prompt: str
    negative_prompt: str = ""
    aspect_ratio: str = "1:1"
    resolution: str = "2K"
    num_images: int = 1
    filename: str = ""
    seed: int | None = None
    steps: int | None = None
    sample_images: tuple[SampleImage, ...] = ()
    model: str = ""
    reference_strength: int | None = None
    background: str = ""
    output_format: str = ""
    quality: str = ""
    edit: Edit | None = None
    row_print: str = ""

    @property
    def pictures(self) -> tuple[SampleImage, ...]:
        """The references that are shown to the model: without the mask."""
        return self.sample_images[:1] if self.edit else self.sample_images

    @property
    def asked_options(self) -> dict[str, Any]:
        """The OPTIONS that are set, and how a picture is changed, as JSON."""
        return self.options | ({"edit": self.edit.to_json()} if self.edit else {})

    @property
    def options(self) -> dict[str, str | int]:
        """The OPTIONS that are set."""
        return {name: value for name in OPTIONS if (value := getattr(self, name)) not in (None, "")}

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
            value = fields.get(name)
            if value in (None, "") and name != "prompt":
                continue  # the default
            try:
                values[name] = read(value)
            except InvalidRequest as problem:
                problems.append(problem)
        if problems:
            return None, problems
        # An own size, which may be written as the ratio, is the resolution, with the nearest ratio beside it.
        # What stands at the other field stays where it says something else than the default, which also
        # stands for an empty field: the check tells that the two differ.
        ratio, resolution = values.get("aspect_ratio", "1:1"), values.get("resolution", "2K")
        if (size := own_size(ratio)) and resolution in ("2K", str(size)):
            values |= {"aspect_ratio": size.aspect_ratio, "resolution": str(size)}
        elif ratio == "1:1" and (size := own_size(resolution)):
            values["aspect_ratio"] = size.aspect_ratio
        return cls(**values), []

    def sized(self, aspect_ratio: str | None, resolution: str | None) -> ImageRequest:
        """The request with another ratio or resolution; either may be an own size, which brings both."""
        own = own_size(aspect_ratio or "") or own_size(resolution or "")
        if own and not (aspect_ratio and resolution):
            return replace(self, aspect_ratio=own.aspect_ratio, resolution=str(own))
        ratio, resolution = aspect_ratio or self.aspect_ratio, resolution or self.resolution
        return replace(self, aspect_ratio=ratio, resolution=resolution)

    def seed_of(self, picture_number: int) -> int | None:
        """The row's seed plus the picture's offset: an equal seed would pay for the same picture twice."""
        return None if self.seed is None else (self.seed + picture_number - 1) % (MAX_SEED + 1)

    def of_row(self, picture_number: int) -> ImageRequest:
        """The request of the row, from one that has the seed of this picture."""
        if self.seed is None:
            return self
        return replace(self, seed=(self.seed - picture_number + 1) % (MAX_SEED + 1))


def fingerprint(request: ImageRequest) -> str:
    """The fingerprint of a row, equal for requests that ask the same of the same model.

    File name and number of pictures do not count, references count by content where it is known.
    ``request`` must have the id of its model, and be without the fields that the model ignores.
    """
    options = request.asked_options
    images = request.sample_images  # the first digits of the hash are in every pinned form
    contents = (image.sha256[:DIGEST_LENGTH] or image.etag or image.url for image in images)
    asked = (
        *(request.model, request.prompt, request.negative_prompt, request.aspect_ratio, request.resolution),
        *(request.seed, request.steps, *contents),
        *([options] if options else ()),
    )
    return hashlib.sha256(json.dumps(asked).encode()).hexdigest()[:FINGERPRINT_LENGTH]
