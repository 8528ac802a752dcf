"""Checks rows of a table: what they ask for, its price and its problems, which are stored with them."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import database
from app.domain import fingerprint
from app.domain.tables import MAX_ROWS_A_TABLE, Row, Table, sent_words
from app.orders.read import FixReferences, ParsedRow, RowReader

_RULES = 1  # grows when a row is read in another way
_MICROS = 1_000_000
ADDRESS = '"url":"/'  # of a reference, in the fields of a row
ORDER_VARIABLE = "序号"  # its value depends on the rows above


@dataclass(frozen=True, slots=True, kw_only=True)
class Checker:
    """Checks rows with these models, and reads what is stored of their references."""

    reader: RowReader

    @property
    def digest(self) -> str:
        """What the check depends on besides the rows and the library."""
        models = self.reader.models
        known = repr((_RULES, models.default.model_id, models.all))
        return hashlib.sha256(known.encode()).hexdigest()[:16]

    def check(self, table: Table, rows: Sequence[Row], positions: Mapping[int, int]) -> list[Row]:
        """The rows with what the check says of them; ``positions`` are the ``{序号}`` of rows by id."""
        reader = replace(self.reader, may_check_later=True)
        parsed = read_rows(reader, reader.library.identify, table, rows, positions)
        checked, models = list[Row](), self.reader.models
        for row, read in zip(rows, parsed, strict=True):
            request = None if read.is_empty else read.request
            problems = () if read.is_empty else tuple((each.field, each.message) for each in read.problems)
            found: dict[str, Any] = {"sent": {}, "filename": "", "num_images": 1, "is_seeded": False}
            found |= {"fingerprint": "", "price_micros": None}
            if request is not None:
                accepted, price = models.accept(request), models.price(request)
                found = {
                    "sent": sent_words(request, read.extras),
                    "filename": request.filename,
                    "num_images": request.num_images,
                    "is_seeded": accepted.seed is not None,
                    "fingerprint": "" if problems else fingerprint(accepted),
                    "price_micros": None if price is None else int((price * _MICROS).to_integral_value()),
                }
            checked.append(replace(row, **found, problems=problems))
        return checked


def read_rows(
    reader: RowReader, fix: FixReferences, table: Table, rows: Sequence[Row], positions: Mapping[int, int]
) -> list[ParsedRow]:
    """Rows of a table as an order has them: with all its own columns, as variables may name any of them."""
    written = []
    for row in rows:
        position = {"position": positions[row.id]} if row.id in positions else {}
        columns = {name: row.columns.get(name, "") for name in table.own_columns}
        written.append({**position, **row.fields, "columns": columns, "number": row.number})
    return reader.read(
        written,
        fix,
        date=table.filled_on,
        model=table.model,
        most=MAX_ROWS_A_TABLE,
    )


def ensure_checked(db: database.Connection, table: Table, checker: Checker) -> Table:
    """Check the rows of a table again when prices, models or the library may give other answers."""
    if not db.in_transaction:
        database.complete_fingerprints(db)

    def attempt(storing: database.Storing) -> Table | None:
        nonlocal table
        is_same = table.checked_with.partition(" ")[0] == checker.digest
        ids = database.rows_with_problem(db, table.id, "sample_images") if is_same else None
        if ids == []:
            return table
        digest = f"{checker.digest} {checker.reader.library.digest}"
        if (
            table.checked_with == digest
        ):  # no name is found that was not; what an address leads to may be back
            ids = database.rows_with_problem(db, table.id, "sample_images", among=ADDRESS)
        rows = [] if ids == [] else database.read_rows(db, table.id, ids)
        checked = checker.check(table, rows, order_positions(db, table.id) if rows else {})
        checked = [  # a row that cannot be made any more still asks for the pictures that it has
            replace(old, problems=new.problems) if new.problems and old.fingerprint else new
            for new, old in zip(checked, rows, strict=True)
        ]
        changed = [new for new, old in zip(checked, rows, strict=True) if new != old]
        if table.checked_with == digest and not changed:
            return table
        with storing():
            present = database.get_table(db, table.id)
            if present.version == table.version:
                version = database.next_version(db) if changed else table.version
                database.update_rows(db, table.id, [replace(row, version=version) for row in changed])
                table = replace(table, version=version, checked_with=digest)
                database.update_table(db, table)
                return table
        table = present  # somebody changed it
        return None

    return database.until_stored(db, attempt)


def order_positions(db: database.Connection, table_id: str) -> dict[int, int]:
    """The ``{序号}`` of the rows by id: it counts the rows that are not empty."""
    return count_positions((row_id, is_empty) for row_id, _, is_empty in database.list_order(db, table_id))


def count_positions(rows: Iterable[tuple[int, bool]]) -> dict[int, int]:
    """The same of rows (id, whether it is empty) in their order."""
    count, found = 0, {}
    for row_id, is_empty in rows:
        count += not is_empty
        found[row_id] = max(count, 1)
    return found
