"""Rows of a table as a change makes them, worked out in memory."""

from bisect import bisect_left
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

import database
from app.domain import MAX_OWN_COLUMNS, MAX_OWN_TEXT_LENGTH, READERS, ROW_FIELDS
from app.domain.recipes import ROLE_COLUMN, VARIANT_COLUMN
from app.domain.requests import read_columns, read_templates
from app.domain.tables import MAX_ROWS_A_TABLE, Row, Table
from app.domain.times import utc_now
from app.domain.validation import read_whole_number, whole_characters
from app.errors import InvalidRequest, NotFound
from app.sheets.header_synonyms import COMMENT_COLUMN

_LONGEST_CELL = 32_767  # characters, as in Excel


def read_cell(name: str, value: Any) -> Any:
    """An untrusted value of a field, as it is stored; None when it is empty.

    What no model takes, or is past its bounds, is kept: the check marks it. Raises InvalidRequest for what no
    cell holds.
    """
    if value in (None, "", []):
        return None
    if name == "sample_images":
        return [{"url": image.url, "filename": image.filename} for image in READERS[name](value)] or None
    if ROW_FIELDS[name].kind == "number":
        with suppress(ValueError):
            return None if read_whole_number(value) is None else value
    if not isinstance(value, str | int | float) or isinstance(value, bool):
        raise InvalidRequest(name, "「{name}」里的值读不出来，请写文字", name=name)
    text = whole_characters(str(value).replace("\x00", ""))
    if len(text) > _LONGEST_CELL:
        problem = "「{name}」里有 {n} 字，最多 {limit} 字"
        raise InvalidRequest(name, problem, name=name, n=len(text), limit=_LONGEST_CELL)
    return text or None


def read_own_cell(name: str, value: Any) -> str:
    """An untrusted value of an own column. Raises InvalidRequest."""
    if not isinstance(value, str | None):
        raise InvalidRequest(name, "「{name}」里的值读不出来，请写文字", name=name)
    if len(value or "") > MAX_OWN_TEXT_LENGTH:
        text = "「{name}」有 {n} 字，自己的列一格最多 {limit} 字"
        raise InvalidRequest(name, text, name=name, n=len(value or ""), limit=MAX_OWN_TEXT_LENGTH)
    return whole_characters((value or "").replace("\x00", ""))


