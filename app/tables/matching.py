"""Which row of a table each line of a file is that comes back."""

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from functools import partial
from typing import Any

from app.domain.records import file_key
from app.domain.variables import variable_key, variable_names

_MIN_SIMILARITY = 0.5
_MAX_COMPARED = 10_000  # pairs of rows within a gap
_MAX_COMPARED_LENGTH = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class TableRow:
    """A row as written: its line, the request fields as texts, names of references, own columns."""

    number: int
    fields: Mapping[str, Any]
    references: tuple[str, ...] = ()
    columns: Mapping[str, str] = field(default_factory=dict)

    @property
    def request_key(self) -> tuple[object, ...]:
        """What is asked for; a reference counts without its extension."""
        names = tuple(file_key(name.rpartition(".")[0] or name) for name in self.references)
        return (*(str(value) for _, value in sorted(self.fields.items())), names, self._used_columns())

    @property
    def key(self) -> tuple[object, ...]:
        """The whole row."""
        return (*self.request_key, *sorted(item for item in self.columns.items() if item[1]))

    def _used_columns(self) -> tuple[tuple[str, str], ...]:
        """The own columns that stand in the fields as ``{name}``; all of a row without a prompt."""
        if not self.fields.get("prompt"):  # a product: a recipe may use any
            return tuple(sorted(item for item in self.columns.items() if item[1]))
        used = variable_names(" ".join([*(str(value) for value in self.fields.values()), *self.references]))
        return tuple(sorted(item for item in self.columns.items() if variable_key(item[0]) in used))


def match_rows(old: Sequence[TableRow], new: Sequence[TableRow]) -> list[int | None]:
    """The index of the old row that each new one was: an equal row in order, an equal row elsewhere, that
    with the same cell in a column whose cells are all different, or else one between the same neighbours: in
    order when as many are there as before, else the most similar one; not of products, which have a cell of
    their own.
    """
    pairs: dict[int, int] = dict(_equal_in_order(old, new))
    pairs |= _equal_by(old, new, pairs, lambda row: row.key)
    for name in _identifying_columns(old, new):
        pairs |= _equal_by(old, new, pairs, partial(_cell, name))
    pairs |= _equal_by(old, new, pairs, lambda row: row.request_key)
    pairs |= _equal_by(old, new, pairs, _identity, unique=True)
    if any(row.fields.get("prompt") for row in new) or not [*_identifying_columns(old, new)]:
        pairs |= _between_neighbours(old, new, pairs)
    return [pairs.get(index) for index in range(len(new))]


def _cell(name: str, row: TableRow) -> str | None:
    """The cell of an own column, of the file name for ``""``; None when it is empty."""
    return (row.columns.get(name) if name else str(row.fields.get("filename", ""))) or None


def _identifying_columns(old: Sequence[TableRow], new: Sequence[TableRow]) -> Iterator[str]:
    """The columns whose cells are all different, before and now.

    One that only counts the lines follows a line that is inserted: most of its rows must be equal.
    """
    for name in ("", *dict.fromkeys(name for row in old for name in row.columns)):
        cells = [[_cell(name, row) for row in rows] for rows in (old, new)]
        if any(None in each or len({*each}) < len(each) for each in cells):
            continue
        if all(cell and cell.isdecimal() for each in cells for cell in each):
            rows = {_cell(name, row): row.request_key for row in old}
            same = [rows[cell] == row.request_key for row in new if (cell := _cell(name, row)) in rows]
            if 2 * sum(same) < len(same):
                continue
        yield name


