"""Statements in the dialect of SQLite, their parameters and the rows of their results, for PostgreSQL.

Only what the engines say in different words is translated; ``schema_postgres.sql`` defines the functions that
PostgreSQL lacks. Everything else is written so that it is valid on both: no number as a condition, every
column of a result grouped or aggregated, every subquery named.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

_LONGEST_KEPT = 10_000  # characters; a longer statement has ids in it and is hardly sent again

_LITERAL = re.compile(r"('(?:[^']|'')*')")
# (pattern, replacement), applied in this order outside of literals.
_RULES = (
    # A list as a parameter: JSON for SQLite, an array for PostgreSQL (see ``values.SqlList``).
    (r"\bNOT IN \(SELECT value FROM json_each\(:(\w+)\)\)", r"<> ALL (:\1)"),
    (r"\bIN \(SELECT value FROM json_each\(:(\w+)\)\)", r"= ANY (:\1)"),
    (r"\bjson_each\(:(\w+)\) AS (\w+)", r"unnest(CAST(:\1 AS text[])) AS \2 (value)"),
    # Hints; PostgreSQL has statistics. SQLite's CROSS JOIN … ON only fixes the order of the loops.
    (r"\b(?:INDEXED BY \w+|NOT INDEXED)", ""),
    (r"\bCROSS JOIN\b", "JOIN"),
    (r"(?<=AND )\+", ""),
    # The condition of a partial index, which SQLite wants word for word.
    (r"\bWHERE usage_differs AND\b", "WHERE usage_differs = 1 AND"),
    # The columns have the collation "C", in which only ASCII letters have two cases, as in NOCASE.
    (r"([\w.]+) = (:?[\w.]+) COLLATE NOCASE", r'lower(\1) = lower(\2 COLLATE "C")'),
    # SQLite has one writer at a time.
    (r"/\* (FOR UPDATE\b[A-Za-z_ ]*) \*/", r"\1"),
    (r"(?<![:\w]):([a-z]\w*)", r"%(\1)s"),
    (r"\?", "%s"),
)


def to_postgres(sql: str) -> str:
    """The statement with psycopg's placeholders."""
    return _translate(sql) if len(sql) < _LONGEST_KEPT else _translate.__wrapped__(sql)


@lru_cache(maxsize=1024)
def _translate(sql: str) -> str:
    parts = _LITERAL.split(sql.replace("%", "%%"))
    for pattern, replacement in _RULES:
        parts[::2] = [re.sub(pattern, replacement, part) for part in parts[::2]]
    return "".join(parts)


def parameters_of(fields: Mapping[str, Any] | Sequence[Any]) -> Mapping[str, Any] | Sequence[Any]:
    """Parameters as SQLite takes them: a bool is a number. NUL, which no text may contain, becomes ``�``."""
    if isinstance(fields, Mapping):
        return {name: _value(value) for name, value in fields.items()}
    return [_value(value) for value in fields]


def _value(value: Any) -> Any:
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, str):
        return str(value).replace("\x00", "�")
    if isinstance(value, list):
        return [_value(each) for each in value]
    return value


class ServerRow:
    """A row of a result from PostgreSQL: values by column name or by position."""

    __slots__ = ("_names", "_values")

    def __init__(self, names: dict[str, int], values: tuple[Any, ...]) -> None:
        self._names, self._values = names, values

    def __getitem__(self, key: Any) -> Any:
        return self._values[self._names[key] if isinstance(key, str) else key]

    def __iter__(self) -> Iterator[Any]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def keys(self) -> Iterable[str]:
        """The column names, so that ``dict(row)`` works."""
        return self._names.keys()
