"""What is shown of rows: their state, the pictures they show, what they share, and what making them costs."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import NamedTuple

import database
from app.domain.tables import Row, RowPicture, Table
from app.tables.states import EqualRows, RowState, missing_pictures, shares_of, shown_pictures, state_of


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
