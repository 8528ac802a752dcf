"""A recipe applied to a table: its products and the roles of the recipe make its rows."""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import pairwise
from typing import Any, NamedTuple

import database
from app.domain import MAX_PICTURES_A_BATCH, Standing, Status
from app.domain.recipes import (
    CATEGORY_COLUMNS,
    RECIPE_COLUMNS,
    ROLE_COLUMN,
    VARIANT_COLUMN,
    WORDS_COLUMN,
    Asked,
    Product,
    Recipe,
    expand,
    read_recipe,
    too_many_pictures,
)
from app.domain.tables import MAX_ROWS_A_TABLE, Row, Table
from app.domain.times import utc_now
from app.domain.variables import variable_key
from app.errors import InvalidRequest, Message
from app.sheets.header_synonyms import COMMENT_COLUMN
from app.tables.check import Checker, ensure_checked
from app.tables.edit import TableEdit, check_number_of_columns, in_order, too_many_rows
from app.tables.operations import Changed, change_table, try_change
from app.tables.states import shares_of, view_of

Key = tuple[str, str]  # a role, and which of its variants
_MOST_PROBLEMS = 200


def recipe_of(table: Table) -> Recipe | None:
    """The recipe of a table as it was applied."""
    if not table.recipe:
        return None
    stored = json.loads(table.recipe)
    return read_recipe(stored["name"], stored)


class RecipeProblem(NamedTuple):
    """What is wrong with a role in rows of these products, by their numbers."""

    role: str
    field: str
    error: Message
    products: Sequence[int]


def products_of(db: database.Connection, table: Table) -> dict[int, tuple[int, str]]:
    """(product, category) of the rows of a table by their numbers; empty without a recipe."""
    if (recipe := recipe_of(table)) is None:
        return {}
    names = [recipe.category] if recipe.category else CATEGORY_COLUMNS
    keys = [variable_key(name) for name in names]

    def category(row: Row) -> str:
        named = {variable_key(name): text for name, text in row.columns.items()}
        return next((named[key] for key in keys if key in named), "")

    rows = database.read_rows(db, table.id)
    return {row.number: (row.product or row.number, category(row)) for row in rows}


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """A table with a recipe: its products, their rows and pictures, and how many of these are to be bought.

    ``price`` is of those, in CNY; None: one is not known. ``first`` are the rows of the first product.
    """

    changed: Changed
    products: int
    rows: int
    pictures: int
    to_make: int
    price: Decimal | None
    problems: Sequence[RecipeProblem]
    first: Sequence[Row]


def apply_recipe(
    db: database.Connection,
    table_id: str,
    recipe: Recipe,
    *,
    checker: Checker,
    ids: Collection[int] | None = None,
    back: Collection[int] = (),
    stores: bool = True,
    person_id: int | None = None,
) -> Applied:
    """Make the rows of a table those of its products and the roles of a recipe; with ``stores`` off only say
    what that would make of it.

    Rows without a role are products, of these ``ids`` or all; those of ``back``, by their numbers, have the
    roles again that were switched off. A value that the recipe gave before follows it;
    one that a person changed stays. Raises InvalidRequest, NotFound with nothing changed.
    """
    edits: list[TableEdit] = []

    def change(edit: TableEdit) -> None:
        edits.append(edit)
        write_recipe(edit, recipe, ids, back)

    if stores:
        changed = change_table(db, table_id, change, checker=checker, person_id=person_id)
    else:
        table = ensure_checked(db, database.get_table(db, table_id), checker)
        try_change(TableEdit(db, table), change, checker=checker)
        changed = Changed(table=table, row_ids=[])
    rows = [row for row in edits[-1].rows.values() if row.removed_at is None]
    rows.sort(key=lambda row: (row.position, row.id))
    shares = shares_of((row.id, row.number, row.fingerprint, row.num_images) for row in rows)
    views = view_of(db, rows, shares)
    prices = [view.price for view in views if view.missing]
    of_products = [row for row in rows if row.product]
    return Applied(
        changed=changed,
        products=len({row.product for row in of_products}),
        rows=len(of_products),
        pictures=sum(_number(row) for row in of_products),
        to_make=sum(view.missing for view in views),
        price=None if None in prices else sum((price for price in prices if price), Decimal(0)),
        problems=[*_problems(of_products)][:_MOST_PROBLEMS],
        first=[row for row in of_products if row.product == of_products[0].product],
    )


