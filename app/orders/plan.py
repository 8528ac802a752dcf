"""What an order buys of each row, and what is bought already: the same for every way into the queue. No I/O.

Bought is what was made, is held or under way, has an unknown outcome, or failed after a charge. The trash
is not: it is offered back. New rows, and rows with other words or sizes than before, are compared with every
record and with the rows that the same order buys before them. A record that is queued again unchanged is
compared only with what other runs ordered later: what came before was known when it was ordered.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from app.domain import (
    KNOWN_PICTURES_A_NUMBER,
    Changes,
    ImageRequest,
    KnownPicture,
    Models,
    Record,
    RowExtras,
    SkippedRow,
    Standing,
    Status,
    fingerprint,
)
from app.images.filenames import filename_for
from app.orders.read import AGAIN, PAID, ParsedRow

_WITHOUT_PICTURE = (Standing.CHARGED, Standing.TRASHED)
MAKE, HELD, SHARE = "make", "held", "share"
LINES = (MAKE, HELD, SHARE, Standing.MADE, Standing.UNDER_WAY, Standing.UNKNOWN, Standing.CHARGED)
Pictures = Mapping[str, Sequence[KnownPicture]]  # by fingerprint


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRow:
    """A row of an order, or the pictures of it that are queued again.

    request  as its model takes it (``Models.accept``), with the seed of the row
    numbers  the pictures asked for; with ``records`` theirs, one each
    stem     the preferred file name of new pictures, without extension and number
    skips    whether what is bought is left out
    records  that are queued again; none: new ones are added
    origin   the record whose row this is; None for a new row
    changes  how ``request`` differs from ``origin``, for the log
    is_kept  the records are queued again as they are: fetched, or held until they are released
    lacking  how many more pictures the row waits for, which take the first of those that are bought
    pays_again  whether what was charged without a picture is bought once more
    cancels  whether its records that are not queued, as their pictures are bought, are cancelled
    """

    number: int
    request: ImageRequest
    numbers: Sequence[int]
    stem: str = ""
    extras: RowExtras = field(default_factory=RowExtras)
    skips: bool
    records: Sequence[Record] = ()
    origin: Record | None = None
    changes: Changes = field(default_factory=dict)
    is_kept: bool = False
    lacking: int = 0
    pays_again: bool = False
    cancels: bool = False
    fingerprint: str = field(init=False)
    is_changed: bool = field(init=False)

    def __post_init__(self) -> None:
        own = fingerprint(self.request)
        object.__setattr__(self, "fingerprint", own)
        changed = bool(self.records) and own != fingerprint(self.records[0].row_request)
        object.__setattr__(self, "is_changed", changed)

    @property
    def compares(self) -> bool:
        """Whether it is compared with what is bought. What is fetched costs nothing."""
        return self.skips and not self.is_kept

    @property
    def is_unchanged(self) -> bool:
        """Whether its records are queued again with the request that they had."""
        return bool(self.records) and not self.is_changed


def order_rows(
    parsed: Sequence[ParsedRow], models: Models, *, skips: bool, output_dir: Path | None = None
) -> list[OrderRow]:
    """The readable rows as an order takes them; a row's own ``repeats`` takes precedence over ``skips``.

    Without ``output_dir`` they have no file names.
    """
    rows = []
    for row in parsed:
        if row.request:
            request = models.accept(row.request)
            rows.append(
                OrderRow(
                    number=row.number,
                    request=request,
                    numbers=range(1, request.num_images + 1),
                    stem=filename_for(output_dir, request.filename, request.prompt) if output_dir else "",
                    extras=row.extras,
                    skips=skips if row.repeats is None else row.repeats != AGAIN,
                    pays_again=row.repeats == PAID,
                )
            )
    return rows


def repeated_row(records: Sequence[Record], request: ImageRequest, **fields: Any) -> OrderRow:
    """A row with some of its records, which are queued again with this request."""
    return OrderRow(
        number=records[0].row_number,
        request=request,
        numbers=[record.picture_number for record in records],
        records=records,
        origin=records[0],
        **fields,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedRow:
    """The picture numbers to order for a row, their price, and the pictures that there are of it.

    ``same_as`` is the index of the first equal row of the order; None for that row itself. ``price`` is CNY
    for all numbers; None if it is unknown. Of its records ``to_queue`` are queued
    again, ``left_out`` are not.
    """

    row: OrderRow
    numbers: tuple[int, ...]
    known: Sequence[KnownPicture]
    same_as: int | None
    price: Decimal | None

    to_queue: Sequence[Record]
    left_out: Sequence[Record]

    def ids(self, *standings: Standing) -> list[int]:
        """The ids of the known pictures of these standings."""
        return [picture.id for picture in self.known if picture.standing in standings]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What an order writes; a picture that it adds has the id -n, as the n-th of them.

    rows       what is ordered of each row, in the order of the rows
    to_add     (row, the numbers of its new pictures)
    to_queue   (row, record that is queued again)
    to_cancel  (row, record that is cancelled, the ids of the pictures that are there instead)
    to_show    the rows that show pictures of equal rows instead of buying them, as many as they lack
    skipped    the rows that get fewer pictures than they ask for, with the records that have the others
    price      CNY for everything; None if a price of it is unknown
    """

    rows: Sequence[PlannedRow]
    to_add: Sequence[tuple[OrderRow, tuple[int, ...]]]
    to_queue: Sequence[tuple[OrderRow, Record]]
    to_cancel: Sequence[tuple[OrderRow, Record, Sequence[int]]]
    to_show: Sequence[SkippedRow]
    skipped: Sequence[SkippedRow]
    price: Decimal | None


