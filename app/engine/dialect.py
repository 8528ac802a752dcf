"""SQL in the dialect of SQLite -> the same statement for PostgreSQL.

Only what the engines say in different words is translated; ``schema_postgres.sql`` defines the functions that
PostgreSQL lacks. Everything else is written so that it is valid on both: no number as a condition, every
column of a result grouped or aggregated, every subquery named.
"""

import re
from functools import lru_cache

_LONGEST_KEPT = 10_000  # characters; a longer statement has ids in it and is hardly sent again

_LITERAL = re.compile(r"('(?:[^']|'')*')")
# (pattern, replacement), applied in this order outside of literals.
_RULES = (
    # A list as a parameter: JSON for SQLite, an array for PostgreSQL (see ``row_mapping.SqlList``).
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
