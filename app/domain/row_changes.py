"""Compares the rows of a table that comes back with those it was submitted as."""

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from typing import Any

from app.domain.records import file_key
from app.domain.variables import variable_key, variable_names

_MIN_SIMILARITY = 0.5
_MAX_COMPARED = 10_000  # pairs of rows within a gap
_MAX_COMPARED_LENGTH = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class TableRow:
    """A row as typed: its line, the request fields, names of references, own columns, ids of its records."""

    number: int
    fields: Mapping[str, Any]
    references: tuple[str, ...] = ()
    columns: Mapping[str, str] = field(default_factory=dict)
    records: tuple[int, ...] = ()

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
        """The own columns that stand in the fields as ``{name}``."""
        texts = " ".join([*(str(value) for value in self.fields.values()), *self.references])
        if "{" not in texts:
            return ()
        used = variable_names(texts)
        return tuple(sorted(item for item in self.columns.items() if variable_key(item[0]) in used))


@dataclass(frozen=True, slots=True)
class RowChanges:
    """For each new row the old one that it was, or None; and the old rows that are gone."""

    was: list[TableRow | None]
    removed: list[TableRow]

    def number_of_equal(self, new: Sequence[TableRow]) -> int:
        """How many rows did not change."""
        return sum(
            old is not None and old.request_key == row.request_key
            for old, row in zip(self.was, new, strict=True)
        )


def differences(old: TableRow, new: TableRow) -> dict[str, Any]:
    """Field -> its old value, for what is asked for; used own columns are under ``columns``."""
    if old.request_key == new.request_key:
        return {}
    was = {name: value for name, value in old.fields.items() if str(value) != str(new.fields.get(name))}
    if old.request_key[-2] != new.request_key[-2]:
        was["references"] = list(old.references)
    used = {name for name, _ in (*old._used_columns(), *new._used_columns())}
    columns = {
        name: old.columns.get(name, "")
        for name in sorted(used)
        if old.columns.get(name, "") != new.columns.get(name, "")
    }
    return was | ({"columns": columns} if columns else {})


def match_rows(old: Sequence[TableRow], new: Sequence[TableRow]) -> RowChanges:
    """Find for each new row the old one: equal rows in order, equal rows elsewhere, then changed ones.

    A changed row is the one with the same own columns, if they are unique, or one between the same
    neighbours: in order when as many are there as before, else the most similar one.
    """
    pairs: dict[int, int] = dict(_equal_in_order(old, new))
    pairs |= _equal_by(old, new, pairs, lambda row: row.key)
    pairs |= _equal_by(old, new, pairs, lambda row: row.request_key)
    pairs |= _equal_by(old, new, pairs, _identity, unique=True)
    pairs |= _between_neighbours(old, new, pairs)
    taken = set(pairs.values())
    return RowChanges(
        was=[old[pairs[index]] if index in pairs else None for index in range(len(new))],
        removed=[row for index, row in enumerate(old) if index not in taken],
    )


def match_by_number(old: Sequence[TableRow], new: Sequence[TableRow]) -> RowChanges:
    """The old row of each new one is that with its number; of several, one that is equal, if any."""
    by_number: dict[int, list[TableRow]] = defaultdict(list)
    for row in old:
        by_number[row.number].append(row)
    was: list[TableRow | None] = []
    for row in new:
        found = by_number.get(row.number, [])
        equal = (each for each in found if each.request_key == row.request_key)
        was.append(next(equal, found[0] if found else None))
    numbers = {row.number for row in new}
    first = {row.number: row for row in reversed(old)}
    removed = [row for number, row in sorted(first.items()) if number not in numbers]
    return RowChanges(was=was, removed=removed)


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
            olds = [each for each in range(olds_at, place) if each not in taken]
            if olds and news:
                yield olds, news
            news, last_old, olds_at = [], place, place + 1


def _most_similar(
    old: Sequence[TableRow], new: Sequence[TableRow], olds: Iterable[int], news: Iterable[int]
) -> dict[int, int]:
    """Pairs of the most similar rows, each used once."""
    grams_of_old = {a: _grams(old[a]) for a in olds}
    grams_of_new = {b: _grams(new[b]) for b in news}
    scores = sorted(
        (
            (_similarity(of_old, of_new), old[a].number == new[b].number, -b, a)
            for a, of_old in grams_of_old.items()
            for b, of_new in grams_of_new.items()
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


def _similarity(old: frozenset[str], new: frozenset[str]) -> float:
    """0 to 1: the share of their groups of characters that both rows have."""
    return 2 * len(old & new) / (len(old) + len(new) or 1)
