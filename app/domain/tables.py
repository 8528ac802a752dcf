"""Tables, their rows, the pictures that a row shows, and which of them count as bought."""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, NamedTuple

from app.domain.records import Status
from app.domain.requests import ImageRequest, RowExtras, is_empty_row
from app.domain.row_fields import MAX_PICTURES_A_ROW, TEXT_TEMPLATES
from app.domain.times import utc_text
from app.domain.variables import fill_rows
from app.errors import Message

# As many as a row may ask for; equal rows may have been made thousands of times.
KNOWN_PICTURES_A_NUMBER = MAX_PICTURES_A_ROW


class Standing(StrEnum):
    """What is known of a picture. All but TRASHED count as bought; CHARGED is a failure that was charged."""

    MADE = "made"
    UNDER_WAY = "under_way"
    UNKNOWN = "unknown"
    CHARGED = "charged"
    TRASHED = "trashed"


def standing_of(status: Status, *, is_trashed: bool, is_charged: bool) -> Standing | None:
    """What is known of a record's picture; None when it ended without one and without a charge."""
    match status:
        case Status.HELD | Status.QUEUED | Status.RUNNING:
            return Standing.UNDER_WAY
        case Status.UNKNOWN:  # in the trash too: its charge is open
            return Standing.UNKNOWN
        case Status.SUCCESS:
            return Standing.TRASHED if is_trashed else Standing.MADE
    return Standing.CHARGED if is_charged and not is_trashed else None


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownPicture:
    """A picture of a row; ``id`` is its record's, or -n for the n-th picture that the same plan orders."""

    id: int
    number: int
    standing: Standing


@dataclass(frozen=True, slots=True, kw_only=True)
class SkippedRow:
    """A row with pictures that were not ordered, and the records that have them."""

    row: int
    records: list[int]


MAX_ROWS_A_TABLE = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table of rows that somebody works on.

    ``own_columns`` are the names of the own columns in their order; ``model`` is that of the rows that name
    none, empty for the default; ``filled_on`` is the date that ``{日期}`` stands for; ``workbook_id`` the
    newest version of the file it came from. ``checked_with``: what the check of its rows depended on.
    ``recipe``: the JSON of the recipe as it was applied, or empty.
    """

    id: str
    name: str
    created_at: str
    updated_at: str
    version: int
    model: str = ""
    filled_on: str = ""
    own_columns: Sequence[str] = ()
    workbook_id: str | None = None
    checked_with: str = ""
    archived_at: str | None = None
    deleted_at: str | None = None
    recipe: str = ""


def new_table(name: str, *, today: str, **fields: Any) -> Table:
    """A table that is not stored yet; ``today`` is the local date."""
    now = datetime.now(UTC)
    at = utc_text(now)
    table_id = f"t{now:%Y%m%d-%H%M%S}-{secrets.token_hex(4)}"
    return Table(id=table_id, name=name, created_at=at, updated_at=at, version=0, filled_on=today, **fields)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A row of a table.

    cells      the fields as they stood in the file, with the own columns under ``columns``; empty: typed
    fields     those now, as typed, without empty ones; ``columns`` are the own columns now
    number     unique in its table, kept when the row moves
    is_gone    not in the newest version of the file
    version    of its last change
    product    the number of the row that a recipe made this one of, and ``role``: which of its roles; else 0

    What the check says: ``sent`` are the words of the request where they differ from the fields,
    ``filename`` is the name asked for, ``is_seeded``: each picture number is a picture of its own,
    ``price_micros`` is of one picture, None when it is not known, ``problems`` are (field, sentence).
    """

    id: int
    position: float
    number: int
    cells: Mapping[str, Any] = field(default_factory=dict)
    fields: Mapping[str, Any] = field(default_factory=dict)
    columns: Mapping[str, str] = field(default_factory=dict)
    sent: Mapping[str, Any] = field(default_factory=dict)
    filename: str = ""
    num_images: int = 1
    is_seeded: bool = False
    fingerprint: str = ""
    price_micros: int | None = None
    problems: Sequence[tuple[str, Message]] = ()
    is_gone: bool = False
    removed_at: str | None = None
    version: int = 0
    product: int = 0
    role: str = ""

    @property
    def is_empty(self) -> bool:
        """Whether nothing is asked for."""
        return is_empty_row(self.fields)


class RowPicture(NamedTuple):
    """A picture that a row shows: a record that was bought for it, or one of an equal row (``is_shared``).

    ``pick`` is ``keep``, ``reject`` or empty; ``error`` says why there is no picture; ``batch_id`` is empty
    without a batch.
    """

    record_id: int
    number: int
    status: Status
    fingerprint: str
    filename: str
    is_trashed: bool
    is_charged: bool
    cause: str
    is_shared: bool
    pick: str = ""
    width: int | None = None
    height: int | None = None
    error: Message | None = None
    model: str = ""
    batch_id: str = ""

    @property
    def standing(self) -> Standing | None:
        """What is known of the picture; None for one that ended without a picture and without a charge."""
        return standing_of(self.status, is_trashed=self.is_trashed, is_charged=self.is_charged)


def typed_fields(request: ImageRequest, extras: RowExtras, number: int, table: Table) -> dict[str, Any]:
    """The fields of a row as typed, from what was asked for it with the own columns of its table.

    They have ``templates`` where the typed forms are not known, as the row was changed since or filled by an
    earlier version: then it is taken as it is.
    """
    sent, templates = _sent_fields(request, table), extras.templates
    as_sent = {**sent, "templates": dict(templates)}
    if templates and extras.position is None:
        return as_sent
    literal = {name: value for name, value in sent.items() if name not in templates}
    texts = [literal.get(name, "") for name in ("prompt", "negative_prompt", "filename")]
    texts += [image["filename"] for image in literal.get("sample_images", ())]
    if any("{" in text for text in texts):
        return as_sent
    if not templates:
        return sent
    fields = {**sent, **templates, "position": extras.position}
    row = {**fields, "columns": extras.columns}
    (filled,) = fill_rows([row], [number], date=table.filled_on, own_names=table.own_columns)
    found = filled.fields or {}
    is_same = all(found.get(name, "") == getattr(request, name) for name in TEXT_TEMPLATES)
    return fields if is_same else as_sent


def _sent_fields(request: ImageRequest, table: Table) -> dict[str, Any]:
    """The fields of a request that are not empty; without the model of its table."""
    sent: dict[str, Any] = {
        name: value
        for name in ImageRequest.__dataclass_fields__
        if (value := getattr(request, name)) not in (None, "", ())
    }
    if request.sample_images:
        images = request.sample_images
        sent["sample_images"] = [{"url": image.url, "filename": image.filename} for image in images]
    if request.model == table.model:
        sent.pop("model", None)
    return sent


def sent_words(request: ImageRequest, extras: RowExtras) -> dict[str, Any]:
    """The words of the request where they differ from the typed ones."""
    return {name: getattr(request, name) for name in TEXT_TEMPLATES if name in extras.templates}
