"""看图: the pictures of a batch by rows, to choose among them and to release rows that were held back."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from flask import Blueprint, make_response, render_template, request, url_for
from werkzeug.wrappers import Response

import database
from app.domain import ASPECT_RATIOS, Batch, BatchStatus, Record, Status
from app.errors import InvalidRequest
from app.web.batch_columns import batch_model
from app.web.etags import etag_matches, with_etag
from app.web.formatting import model_label, resolutions
from app.web.page_model import model_choices
from app.web.pagination import page_numbers
from app.web.params import int_arg, whole_number
from app.web.services import connection, services

ROWS_A_PAGE = 100
_MAX_COLUMNS_LENGTH = 80  # characters of own columns shown beside a row
bp = Blueprint("pictures", __name__)


@dataclass(frozen=True, slots=True)
class PictureRow:
    """One row of the batch: its number, and its records by picture number.

    ``beside`` are those of the same row of the batch that it is compared with.
    """

    number: int
    records: Sequence[Record]
    beside: Sequence[Record] = ()

    @property
    def first(self) -> Record:
        """The record with the words of the row as they were submitted."""
        return min(self.records, key=lambda record: record.id)

    @property
    def latest(self) -> Record:
        """The record that another picture of the row starts from: the newest one made, else the newest."""
        made = [record for record in self.records if record.status is Status.SUCCESS]
        return max(made or self.records, key=lambda record: record.id)

    @property
    def count(self) -> int:
        """The number of its pictures in both batches."""
        return len(self.records) + len(self.beside)

    @property
    def is_many(self) -> bool:
        """Whether it has several pictures in one batch."""
        return max(len(self.records), len(self.beside)) > 1

    @property
    def failed(self) -> list[int]:
        """The records to try again instead of making another: failed and not charged, when none was made."""
        if any(record.status not in (Status.FAILED, Status.CANCELLED) for record in self.records):
            return []
        return [r.id for r in self.records if r.status is Status.FAILED and not r.charged]

    @property
    def can_change(self) -> bool:
        """Whether another picture can be made of the row, or its failed ones tried again."""
        return self.latest.status in (Status.SUCCESS, Status.FAILED)

    @property
    def changed(self) -> list[Record]:
        """Records whose prompt is not that of the row."""
        return [record for record in self.records if record.prompt != self.first.prompt]

    @property
    def columns(self) -> dict[str, str]:
        """The own columns of the row; empty when they are too long to stand beside it."""
        columns = {name: text for name, text in self.first.columns.items() if text}
        length = sum(len(name) + len(text) for name, text in columns.items())
        return columns if length <= _MAX_COLUMNS_LENGTH else {}

    @property
    def price(self) -> Decimal | None:
        """CNY for another picture like the latest; None when it is not known."""
        return services().models.price(replace(self.latest.request, num_images=1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One of two batches that are compared."""

    batch: Batch
    speed: database.Speed

    @property
    def average_cost(self) -> Decimal | None:
        """CNY for one picture that was made, what failed included; None when not known."""
        made, cost = self.batch.counts[Status.SUCCESS], self.batch.cost
        return None if cost is None or not made else cost / made


@dataclass(frozen=True, slots=True, kw_only=True)
class PicturesPage:
    """A page of rows; ``counts`` are the numbers of rows by group.

    ``sides`` are the batch and the one that it is compared with; empty when it is with none.
    """

    batch: Batch
    group: str
    counts: dict[str, int]
    page: int
    rows: list[PictureRow]
    sides: Sequence[Side] = ()

    @property
    def other(self) -> Batch | None:
        """The batch whose pictures are shown beside those of this one."""
        return self.sides[1].batch if self.sides else None

    @property
    def batches(self) -> list[Batch]:
        """The batch, and the one beside it."""
        return [side.batch for side in self.sides] or [self.batch]

    @property
    def status(self) -> BatchStatus:
        """The status of the batch, or of the one beside it while that is under way."""
        under_way = (BatchStatus.QUEUED, BatchStatus.RUNNING)
        return next((one.status for one in self.batches if one.status in under_way), self.batch.status)

    @property
    def version(self) -> int:
        """The version that the page is current to."""
        return max(batch.version for batch in self.batches)

    def pictures_of(self, row: PictureRow) -> list[tuple[Batch, Sequence[Record]]]:
        """The records of a row, by batch."""
        return list(zip(self.batches, (row.records, row.beside), strict=False))

    @property
    def pages(self) -> int:
        """The number of pages, at least 1."""
        return _pages(self.counts[self.group])

    def numbers(self) -> list[int]:
        """See ``page_numbers``."""
        return page_numbers(self.page, self.pages)

    def link(self, *, group: str = "", page: int = 1, beside: str | None = None) -> str:
        """The URL of another group, of another page of this one, or of another batch (or none) beside it."""
        group = group or self.group
        if beside is None:
            beside = self.other.id if self.other else ""
        shown: dict[str, Any] = {
            "show": group if group != "all" else None,
            "page": page if page > 1 else None,
            "with": beside or None,
        }
        return url_for("pictures.index", id=self.batch.id, **shown)