def _equal_in_order(old: Sequence[TableRow], new: Sequence[TableRow]) -> Iterator[tuple[int, int]]:
    """(new, old) indexes of equal rows in the same order."""
    a, b = [row.key for row in old], [row.key for row in new]
    start = 0
    while start < min(len(a), len(b)) and a[start] == b[start]:
        yield start, start
        start += 1
    end = 0
    while end < min(len(a), len(b)) - start and a[-1 - end] == b[-1 - end]:
        end += 1
        yield len(b) - end, len(a) - end
    matcher = SequenceMatcher(None, a[start : len(a) - end], b[start : len(b) - end])
    for block in matcher.get_matching_blocks():
        for offset in range(block.size):
            yield start + block.b + offset, start + block.a + offset


def _identity(row: TableRow) -> tuple[object, ...] | None:
    return tuple(sorted(row.columns.items())) if any(row.columns.values()) else None


def _equal_by(
    old: Sequence[TableRow],
    new: Sequence[TableRow],
    pairs: Mapping[int, int],
    key: Callable[[TableRow], object],
    *,
    unique: bool = False,
) -> dict[int, int]:
    """Pairs of rows left with the same key, in order; with ``unique`` only where one row of each has it."""
    taken = set(pairs.values())
    there: dict[object, deque[int]] = defaultdict(deque)
    for index, row in enumerate(old):
        if index not in taken and key(row) is not None:
            there[key(row)].append(index)
    wanted: dict[object, list[int]] = defaultdict(list)
    for index, row in enumerate(new):
        if index not in pairs and key(row) is not None:
            wanted[key(row)].append(index)
    return {
        index: place
        for each, indexes in wanted.items()
        if each in there and not (unique and (len(indexes) > 1 or len(there[each]) > 1))
        for index, place in zip(indexes, there[each], strict=False)
    }


def _between_neighbours(
    old: Sequence[TableRow], new: Sequence[TableRow], pairs: Mapping[int, int]
) -> dict[int, int]:
    found: dict[int, int] = {}
    for olds, news in _gaps(len(old), len(new), pairs):
        if len(olds) == len(news):
            found |= dict(zip(news, olds, strict=True))
        elif len(olds) * len(news) <= _MAX_COMPARED:
            found |= _most_similar(old, new, olds, news)
        else:
            by_number = {old[index].number: index for index in olds}
            found |= {index: by_number[new[index].number] for index in news if new[index].number in by_number}
    return found


def _gaps(old_count: int, new_count: int, pairs: Mapping[int, int]) -> Iterable[tuple[list[int], list[int]]]:
    """The rows left between rows that are paired in order: (old indexes, new indexes)."""
    taken = set(pairs.values())
    last_old, olds_at = -1, 0
    news: list[int] = []
    for index in range(new_count + 1):
        place = pairs.get(index, -1) if index < new_count else old_count
        if index < new_count and index not in pairs:
            news.append(index)
        elif place > last_old:
            yield [each for each in range(olds_at, place) if each not in taken], news
            news, last_old, olds_at = [], place, place + 1


def _most_similar(
    old: Sequence[TableRow], new: Sequence[TableRow], olds: Iterable[int], news: Iterable[int]
) -> dict[int, int]:
    """Pairs of the most similar rows, each used once."""
    grams_of_old = {a: _grams(old[a]) for a in olds}
    grams_of_new = {b: _grams(new[b]) for b in news}
    scores = sorted(
        (  # 0 to 1: the share of their groups of characters that both rows have
            (2 * len(ours & theirs) / (len(ours) + len(theirs) or 1), old[a].number == new[b].number, -b, a)
            for a, ours in grams_of_old.items()
            for b, theirs in grams_of_new.items()
        ),
        reverse=True,
    )
    found: dict[int, int] = {}
    for score, _, minus_b, a in scores:
        if score >= _MIN_SIMILARITY and -minus_b not in found and a not in found.values():
            found[-minus_b] = a
    return found


def _grams(row: TableRow) -> frozenset[str]:
    """The groups of three characters in the prompt and the own columns."""
    text = "\n".join((str(row.fields.get("prompt", "")), *row.columns.values()))[:_MAX_COMPARED_LENGTH]
    return frozenset(text[at : at + 3] for at in range(len(text)))