def read_new_row(row: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """An untrusted row of a call or an import -> (its fields, its own columns). Raises InvalidRequest."""
    named = row.get("references")  # as an import has them
    if isinstance(named, list) and not row.get("sample_images"):
        row = {**row, "sample_images": [{"url": "", "filename": name} for name in named]}
    fields = {name: value for name in READERS if (value := read_cell(name, row.get(name))) is not None}
    if row.get("templates") is not None:
        fields["templates"] = read_templates(row["templates"])
    if type(row.get("position")) is int:
        fields["position"] = row["position"]
    return fields, read_columns(row.get("columns"))


def require_known_columns(names: Collection[str], known: Sequence[str]) -> None:
    """Raises InvalidRequest for a name that is no own column of the table."""
    for name in names:
        if name not in known:
            text = "这个表格里没有「{name}」这一列，请先加上这一列"
            raise InvalidRequest(name[:50], text, name=name[:50])


def check_number_of_columns(names: Sequence[str]) -> None:
    """Raises InvalidRequest for more own columns than a table takes."""
    if len(names) > MAX_OWN_COLUMNS:
        text = "自己的列有 {n} 列，最多 {limit} 列"
        raise InvalidRequest("columns", text, n=len(names), limit=MAX_OWN_COLUMNS)


_SPREAD_AT_ONCE = 64  # rows on both sides of a place
_LEAST_DISTANCE = 1e-3  # between the positions of rows that were spread


@dataclass(slots=True)
class _Last:
    """Of the stored and the new rows of a table: the last position, the highest number, the lowest id."""

    position: float
    number: int
    row_id: int


@dataclass(slots=True)
class TableEdit:
    """Rows of a table as they are to be: ``rows`` by id, negative for new ones; ``before`` as they were.
    ``picks`` are choices of pictures to make with them, by record; ``noted``: what the history says besides.

    What changes is worked out here, in memory; ``store_edit`` writes it when nobody changed it meanwhile.
    """

    db: database.Connection
    table: Table
    rows: dict[int, Row] = field(default_factory=dict)
    before: dict[int, Row] = field(default_factory=dict)
    picks: dict[int, str] = field(default_factory=dict)
    noted: dict[str, Any] = field(default_factory=dict)
    person_id: int | None = None
    _order: list[tuple[float, int]] | None = None
    _last: _Last | None = None
    _products: dict[int, list[int]] | None = None

    def load(self, ids: Collection[int], *, removed: bool = False) -> None:
        """Read these rows. Raises NotFound for one that is not in the table or was removed."""
        wanted = [row_id for row_id in ids if row_id not in self.rows]
        found = {row.id: row for row in database.read_rows(self.db, self.table.id, wanted)} if wanted else {}
        if len(found) < len(set(wanted)):
            raise NotFound("有的行不在这个表格里，请刷新页面再改")
        self.rows |= found
        self.before |= found
        if not removed and any(self.rows[row_id].removed_at for row_id in ids):
            raise NotFound("有的行已经被删掉了，请刷新页面再改")

    def set(self, row_id: int, values: Mapping[str, Any]) -> None:
        """Change fields and own columns of a row; an empty value clears it.

        Own columns are those of all rows of its product.
        """
        self.load([row_id])
        row = self.rows[row_id]
        fields, columns = {**row.fields}, {**row.columns}
        require_known_columns([name for name in values if name not in READERS], self.table.own_columns)
        for name, value in values.items():
            if name in READERS:
                read = read_cell(name, value)
                fields = {key: old for key, old in fields.items() if key != name}
                fields |= {} if read is None else {name: read}
            else:
                columns[name] = read_own_cell(name, value)
        if "prompt" in values:  # its words are typed anew, so their variables count
            fields.pop("templates", None)
        self.rows[row_id] = replace(row, fields=fields, columns=in_order(columns, self.table))
        if row.product and (own := columns.keys() & values.keys()):
            self._set_of_product(row, {name: columns[name] for name in own})

    def _set_of_product(self, row: Row, own: Mapping[str, str]) -> None:
        """Give own columns to the other rows of a product. Raises InvalidRequest for those of the recipe."""
        if fixed := own.keys() & {ROLE_COLUMN, VARIANT_COLUMN}:
            name = min(fixed)
            raise InvalidRequest(name, "「{name}」由配方决定，请改配方里的角色", name=name)
        shared = {name: text for name, text in own.items() if name != COMMENT_COLUMN}
        ids = self.rows_of_product(row.product) if shared else []
        self.load(ids, removed=True)
        for row_id in ids:
            there = self.rows[row_id]
            columns = in_order({**there.columns, **shared}, self.table)
            self.rows[row_id] = replace(there, columns=columns)

    def rows_of_product(self, product: int) -> list[int]:
        """The ids of the stored rows of a product, removed ones too."""
        if self._products is None:
            self._products = database.list_products(self.db, self.table.id)
        return self._products.get(product, [])

    def add(self, rows: Sequence[Any], after: int | None) -> list[int]:
        """Add untrusted rows after a row, at the end without it, at the top for 0 -> their temporary ids."""
        read = [read_new_row(row) for row in rows]
        for _, columns in read:
            require_known_columns(columns, self.table.own_columns)
        last, places = self._last_of_all(), self._places(after, len(read))
        first = last.row_id - 1
        for (fields, columns), place in zip(read, places, strict=True):
            last.number, last.row_id = last.number + 1, last.row_id - 1
            self.rows[last.row_id] = Row(
                id=last.row_id,
                position=place,
                number=last.number,
                fields=fields,
                columns=in_order(columns, self.table),
            )
            self._put(last.row_id)
        return [*range(first, last.row_id - 1, -1)]

    def remove(self, ids: Sequence[int]) -> None:
        """Remove rows; they are kept for undo."""
        self.load(ids)
        now = utc_now()
        self.rows |= {row_id: replace(self.rows[row_id], removed_at=now) for row_id in ids}

    def restore(self, ids: Sequence[int]) -> None:
        """Bring removed rows back to their places."""
        self.load(ids, removed=True)
        self.rows |= {row_id: replace(self.rows[row_id], removed_at=None) for row_id in ids}
        for row_id in ids:
            self._put(row_id)

    def move(self, ids: Sequence[int], after: int | None) -> None:
        """Move rows after a row, in the order given; to the end without it, to the top for 0."""
        self.load(ids)
        if after in ids:
            raise InvalidRequest("after", "不能把行移到它自己后面")
        order = self._ordered()
        for row_id in ids:
            del order[self._index(row_id)]
        for row_id, place in zip(ids, self._places(after, len(ids)), strict=True):
            self.rows[row_id] = replace(self.rows[row_id], position=place)
            self._put(row_id)

    def _ordered(self) -> list[tuple[float, int]]:
        """(position, id) of the rows in their order."""
        if self._order is None:
            there = {row_id: place for row_id, place, _ in database.list_order(self.db, self.table.id)}
            there |= {row.id: row.position for row in self.rows.values()}
            self._order = sorted((place, row_id) for row_id, place in there.items())
        return self._order

    def _index(self, row_id: int) -> int:
        """Where a row that was read is in the order, or belongs."""
        return bisect_left(self._ordered(), (self.rows[row_id].position, row_id))

    def _put(self, row_id: int) -> None:
        """Put a row into the order, if that is known and lacks it."""
        if self._order is not None:
            index, entry = self._index(row_id), (self.rows[row_id].position, row_id)
            if self._order[index : index + 1] != [entry]:
                self._order.insert(index, entry)

    def _last_of_all(self) -> _Last:
        if self._last is None:
            _, position, number = database.last_row(self.db, self.table.id)
            rows = self.rows.values()
            self._last = _Last(
                max([position, *(row.position for row in rows)]),
                max([number, *(row.number for row in rows)]),
                min([0, *self.rows]),
            )
        return self._last

    def _places(self, after: int | None, number: int) -> list[float]:
        """Positions for rows that come after a row. Raises NotFound."""
        last = self._last_of_all()
        if after is None:
            last.position += number
            return [last.position - number + place for place in range(1, number + 1)]
        if after:
            self.load([after])
        order = self._ordered()
        index = self._index(after) + 1 if after else 0
        low = order[index - 1][0] if index else 0.0
        high = order[index][0] if index < len(order) else low + number + 1
        step = (high - low) / (number + 1)
        places = [low + step * place for place in range(1, number + 1)]
        if number and not low < places[0] <= places[-1] < high:  # no number lies between
            self._spread(index)
            return self._places(after, number)
        last.position = max([last.position, *places])
        return places

    def _spread(self, index: int) -> None:
        """Give the rows around a place in the order positions at equal distances, as few as make room."""
        order, width, step = self._ordered(), _SPREAD_AT_ONCE, 0.0
        while step < _LEAST_DISTANCE:
            first, end = max(0, index - width), min(len(order), index + width)
            low = order[first - 1][0] if first else 0.0
            high = order[end][0] if end < len(order) else low + end - first + 1
            step, width = (high - low) / (end - first + 1), 2 * width
        ids = [row_id for _, row_id in order[first:end]]
        self.load(ids, removed=True)
        for place, row_id in enumerate(ids, 1):
            self.rows[row_id] = replace(self.rows[row_id], position=low + step * place)
            order[first + place - 1] = (self.rows[row_id].position, row_id)


def too_many_rows() -> InvalidRequest:
    """The problem with more rows than a table takes."""
    return InvalidRequest("rows", "一个表格最多 {limit} 行，请分成几个表格", limit=MAX_ROWS_A_TABLE)


def in_order(columns: Mapping[str, str], table: Table) -> dict[str, str]:
    """Own columns in the order of the table, without empty ones."""
    return {name: columns[name] for name in table.own_columns if columns.get(name)}