@bp.get("/batch/pictures")
def index() -> str:
    """The rows of the batch ``?id=`` in the group ``?show=``, beside those of the batch ``?with=``.

    Raises NotFound, InvalidRequest.
    """
    spec = services().spec
    found = _load_page()
    return render_template(
        "pages/pictures.html",
        found=found,
        same_rows=database.list_same_rows(connection(), found.batch),
        ratios=[ratio for ratio in ASPECT_RATIOS if any(ratio == one for one, _ in spec.sizes)],
        resolutions=resolutions(spec),
        choices=model_choices(),
        batch_models=[{"model": one.model, "label": model_label(one.model)} for one in found.batch.models],
        model=batch_model(spec, services().runtime.engines.default.pace),
    )


@bp.get("/live/batch/pictures")
def changes() -> Response:
    """The head, and those of ``?rows=`` (numbers, comma-separated) that changed after ``?since=``.

    Header X-Version is the version they are current to.
    """
    db, since, ids = connection(), int_arg("since"), _batch_ids()
    tag = f"{since}-{'-'.join(str(database.get_batch_version(db, one)) for one in ids)}"
    if etag_matches(tag):
        return with_etag(Response(), tag)
    numbers = [whole_number(text) for text in request.args.get("rows", "").split(",") if text]
    known = [number for number in numbers if number is not None][:ROWS_A_PAGE]
    with database.read_transaction(db):
        found = PicturesPage(
            batch=database.get_batch(db, ids[0]),
            group=_group(),
            counts=database.count_batch_rows(db, ids[0]),
            page=1,
            rows=_rows(db, ids, known, since),
            sides=_sides(db, ids),
        )
    response = make_response(render_template("pictures/changes.html", found=found))
    response.headers["X-Version"] = str(found.version)
    return with_etag(response, f"{since}-{'-'.join(str(batch.version) for batch in found.batches)}")


def _load_page() -> PicturesPage:
    db, ids, group = connection(), _batch_ids(), _group()
    batch_id = ids[0]
    with database.read_transaction(db):
        batch = database.get_batch(db, batch_id)
        counts = database.count_batch_rows(db, batch_id)
        page = min(max(1, int_arg("page")), _pages(counts[group]))
        offset = (page - 1) * ROWS_A_PAGE
        numbers = database.list_row_numbers(db, batch_id, group=group, limit=ROWS_A_PAGE, offset=offset)
        rows, sides = _rows(db, ids, numbers), _sides(db, ids)
    return PicturesPage(batch=batch, group=group, counts=counts, page=page, rows=rows, sides=sides)


def _sides(db: database.Connection, ids: Sequence[str]) -> list[Side]:
    """Both batches that are compared; none without a second one. Raises NotFound."""
    if len(ids) == 1:
        return []
    return [Side(batch=database.get_batch(db, one), speed=database.measure_speed(db, one)) for one in ids]


def _group() -> str:
    group = request.args.get("show") or "all"
    if group not in database.ROW_GROUPS:
        raise InvalidRequest("show", "show 可选：{choices}", choices=database.ROW_GROUPS)
    return group


def _pages(rows: int) -> int:
    return max(1, -(-rows // ROWS_A_PAGE))


def _batch_ids() -> list[str]:
    """The batch of the address, and the one to compare it with."""
    names = [request.args.get("id", ""), request.args.get("with", "")]
    return [*dict.fromkeys([names[0], *filter(None, names)])]


def _rows(
    db: database.Connection, ids: Sequence[str], numbers: Sequence[int], since: int = 0
) -> list[PictureRow]:
    """Those of these rows that changed since in one of the batches, with their records in both."""
    found = [database.list_row_records(db, one, numbers, since=since) for one in ids]
    if len(ids) > 1:
        changed = [number for number in numbers if any(number in records for records in found)]
        found = [database.list_row_records(db, one, changed) for one in ids]
        return [PictureRow(number, *(records.get(number, []) for records in found)) for number in changed]
    return [PictureRow(number, records) for number, records in found[0].items()]