def plan(rows: Sequence[OrderRow], models: Models, known: Pictures, later: Pictures) -> Plan:
    """What to order for each row. A picture that the order buys has the id of its record, else -1, -2, …

    known  every recorded picture, without the records of the rows
    later  the same for unchanged rows: without other records of their batch
    """
    bought: dict[str, list[KnownPicture]] = {}
    first: dict[str, int] = {}
    planned: dict[int, PlannedRow] = {}
    new = 0
    compares = any(row.compares for row in rows)
    for index in sorted(range(len(rows)), key=lambda index: rows[index].is_changed):
        row = rows[index]
        ordered = bought.setdefault(row.fingerprint, [])
        recorded = known.get(row.fingerprint, ())
        found: Sequence[KnownPicture] = ()
        if row.compares and row.is_unchanged:
            found = [each for each in later.get(row.fingerprint, ()) if each.id > row.records[0].id]
        elif row.compares:
            paid = Standing.CHARGED if row.pays_again else None
            found = [each for each in [*recorded, *ordered] if each.standing is not paid]
        if row.request.seed is not None:
            found = [each for each in found if each.number in row.numbers]
        numbers = missing_numbers(row.request, found, row.numbers, lacking=row.lacking)
        same_as = first.setdefault(row.fingerprint, index)
        same = None if same_as == index else same_as
        price = models.price(row.request) if numbers else Decimal(0)
        price = None if price is None else price * len(numbers)
        planned[index] = PlannedRow(
            row=row,
            numbers=numbers,
            known=found,
            same_as=same,
            price=price,
            to_queue=[record for record in row.records if record.picture_number in numbers],
            left_out=[record for record in row.records if record.picture_number not in numbers],
        )
        if not compares:
            continue
        ids = {record.picture_number: record.id for record in row.records}
        for number in numbers:
            new += number not in ids
            if _bought_numbers([*recorded, *ordered]).count(number) < KNOWN_PICTURES_A_NUMBER:
                picture_id = ids.get(number, -new)
                picture = KnownPicture(id=picture_id, number=number, standing=Standing.UNDER_WAY)
                ordered.append(picture)
    return _written([planned[index] for index in range(len(rows))])


def _written(rows: Sequence[PlannedRow]) -> Plan:
    skipped, shown = dict[int, list[int]](), list[SkippedRow]()
    to_cancel = list[tuple[OrderRow, Record, Sequence[int]]]()
    for each in rows:
        bought = [picture.id for picture in each.known if picture.standing is not Standing.TRASHED]
        for record in each.left_out if each.row.cancels else ():
            if not record.task_id and record.status is not Status.UNKNOWN:
                to_cancel.append((each.row, record, bought))
        if lacking := len(each.row.numbers) - len(each.numbers):
            records = skipped.setdefault(each.row.number, [])
            records += [record_id for record_id in bought if record_id not in records]
            there = [picture for picture in each.known if picture.standing not in _WITHOUT_PICTURE]
            if each.row.request.seed is not None:  # each number is a picture of its own: the first of each
                by_number = {picture.number: picture for picture in reversed(there)}
                there = [by_number[number] for number in sorted(by_number)]
            if there:
                ids = [picture.id for picture in there[:lacking]]
                shown.append(SkippedRow(row=each.row.number, records=ids))
    return Plan(
        rows=rows,
        to_add=[(each.row, each.numbers) for each in rows if each.numbers and not each.row.records],
        to_queue=[(each.row, record) for each in rows for record in each.to_queue],
        to_cancel=to_cancel,
        to_show=shown,
        skipped=[SkippedRow(row=number, records=records) for number, records in skipped.items()],
        price=total_price([each.price for each in rows]),
    )


def missing_numbers(
    request: ImageRequest, known: Sequence[KnownPicture], numbers: Sequence[int], *, lacking: int = 0
) -> tuple[int, ...]:
    """Those of the picture numbers to order so that the row has as many as it asks for.

    With a seed every number is a picture of its own; without one any bought picture counts.
    """
    bought = _bought_numbers(known)
    if request.seed is not None:
        return tuple(number for number in numbers if number not in bought)
    spare = max(len(bought) - lacking, 0)
    others_first = sorted(numbers, key=lambda number: number in bought)
    return tuple(sorted(others_first[: max(len(numbers) - spare, 0)]))


def _bought_numbers(known: Sequence[KnownPicture]) -> list[int]:
    return [picture.number for picture in known if picture.standing is not Standing.TRASHED]


def total_price(prices: Sequence[Decimal | None]) -> Decimal | None:
    """The sum of prices in CNY; None if one of them is unknown."""
    known = [price for price in prices if price is not None]
    return sum(known, Decimal(0)) if len(known) == len(prices) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderLine:
    """Pictures of an order and their price in CNY, None when it is unknown; ``what`` is one of LINES."""

    what: str
    pictures: int
    price: float | None


def order_lines(planned: Plan, held: Collection[int]) -> list[OrderLine]:
    """What is bought now, what rows of the numbers ``held`` buy later, and what need not be bought: a picture
    of an equal row of the order, or one of another standing."""
    prices: dict[str, list[Decimal | None]] = {MAKE: [], HELD: []}
    pictures = Counter[str]()
    for each in planned.rows:
        what = HELD if each.row.number in held else MAKE
        prices[what].append(each.price)
        pictures[what] += len(each.numbers)
        known = [picture for picture in each.known if picture.standing is not Standing.TRASHED]
        for picture in known[: len(each.row.numbers) - len(each.numbers)]:
            pictures[SHARE if picture.id < 0 else picture.standing] += 1
    lines = []
    for what in filter(pictures.get, LINES):
        price = total_price(prices.get(what, ()))
        price_of_line = None if price is None else float(price)
        lines.append(OrderLine(what=what, pictures=pictures[what], price=price_of_line))
    return lines