def _problems(rows: Sequence[Row]) -> Iterator[RecipeProblem]:
    """The problems of rows, equal ones of a role as one; photos that are missing have names of their own."""
    found: dict[tuple[str, str, str], tuple[Message, list[int]]] = {}
    for row in rows:
        for field, error in row.problems:
            key = row.role, field, error.id if field == "sample_images" else error.to_json()
            found.setdefault(key, (error, []))[1].append(row.product)
    for (role, field, _), (error, products) in found.items():
        yield RecipeProblem(role=role, field=field, error=error, products=[*dict.fromkeys(products)])


def write_recipe(
    edit: TableEdit, recipe: Recipe, ids: Collection[int] | None = None, back: Collection[int] = ()
) -> None:
    """Edit the rows of a table as ``apply_recipe`` says; one that was removed while its role was there is
    switched off, and stays removed but for the products of ``back``."""
    earlier = recipe_of(edit.table)
    stored = {row_id for row_id, _, _ in database.list_order(edit.db, edit.table.id)}
    stored |= {row_id for each in database.list_products(edit.db, edit.table.id).values() for row_id in each}
    edit.load(stored, removed=True)
    edit.load(ids or ())
    rows = sorted(edit.rows.values(), key=lambda row: (row.position, row.id))
    groups = _products(rows, edit.rows.keys() if ids is None else set(ids), has_recipe=earlier is not None)
    if not groups:
        raise InvalidRequest("rows", "表格里还没有产品，请先导入，或写上产品那几列")
    before = edit.table.own_columns
    names = [*dict.fromkeys([*before, *RECIPE_COLUMNS])]
    check_number_of_columns(names)
    text = json.dumps(recipe.as_json(), ensure_ascii=False)
    edit.table = replace(edit.table, own_columns=tuple(names), recipe=text)
    writer = _Writer(edit, recipe, earlier, _key_column(edit.table, [*groups.values()]), back)
    placed: dict[int, list[Row]] = {}
    for number, group in groups.items():
        placed[number] = writer.write(number, group)
    _remove_gone(edit, writer.gone)
    of_group = {row.id: number for number, group in groups.items() for row in group}
    order: list[Row] = []
    for row in rows:
        order += placed.pop(of_group[row.id], []) if row.id in of_group else [row] * (not row.removed_at)
    _place(edit, order)
    used = {*before, ROLE_COLUMN, *(name for row in edit.rows.values() for name in row.columns)}
    edit.table = replace(edit.table, own_columns=tuple(name for name in names if name in used))


def _products(rows: Sequence[Row], ids: Collection[int], *, has_recipe: bool) -> dict[int, list[Row]]:
    """The rows of each product by its number; a row of these ids that no recipe made is one.

    Removed rows of a product that has others are among them. A copy of a row of a recipe is no product.
    """
    groups: dict[int, list[Row]] = {}
    for row in rows:
        is_product = row.removed_at is None and row.id in ids and (row.columns or not row.is_empty)
        is_product = is_product and not (has_recipe and ROLE_COLUMN in row.columns)
        if row.product or is_product:
            groups.setdefault(row.product or row.number, []).append(row)
    return {number: group for number, group in groups.items() if any(row.removed_at is None for row in group)}


def key_column_of(db: database.Connection, table: Table) -> str:
    """The own column whose cells tell the products of a table apart; empty without one, or a recipe."""
    rows = database.read_rows(db, table.id) if table.recipe else []
    groups = _products(rows, (), has_recipe=True)
    return _key_column(table, [*groups.values()]) if groups else ""


