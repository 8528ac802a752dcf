"""The rows of a table as they are shown: their state, derived from the fingerprint and the pictures and never
stored, what they share, and what making them costs.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

import database
from app.domain.records import Status
from app.domain.tables import Row, RowPicture, Standing, Table

_NOT_BOUGHT = (None, Standing.TRASHED)


class RowState(StrEnum):
    """What a row needs, or waits for. HELD waits for the user; UNKNOWN: nobody knows whether it was made;
    PAID: what it lacks was charged, so that nothing is bought for it unless it is named."""

    EMPTY = "empty"
    PROBLEM = "problem"
    TO_MAKE = "to_make"
    HELD = "held"
    QUEUED = "queued"
    RUNNING = "running"
    MADE = "made"
    REFUSED = "refused"
    FAILED = "failed"
    UNKNOWN = "unknown"
    PAID = "paid"
    TRASHED = "trashed"


_OPEN = {
    Status.RUNNING: RowState.RUNNING,
    Status.QUEUED: RowState.QUEUED,
    Status.HELD: RowState.HELD,
    Status.UNKNOWN: RowState.UNKNOWN,
}


def state_of(row: Row, pictures: Sequence[RowPicture]) -> RowState:
    """The state of a row that shows these pictures; those of another fingerprint are earlier versions."""
    if not row.fingerprint:
        return RowState.EMPTY if row.is_empty else RowState.PROBLEM
    if not pictures:
        return RowState.PROBLEM if row.problems else RowState.TO_MAKE
    own = [picture for picture in pictures if picture.fingerprint == row.fingerprint]
    statuses = {picture.status for picture in own}
    for status, state in _OPEN.items():
        if status in statuses:
            return state
    if not _missing(row, [picture for picture in own if picture.standing is Standing.MADE]):
        return RowState.MADE
    if row.problems:
        return RowState.PROBLEM
    if not missing_pictures(row, own):
        return RowState.PAID
    bought = [picture.number for picture in own if picture.standing not in _NOT_BOUGHT]
    failed = [
        picture
        for picture in own
        if picture.status is Status.FAILED and not picture.is_trashed and picture.number not in bought
    ]
    if failed:
        newest = max(failed, key=lambda picture: picture.record_id)
        return RowState.REFUSED if newest.cause == "moderation" else RowState.FAILED
    if any(picture.standing is Standing.TRASHED for picture in own):
        return RowState.TRASHED
    return RowState.TO_MAKE


def missing_pictures(row: Row, pictures: Sequence[RowPicture], *, ordered: int = 0) -> int:
    """How many pictures are to be bought for a row, beside ``ordered`` ones that an equal row buys."""
    if not row.fingerprint:
        return 0
    if not pictures:
        return max(row.num_images - ordered, 0)
    own = [picture for picture in pictures if picture.fingerprint == row.fingerprint]
    return _missing(row, [picture for picture in own if picture.standing not in _NOT_BOUGHT], ordered)


def _missing(row: Row, pictures: Sequence[RowPicture], ordered: int = 0) -> int:
    """What a row wants is ``num_images`` pictures; with a seed, those of its own numbers."""
    if row.is_seeded:
        there = {picture.number for picture in pictures} | set(range(1, ordered + 1))
        return sum(1 for number in range(1, row.num_images + 1) if number not in there)
    return max(row.num_images - max(len(pictures), ordered), 0)


def shown_pictures(row: Row, linked: Sequence[RowPicture], known: Sequence[RowPicture]) -> list[RowPicture]:
    """The pictures of a row: those linked to it, and of the others that are known (``known``, the best first)
    as many as it lacks."""
    there = {picture.record_id for picture in linked}
    shown = list(linked)
    for picture in known:
        if picture.record_id in there or picture.standing is Standing.TRASHED:
            continue
        if not missing_pictures(row, shown):
            break
        if not row.is_seeded or picture.number <= row.num_images:
            shown.append(picture)
    if missing_pictures(row, shown):
        shown += [p for p in known if p.standing is Standing.TRASHED and p.record_id not in there]
    return shown


@dataclass(frozen=True, slots=True, kw_only=True)
class EqualRows:
    """What a row has in common with the equal rows above it.

    ``same_as`` is the number of the first of them; ``ordered``: how many pictures they ask for at most.
    """

    same_as: int | None = None
    ordered: int = 0


def shares_of(rows: Iterable[tuple[int, int, str, int]]) -> Mapping[int, EqualRows]:
    """What each row shares: rows (id, number, fingerprint, pictures wanted) in order -> by row id."""
    first: dict[str, tuple[int, int]] = {}
    shares: dict[int, EqualRows] = {}
    for row_id, number, fingerprint, wanted in rows:
        if not fingerprint:
            continue
        found = first.get(fingerprint)
        if found is None:
            first[fingerprint] = number, wanted
            continue
        shares[row_id] = EqualRows(same_as=found[0], ordered=found[1])
        first[fingerprint] = found[0], max(found[1], wanted)
    return shares


class RowView(NamedTuple):
    """A row as it is shown. ``same_as`` is the number of the first equal row above it.

    ``missing`` pictures are to be bought, beside those that equal rows above buy, for ``price`` CNY; None:
    the price is not known.
    """

    row: Row
    state: RowState
    same_as: int | None
    pictures: Sequence[RowPicture]
    missing: int
    price: Decimal | None


def view_rows(db: database.Connection, table: Table, ids: Sequence[int] | None = None) -> list[RowView]:
    """The rows of a table in their order, of these ids or all."""
    with database.read_transaction(db):
        rows = [row for row in database.read_rows(db, table.id, ids) if not row.removed_at]
        prints = {row.fingerprint for row in rows if row.fingerprint}
        equal = (
            database.list_equal_rows(db, table.id, prints)
            if ids is not None
            else [(row.id, row.number, row.fingerprint, row.num_images) for row in rows]
        )
        return view_of(db, rows, shares_of(equal))


def view_of(db: database.Connection, rows: Sequence[Row], shares: Mapping[int, EqualRows]) -> list[RowView]:
    """These rows, which need not be stored, with what each shares by its id."""
    linked = database.linked_pictures(db, [row.id for row in rows])
    lacking = {row.fingerprint for row in rows if missing_pictures(row, linked.get(row.id, ()))}
    known = database.known_pictures_of(db, lacking) if lacking else {}
    alone, views = EqualRows(), list[RowView]()
    for row in rows:
        share, pictures = shares.get(row.id, alone), linked.get(row.id, ())
        if row.fingerprint in known:
            pictures = shown_pictures(row, pictures, known[row.fingerprint])
        missing = 0 if row.problems else missing_pictures(row, pictures, ordered=share.ordered)
        price = Decimal(0) if not missing else None
        if missing and row.price_micros is not None:
            price = Decimal(row.price_micros * missing) / 1_000_000
        views.append(RowView(row, state_of(row, pictures), share.same_as, pictures, missing, price))
    return views
