"""Record queries: a filter -> ordered ids and exact counts, consistent under concurrent writes.

A query is a UNION ALL of *branches*, each ids in the order of an index: records in a final state, and (only
when the status filter asks for them) queued or running ones. A search replaces the first by the full-text
index of prompts, plus a scan of its backlog.
"""

import sqlite3
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace

from app.db.connection import read_transaction
from app.db.ngrams import Term, read_term
from app.db.search_index import VISIBLE, has_backlog
from app.domain import Status

NEWEST, OLDEST = "newest", "oldest"
_OPEN = (Status.QUEUED, Status.RUNNING)
_ENDED = (Status.SUCCESS, Status.FAILED, Status.UNKNOWN, Status.CANCELLED)
FACETS = ("status", "aspect_ratio", "resolution", "model", "favourite")
_CONTAINS = "contains(prompt, :term)"
_UNSUCCESSFUL = "deleted_at IS NULL AND status IN ('failed', 'unknown', 'cancelled')"
REVERSE_FROM = 1_000
_FEW_ENOUGH_TO_SORT = 20_000
_IDS_AT_ONCE = 10_000

Fields = dict[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordFilter:
    """Filter and order of a query; an empty field does not filter.

    search        substring of the prompt (not the negative prompt), ignoring case and width
    statuses      values of domain.Status; empty: all final states
    created_from, created_before   UTC, in the format of ``created_at``; the second is exclusive
    as_of         UTC with milliseconds: excludes records added, finished or deleted later
    sort          ``newest`` or ``oldest``, by id
    trash         deleted records instead of the others
    """

    search: str = ""
    statuses: tuple[str, ...] = ()
    batch_id: str = ""
    aspect_ratio: str = ""
    resolution: str = ""
    model: str = ""
    favourite: bool | None = None
    created_from: str = ""
    created_before: str = ""
    as_of: str = ""
    sort: str = NEWEST
    trash: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Branch:
    source: str
    id: str
    conditions: tuple[str, ...]

    def select(self, what: str) -> str:
        """The branch's SELECT statement; ``what`` may use ``id``."""
        return f"SELECT {what} FROM {self.source} WHERE {' AND '.join(self.conditions)}"


def find_ids(db: sqlite3.Connection, wanted: RecordFilter, *, limit: int, offset: int = 0) -> list[int]:
    """One page of ids in the requested order; a page near the end is read backwards from there."""
    with read_transaction(db):
        if offset > REVERSE_FROM or _is_counted(wanted):
            total = count_records(db, wanted)
            limit = min(limit, total - offset)
            if limit <= 0:
                return []
            after = total - offset - limit
            if after < offset:
                return _ids(db, _reversed(wanted), limit=limit, offset=after)[::-1]
        return _ids(db, wanted, limit=limit, offset=offset)


def list_record_ids(db: sqlite3.Connection, wanted: RecordFilter) -> Iterator[int]:
    """All ids in the requested order."""
    for portion in list_id_portions(db, wanted):
        yield from portion


def list_id_portions(db: sqlite3.Connection, wanted: RecordFilter) -> Iterator[list[int]]:
    """All ids in lists of 10,000, each read in a short transaction."""
    last: int | None = None
    while portion := _ids(db, wanted, limit=_IDS_AT_ONCE, beyond=last):
        yield portion
        last = portion[-1]


def find_neighbours(
    db: sqlite3.Connection, wanted: RecordFilter, record_id: int
) -> tuple[int | None, int | None]:
    """(previous id, next id) of this record in the requested order; None at either end."""
    with read_transaction(db):
        before, after = (_ids(db, order, limit=1, beyond=record_id) for order in (_reversed(wanted), wanted))
    return next(iter(before), None), next(iter(after), None)


def count_records(db: sqlite3.Connection, wanted: RecordFilter) -> int:
    """Exact number of matching records."""
    if _is_counted(wanted):
        return _sum_of_counts(db, wanted)
    term = read_term(wanted.search)
    with read_transaction(db):
        fields = _fields(wanted, term)
        selects = [branch.select("count(*)") for branch in _branches(db, wanted, term, for_count=True)]
        return sum(int(db.execute(sql, fields).fetchone()[0]) for sql in selects)


def count_facets(db: sqlite3.Connection, *, trash: bool = False) -> dict[str, dict[str, int]]:
    """For status, aspect_ratio, resolution, model and favourite: value -> number of records."""
    counts = {}
    for facet in FACETS:
        rows = db.execute(
            f"""
            SELECT {facet} AS value, sum(number) AS number
            FROM record_counts
            WHERE is_deleted = :trash
            GROUP BY {facet}
            HAVING sum(number) > 0
            ORDER BY sum(number) DESC
            """,
            {"trash": trash},
        )
        counts[facet] = {str(row["value"]): int(row["number"]) for row in rows}
    return counts


def _reversed(wanted: RecordFilter) -> RecordFilter:
    return replace(wanted, sort=OLDEST if wanted.sort == NEWEST else NEWEST)


def _is_counted(wanted: RecordFilter) -> bool:
    """Whether the total can be read from ``record_counts``."""
    return not (read_term(wanted.search) or wanted.batch_id or wanted.as_of or _has_dates(wanted))


def _has_dates(wanted: RecordFilter) -> bool:
    return bool(wanted.created_from or wanted.created_before)


def _ids(
    db: sqlite3.Connection, wanted: RecordFilter, *, limit: int, offset: int = 0, beyond: int | None = None
) -> list[int]:
    """One page of ids; with ``beyond``, only those after that id in the requested order."""
    term = read_term(wanted.search)
    direction, sign = ("DESC", "<") if wanted.sort == NEWEST else ("ASC", ">")
    fields = _fields(wanted, term) | {"limit": limit, "offset": offset, "beyond": beyond}
    with read_transaction(db):
        branches = _branches(db, wanted, term)
        if beyond is not None:
            branches = [
                replace(each, conditions=(*each.conditions, f"{each.id} {sign} :beyond")) for each in branches
            ]
        union = " UNION ALL ".join(branch.select(f"{branch.id} AS id") for branch in branches)
        if not union:
            return []
        sql = f"{union} ORDER BY id {direction} LIMIT :limit OFFSET :offset"
        return [int(row["id"]) for row in db.execute(sql, fields)]


def _branches(
    db: sqlite3.Connection, wanted: RecordFilter, term: Term | None, *, for_count: bool = False
) -> list[_Branch]:
    ended, open_ones = _statuses(wanted)
    filters = _filters(wanted)
    uses_text_index = term is not None and not (wanted.trash or wanted.batch_id)
    branches = []
    if ended and term and uses_text_index:
        branches += _indexed_branches(db, wanted, term)
    elif ended:
        index, first = _choose_index(db, wanted, ended, for_count=for_count)
        branches.append(_scan(index, (*first, *_of_statuses(ended, _ENDED), *filters), term))
    if open_ones:
        first = ("deleted_at IS NULL", "status IN ('queued', 'running')", *_of_statuses(open_ones, _OPEN))
        branches.append(_scan("records_open", (*first, *filters), term))
    return branches


def _statuses(wanted: RecordFilter) -> tuple[list[Status], list[Status]]:
    """The requested statuses: (final, open)."""
    requested = wanted.statuses or _ENDED
    return (
        [status for status in _ENDED if status in requested],
        [status for status in _OPEN if status in requested and not wanted.trash],
    )


def _choose_index(
    db: sqlite3.Connection, wanted: RecordFilter, ended: list[Status], *, for_count: bool
) -> tuple[str, tuple[str, ...]]:
    """The index for records in a final state, and the conditions that make it usable."""
    if wanted.trash:
        return "records_trash", ("deleted_at IS NOT NULL",)
    if wanted.batch_id:
        return "records_of_batch", (VISIBLE,)
    if wanted.favourite:
        return "records_favourite", (VISIBLE, "favourite = 1")
    if Status.SUCCESS not in ended:
        return "records_unsuccessful", (_UNSUCCESSFUL,)
    if _has_dates(wanted) and (for_count or _is_short_time(db, wanted)):
        return "records_created", (VISIBLE,)
    is_filtered = _filters(wanted) or len(ended) < len(_ENDED)
    return "records_facets" if is_filtered else "records_visible", (VISIBLE,)


def _is_short_time(db: sqlite3.Connection, wanted: RecordFilter) -> bool:
    """Whether the date range holds few enough records to sort instead of scanning in id order."""
    conditions = " AND ".join((VISIBLE, *_conditions(wanted, _TIMES)))
    source = "generation_records INDEXED BY records_created"
    sql = f"SELECT count(*) FROM (SELECT 1 FROM {source} WHERE {conditions} LIMIT {_FEW_ENOUGH_TO_SORT})"
    return int(db.execute(sql, _fields(wanted, None)).fetchone()[0]) < _FEW_ENOUGH_TO_SORT


def _indexed_branches(db: sqlite3.Connection, wanted: RecordFilter, term: Term) -> list[_Branch]:
    """A branch for the full-text index and, if there is a backlog, one that scans it."""
    ended, _ = _statuses(wanted)
    filters = (*_of_statuses(ended, _ENDED), *_filters(wanted))
    source = "prompt_search"
    conditions: tuple[str, ...] = ("prompt_search MATCH :expression",)
    if filters or not term.is_exact:
        source += (
            " CROSS JOIN generation_records INDEXED BY records_facets"
            " ON generation_records.id = prompt_search.rowid"
        )
        conditions += (VISIBLE, *filters, *(() if term.is_exact else (_CONTAINS,)))
    if not has_backlog(db):
        return [_Branch(source=source, id="prompt_search.rowid", conditions=conditions)]
    conditions += ("prompt_search.rowid NOT IN (SELECT id FROM search_backlog)",)
    waiting = "search_backlog CROSS JOIN generation_records ON generation_records.id = search_backlog.id"
    return [
        _Branch(source=source, id="prompt_search.rowid", conditions=conditions),
        _Branch(source=waiting, id="search_backlog.id", conditions=(VISIBLE, *filters, _CONTAINS)),
    ]


def _scan(index: str, conditions: tuple[str, ...], term: Term | None) -> _Branch:
    conditions += (_CONTAINS,) if term else ()
    source = f"generation_records INDEXED BY {index}"
    return _Branch(source=source, id="generation_records.id", conditions=conditions)


def _of_statuses(requested: list[Status], possible: tuple[Status, ...]) -> tuple[str, ...]:
    if len(requested) == len(possible):
        return ()
    return (f"status IN ({', '.join(repr(status.value) for status in requested)})",)


_EQUALS = {name: f"{name} = :{name}" for name in ("batch_id", "aspect_ratio", "resolution", "model")}
_TIMES = {
    "created_from": "created_at >= :created_from",
    "created_before": "created_at < :created_before",
    "as_of": """
        created_at <= :as_of AND coalesce(finished_at, '') <= :as_of AND coalesce(deleted_at, '') <= :as_of
    """,
}


def _filters(wanted: RecordFilter) -> tuple[str, ...]:
    favourite = () if wanted.favourite is None else ("favourite = :favourite",)
    return (*_conditions(wanted, _EQUALS), *favourite, *_conditions(wanted, _TIMES))


def _conditions(wanted: RecordFilter, possible: dict[str, str]) -> tuple[str, ...]:
    return tuple(sql for name, sql in possible.items() if getattr(wanted, name))


def _fields(wanted: RecordFilter, term: Term | None) -> Fields:
    searched = {"term": term.normalised, "expression": term.expression} if term else {}
    return asdict(wanted) | searched


def _sum_of_counts(db: sqlite3.Connection, wanted: RecordFilter) -> int:
    ended, open_ones = _statuses(wanted)
    requested = (*ended, *open_ones)
    left_out = [status for status in Status if status not in requested]
    is_every_end = len(ended) == len(_ENDED)  # then include unknown statuses written by other programs
    statuses = ", ".join(repr(status.value) for status in (left_out if is_every_end else requested))
    conditions = (
        "is_deleted = :trash",
        f"status {'NOT IN' if is_every_end else 'IN'} ({statuses})",
        *_filters(wanted),
    )
    sql = f"SELECT coalesce(sum(number), 0) FROM record_counts WHERE {' AND '.join(conditions)}"
    return int(db.execute(sql, _fields(wanted, None) | {"trash": wanted.trash}).fetchone()[0])