def _key_column(table: Table, groups: Sequence[Sequence[Row]]) -> str:
    """The first own column whose cells tell the products apart; empty without one. One in four may lack its
    cell, and equal lines are one product."""
    first = [next(row for row in group if row.removed_at is None) for group in groups]
    names = [name for name in table.own_columns if name not in RECIPE_COLUMNS]
    lines = {tuple(row.columns.get(name, "") for name in names) for row in first}
    for name, cells in zip(names, zip(*lines, strict=True), strict=True):
        texts = [text for text in cells if text]
        if len({*texts}) == len(texts) >= len(cells) * 3 / 4 and "{" not in name:
            return name
    return ""


def _key_of(product: Product, key_column: str) -> str:
    """The column that names a product: that of all, without a cell there the first in which it has one."""
    own = (
        name
        for name, text in product.columns.items()
        if text and name not in RECIPE_COLUMNS and "{" not in name
    )
    return key_column if product.columns.get(key_column) else next(own, "") if key_column else ""


def product_of(row: Row) -> Product:
    """What the product of a row has of its own: the cells of its line, or of a typed row its fields."""
    fields = row.cells or ({} if row.product else row.fields)
    columns = {name: text for name, text in row.columns.items() if name not in (ROLE_COLUMN, VARIANT_COLUMN)}
    if words := fields.get("prompt"):
        columns[WORDS_COLUMN] = str(words)
    own = {name: value for name, value in fields.items() if name not in ("columns", "templates")}
    return Product(fields=own, columns=columns)


def as_written(rows: Sequence[Row]) -> list[Row]:
    """The rows as their file has them: one for each product, with its number."""
    found: dict[tuple[int, int], Row] = {}
    for row in rows:
        key = row.product, 0 if row.product else row.id
        if key not in found or (found[key].is_gone and not row.is_gone):
            found[key] = row
    written = []
    for row in found.values():
        if row.product:
            product = product_of(row)
            columns = {name: text for name, text in product.columns.items() if name not in RECIPE_COLUMNS}
            row = replace(row, number=row.product, fields=product.fields, columns=columns)
        written.append(row)
    return written


class _Writer:
    """Writes the rows of products; ``gone`` are those whose role or variant is not in the recipe."""

    def __init__(
        self, edit: TableEdit, recipe: Recipe, earlier: Recipe | None, key_column: str, back: Collection[int]
    ) -> None:
        self.edit, self.recipe, self.earlier = edit, recipe, earlier
        self.key_column, self.back = key_column, back
        self.gone: list[int] = []
        self.pictures = 0
        self._last = max(
            [database.last_row(edit.db, edit.table.id)[2], *(r.number for r in edit.rows.values())]
        )
        self._free = min([0, *edit.rows])

    def write(self, number: int, group: Sequence[Row]) -> list[Row]:
        """The rows of a product that are there with the recipe, in their order."""
        live = [row for row in group if row.removed_at is None]
        if all(row.is_gone for row in live):
            return live  # nothing is asked for a product that is not in the file
        first = next((row for row in live if not row.product), live[0])
        if not first.product and first.columns.keys() & {ROLE_COLUMN, VARIANT_COLUMN}:
            text = "表格自己有「角色」或「变体」这一列，配方要用这两个名字：请改个列名再用配方"
            raise InvalidRequest("recipe", text)
        product = product_of(first)
        asked = expand(self.recipe, product, key_column=_key_of(product, self.key_column))
        before = product_of(self.edit.before.get(first.id, first))
        given = asked if self.earlier and (self.earlier, before) == (self.recipe, product) else {}
        if self.earlier and not given:
            given = expand(self.earlier, before, key_column=_key_of(before, self.key_column))
        there = {
            (row.role, row.columns.get(VARIANT_COLUMN, "")): row
            for row in sorted(group, key=lambda row: row.removed_at is None)
            if row.product
        }
        is_back = all(self.edit.before.get(row.id, row).is_gone for row in live)
        placed: list[Row] = []
        for key, wanted in asked.items():
            row, followed = there.pop(key, None), given.get(key)
            if row is not None and row.removed_at and followed:
                if number not in self.back:
                    continue  # switched off
                followed = None
            followed = None if is_back else followed
            if not first.product and not placed:
                row, followed = first, None
            elif row is None:
                self._free -= 1
                self._last += 1
                row, followed = Row(id=self._free, position=first.position, number=self._last), None
            columns = {**row.columns, **product.columns, **wanted.columns}
            if COMMENT_COLUMN in row.columns:
                columns[COMMENT_COLUMN] = row.columns[COMMENT_COLUMN]
            row = replace(
                row,
                fields=_following(row.fields, followed, wanted),
                columns=in_order(columns, self.edit.table),
                product=number,
                role=key[0],
                cells=first.cells,
                is_gone=False,
                removed_at=None,
            )
            self._keep(row)
            placed.append(row)
        others = [row for row in there.values() if row.removed_at is None]
        self.gone += [row.id for row in others]
        return [*placed, *others]

    def _keep(self, row: Row) -> None:
        self.edit.rows[row.id] = row
        self.pictures += _number(row)
        if self.pictures > MAX_PICTURES_A_BATCH:
            raise too_many_pictures(self.pictures)
        if len(self.edit.rows) > 2 * MAX_ROWS_A_TABLE:
            raise too_many_rows()


