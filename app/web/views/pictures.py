"""看图: the pictures of a batch by rows, to choose among them and to release rows that were held back."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from flask import Blueprint, make_response, render_template, request, url_for
from werkzeug.wrappers import Response

import database
from app.domain import ASPECT_RATIOS, RESOLUTIONS, Batch, Record, Status
from app.errors import InvalidRequest
from app.web.batch_columns import batch_model
from app.web.etags import etag_matches, with_etag
from app.web.pagination import page_numbers
from app.web.params import int_arg, whole_number
from app.web.services import connection, services

ROWS_A_PAGE = 100
_MAX_COLUMNS_LENGTH = 80  # characters of own columns shown beside a row
bp = Blueprint("pictures", __name__)


@dataclass(frozen=True, slots=True)
class PictureRow:
    """One row of the batch: its number, and its records by picture number."""

    number: int
    records: Sequence[Record]

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
class PicturesPage:
    """A page of rows; ``counts`` are the numbers of rows by group, ``version`` that of the batch."""

    batch: Batch
    group: str
    counts: dict[str, int]
    page: int
    rows: list[PictureRow]

    @property
    def pages(self) -> int:
        """The number of pages, at least 1."""
        return _pages(self.counts[self.group])

    def numbers(self) -> list[int]:
        """See ``page_numbers``."""
        return page_numbers(self.page, self.pages)

    def link(self, *, group: str = "", page: int = 1) -> str:
        """The URL of another group, or of another page of this one."""
        group = group or self.group
        shown: dict[str, Any] = {
            "show": group if group != "all" else None,
            "page": page if page > 1 else None,
        }
        return url_for("pictures.index", id=self.batch.id, **shown)


@bp.get("/batch/pictures")
def index() -> str:
    """The rows of the batch ``?id=`` in the group ``?show=``. Raises NotFound, InvalidRequest."""
    spec = services().spec
    return render_template(
        "pages/pictures.html",
        found=_load_page(),
        ratios=[ratio for ratio in ASPECT_RATIOS if any(ratio == one for one, _ in spec.sizes)],
        resolutions=[one for one in RESOLUTIONS if any(one == other for _, other in spec.sizes)],
        model=batch_model(spec, services().worker.engines.default.pace),
    )


@bp.get("/live/batch/pictures")
def changes() -> Response:
    """The head, and those of ``?rows=`` (numbers, comma-separated) that changed after ``?since=``.

    Header X-Version is the version they are current to.
    """
    db, batch_id, since = connection(), request.args.get("id", ""), int_arg("since")
    tag = f"{since}-{database.get_batch_version(db, batch_id)}"
    if etag_matches(tag):
        return with_etag(Response(), tag)
    numbers = [whole_number(text) for text in request.args.get("rows", "").split(",") if text]
    known = [number for number in numbers if number is not None][:ROWS_A_PAGE]
    with database.read_transaction(db):
        batch = database.get_batch(db, batch_id)
        found = PicturesPage(
            batch=batch,
            group=_group(),
            counts=database.count_batch_rows(db, batch_id),
            page=1,
            rows=_rows(db, batch_id, known, since),
        )
    response = make_response(render_template("pictures/changes.html", found=found))
    response.headers["X-Version"] = str(batch.version)
    return with_etag(response, f"{since}-{batch.version}")


def _load_page() -> PicturesPage:
    db, batch_id, group = connection(), request.args.get("id", ""), _group()
    with database.read_transaction(db):
        batch = database.get_batch(db, batch_id)
        counts = database.count_batch_rows(db, batch_id)
        page = min(max(1, int_arg("page")), _pages(counts[group]))
        offset = (page - 1) * ROWS_A_PAGE
        numbers = database.list_row_numbers(db, batch_id, group=group, limit=ROWS_A_PAGE, offset=offset)
        rows = _rows(db, batch_id, numbers)
    return PicturesPage(batch=batch, group=group, counts=counts, page=page, rows=rows)


def _group() -> str:
    group = request.args.get("show") or "all"
    if group not in database.ROW_GROUPS:
        raise InvalidRequest("show", "show 可选：{choices}", choices=database.ROW_GROUPS)
    return group


def _pages(rows: int) -> int:
    return max(1, -(-rows // ROWS_A_PAGE))


def _rows(db: database.Connection, batch_id: str, numbers: Sequence[int], since: int = 0) -> list[PictureRow]:
    found = database.list_row_records(db, batch_id, numbers, since=since)
    return [PictureRow(number, records) for number, records in found.items()]