def _number(row: Row) -> int:
    """How many pictures a row asks for, also one with problems."""
    number = row.fields.get("num_images", 1)
    return number if isinstance(number, int) else 1


def _following(present: Mapping[str, Any], given: Asked | None, wanted: Asked) -> dict[str, Any]:
    """The fields of a row: what the recipe gave follows it, what a person changed since stays."""
    if given is None:
        return {**wanted.fields}
    kept = {name: value for name, value in present.items() if given.fields.get(name) != value}
    cleared = {name for name in given.fields if name not in present}
    follow = {name: value for name, value in wanted.fields.items() if name not in cleared}
    return {**follow, **kept}


def _remove_gone(edit: TableEdit, ids: Collection[int]) -> None:
    """Remove the rows of roles that are gone; those that have a picture stay, marked."""
    linked = database.linked_pictures(edit.db, ids)
    now = utc_now()
    for row_id in ids:
        pictures = linked.get(row_id, ())
        has_any = any(
            picture.standing not in (None, Standing.TRASHED) and picture.status is not Status.HELD
            for picture in pictures
        )
        row = edit.rows[row_id]
        edit.rows[row_id] = replace(row, is_gone=True) if has_any else replace(row, removed_at=now)


def _place(edit: TableEdit, order: Sequence[Row]) -> None:
    """Give the rows positions in this order: new ones between those that are there, else all anew."""
    order = [edit.rows[row.id] for row in order if edit.rows[row.id].removed_at is None]
    places = [row.position if row.id in edit.before else None for row in order]
    known = [place for place in places if place is not None]
    if any(low >= high for low, high in pairwise(known)):
        places = [float(place) for place in range(1, len(order) + 1)]
    index, low = 0, 0.0
    while index < len(places):
        end = next((at for at in range(index, len(places)) if places[at] is not None), len(places))
        high = places[end] if end < len(places) else None
        step = ((low + end - index + 1 if high is None else high) - low) / (end - index + 1)
        for at in range(index, end):
            places[at] = low + step * (at - index + 1)
        low, index = (low if high is None else high), end + 1
    found = [place for place in places if place is not None]
    if any(not low < high for low, high in pairwise([0.0, *found])):
        found = [float(place) for place in range(1, len(order) + 1)]
    for row, place in zip(order, found, strict=True):
        if row.position != place:
            edit.rows[row.id] = replace(row, position=place)
