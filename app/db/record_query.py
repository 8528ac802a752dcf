"""Record queries: a filter -> ordered ids and exact counts, consistent under concurrent writes.

A query is a UNION ALL of *branches*, each ids in the order of an index: records in a final state, and (only
when the status filter asks for them) held, queued or running ones. A search, or a filter by exact values,
replaces the first by the full-text index, plus a scan of its backlog. Totals without a search are read from
counts that triggers maintain. On PostgreSQL the index is that of the pieces of texts, only searches use it,
and scans compare texts here, since the database cannot normalise them as ``ngrams`` does.
"""

import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace

from app.db.connection import Connection, read_transaction
from app.db.ngrams import BETWEEN, SEPARATOR, TextSearch, matches, normalise, read_search
from app.db.search_index import FACETS, SEARCHED, VISIBLE, count_backlog, facet_tag
from app.domain import MAX_ID, Pick, Status

NEWEST, OLDEST = "newest", "oldest"
NOT_PICKED = "none"
_OPEN = (Status.HELD, Status.QUEUED, Status.RUNNING)
_ENDED = (Status.SUCCESS, Status.FAILED, Status.UNKNOWN, Status.CANCELLED)
_UNSUCCESSFUL = "deleted_at IS NULL AND status IN ('failed', 'unknown', 'cancelled')"
REVERSE_FROM = 1_000
_FEW_ENOUGH_TO_SCAN = 1_000
_RECORDS_OF_A_PAGE = 100
_DOCUMENTS_NEARBY = 2_000
_IDS_AT_ONCE = 10_000

Fields = dict[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordFilter:
    """Filter and order of a query; an empty field does not filter.

    search        substring of a searched field, ignoring case and width; ``#123`` is the record of that id
    search_in     ``prompt``: only in the prompt, where ``#123`` is a text too; empty: in all searched fields
    every_word    each word of ``search`` in some field, instead of the whole text in one
    statuses      values of domain.Status; empty: all final states
    created_from, created_before   UTC, in the format of ``created_at``; the second is exclusive
    pick          ``keep``, ``reject``, or ``none``: neither of them
    as_of         UTC with milliseconds: excludes records added, finished or deleted later
    sort          ``newest`` or ``oldest``, by id
    trash         deleted records instead of the others
    """

    search: str = ""
    search_in: str = ""
    every_word: bool = False
    statuses: tuple[str, ...] = ()
    batch_id: str = ""
    aspect_ratio: str = ""
    resolution: str = ""
    model: str = ""
    favourite: bool | None = None
    pick: str = ""
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


def find_ids(db: Connection, wanted: RecordFilter, *, limit: int, offset: int = 0) -> list[int]:
    """One page of ids in the requested order; a page near the end is read backwards from there."""
    with read_transaction(db):
        if offset > REVERSE_FROM or _is_counted(wanted) or _is_counted_by_day(wanted):
            total = count_records(db, wanted)
            limit = min(limit, total - offset)
            if limit <= 0:
                return []
            after = total - offset - limit
            if after < offset:
                return _ids(db, _reversed(wanted), limit=limit, offset=after)[::-1]
        return _ids(db, wanted, limit=limit, offset=offset)


def list_record_ids(db: Connection, wanted: RecordFilter) -> Iterator[int]:
    """All ids in the requested order."""
    for portion in list_id_portions(db, wanted):
        yield from portion


def list_id_portions(db: Connection, wanted: RecordFilter) -> Iterator[list[int]]:
    """All ids in lists of 10,000, each read in a short transaction."""
    last: int | None = None
    while portion := _ids(db, wanted, limit=_IDS_AT_ONCE, beyond=last):
        yield portion
        last = portion[-1]


def find_neighbours(db: Connection, wanted: RecordFilter, record_id: int) -> tuple[int | None, int | None]:
    """(previous id, next id) of this record in the requested order; None at either end."""
    with read_transaction(db):
        before, after = (_ids(db, order, limit=1, beyond=record_id) for order in (_reversed(wanted), wanted))
    return next(iter(before), None), next(iter(after), None)


def count_records(db: Connection, wanted: RecordFilter) -> int:
    """Exact number of matching records."""
    if _is_counted(wanted):
        return _sum_of_counts(db, wanted)
    with read_transaction(db):
        if wanted.pick == NOT_PICKED:  # fewer are picked than not
            every, *picked = (count_records(db, replace(wanted, pick=pick)) for pick in ("", *Pick))
            return every - sum(picked)
        if _is_counted_by_day(wanted):
            return _sum_of_days(db, wanted)
        fields = _fields(wanted)
        selects = [branch.select("count(*)") for branch in _branches(db, wanted, for_count=True)]
        return sum(int(db.execute(sql, fields).fetchone()[0]) for sql in selects)


def count_by_words(db: Connection, wanted: RecordFilter) -> int | None:
    """Number of records that have every word of a search for several words; None for any other search."""
    by_words = replace(wanted, every_word=True)
    text = _text(by_words)
    if wanted.every_word or text is None or len(text.words) < 2:
        return None
    return count_records(db, by_words)


def count_facets(db: Connection, *, trash: bool = False) -> dict[str, dict[str, int]]:
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
    return not (_is_searched(wanted) or _has_dates(wanted) or wanted.batch_id or wanted.as_of or wanted.pick)


def _is_counted_by_day(wanted: RecordFilter) -> bool:
    """Whether the total can be read from ``counts_by_day``."""
    is_other = _is_searched(wanted) or wanted.batch_id or wanted.as_of or wanted.pick or wanted.trash
    return _has_dates(wanted) and not (is_other or _statuses(wanted)[1])


def _has_dates(wanted: RecordFilter) -> bool:
    return bool(wanted.created_from or wanted.created_before)


def _is_searched(wanted: RecordFilter) -> bool:
    return _record_id(wanted) is not None or _text(wanted) is not None


def _record_id(wanted: RecordFilter) -> int | None:
    """The id in a search for ``#123``; 0, which no record has, when it is too large for one."""
    found = re.fullmatch(r"\s*#([0-9]{1,30})\s*", normalise(wanted.search))
    if not found or wanted.search_in:
        return None
    number = int(found[1])
    return number if number <= MAX_ID else 0


def _text(wanted: RecordFilter) -> TextSearch | None:
    return read_search(wanted.search, every_word=wanted.every_word)


def _ids(
    db: Connection, wanted: RecordFilter, *, limit: int, offset: int = 0, beyond: int | None = None
) -> list[int]:
    """One page of ids; with ``beyond``, only those after that id in the requested order."""
    direction, sign = ("DESC", "<") if wanted.sort == NEWEST else ("ASC", ">")
    fields = _fields(wanted) | {"limit": limit, "offset": offset, "beyond": beyond}
    with read_transaction(db):
        is_page = limit < _IDS_AT_ONCE and not _statuses(wanted)[1]
        if is_page and _is_by_documents(db, wanted):
            nearby = _nearby_ids(db, wanted, fields, offset + limit)
            if nearby is not None:
                return nearby[offset:]
        branches = _branches(db, wanted)
        if beyond is not None:
            branches = [
                replace(each, conditions=(*each.conditions, f"{each.id} {sign} :beyond")) for each in branches
            ]
        union = " UNION ALL ".join(branch.select(f"{branch.id} AS id") for branch in branches)
        if not union:
            return []
        sql = f"{union} ORDER BY id {direction} LIMIT :limit OFFSET :offset"
        return [int(row["id"]) for row in db.execute(sql, fields)]


def _is_by_documents(db: Connection, wanted: RecordFilter) -> bool:
    return db.engine == "postgres" and _statuses(wanted)[0] != [] and _uses_text_index(db, wanted)


def _nearby_ids(db: Connection, wanted: RecordFilter, fields: Fields, needed: int) -> list[int] | None:
    """The first ids in the requested order, if enough of the first 2,000 documents match; else None.

    The index would first find all records that have a common word. PostgreSQL only.
    """
    direction, sign = ("DESC", "<") if wanted.sort == NEWEST else ("ASC", ">")
    beyond = f"WHERE id {sign} :beyond" if fields["beyond"] is not None else ""
    documents = f"SELECT id, document FROM record_search {beyond} ORDER BY id {direction} LIMIT :nearby"
    near, *others = _document_branches(db, wanted, documents)
    first = f"{near.select('record_search.id AS id')} ORDER BY record_search.id {direction} LIMIT :needed"
    fields = fields | {"nearby": _DOCUMENTS_NEARBY, "needed": needed}
    ids = [int(row["id"]) for row in db.execute(first, fields)]
    if len(ids) < needed:
        return None
    for branch in others:
        sql = branch.select(f"{branch.id} AS id")
        ids += [int(row["id"]) for row in db.execute(sql, fields)]
    if fields["beyond"] is not None:
        ids = [each for each in ids if (each < fields["beyond"]) == (sign == "<")]  # type: ignore[operator]
    return sorted(ids, reverse=sign == "<")[:needed]


def _branches(db: Connection, wanted: RecordFilter, *, for_count: bool = False) -> list[_Branch]:
    ended, open_ones = _statuses(wanted)
    filters = _filters(wanted)
    branches: list[_Branch] = []
    if ended and _uses_text_index(db, wanted):
        branches += (_document_branches if db.engine == "postgres" else _indexed_branches)(db, wanted)
    elif ended:
        index, first = _choose_index(db, wanted, ended, for_count=for_count)
        branches.append(_searched(db, _scan(index, (*first, *_of_statuses(ended, _ENDED), *filters)), wanted))
    if open_ones:
        first = (
            "deleted_at IS NULL",
            "status IN ('held', 'queued', 'running')",
            *_of_statuses(open_ones, _OPEN),
        )
        branches.append(_searched(db, _scan("records_open", (*first, *filters)), wanted))
    return branches


def _uses_text_index(db: Connection, wanted: RecordFilter) -> bool:
    if wanted.trash or wanted.batch_id or _record_id(wanted) is not None:
        return False
    if _text(wanted) or db.engine == "postgres":
        return _text(wanted) is not None
    is_other = _has_dates(wanted) or wanted.as_of or wanted.pick
    is_faceted = len(_facet_words(wanted)) > 0 and not is_other
    return is_faceted and count_backlog(db, limit=_FEW_ENOUGH_TO_SCAN) < _FEW_ENOUGH_TO_SCAN


def _statuses(wanted: RecordFilter) -> tuple[list[Status], list[Status]]:
    """The requested statuses: (final, open)."""
    requested = wanted.statuses or _ENDED
    return (
        [status for status in _ENDED if status in requested],
        [status for status in _OPEN if status in requested and not wanted.trash],
    )


def _choose_index(
    db: Connection, wanted: RecordFilter, ended: list[Status], *, for_count: bool
) -> tuple[str, tuple[str, ...]]:
    """The index for records in a final state, and the conditions that make it usable."""
    if _record_id(wanted) is not None:
        return "", ("deleted_at IS NOT NULL" if wanted.trash else VISIBLE,)
    if wanted.trash:
        return "records_trash", ("deleted_at IS NOT NULL",)
    is_picked = wanted.pick in list(Pick)
    if wanted.batch_id:
        return (
            ("records_picked_of_batch", (VISIBLE, _PICKED)) if is_picked else ("records_of_batch", (VISIBLE,))
        )
    if is_picked:
        return "records_picked", (VISIBLE, _PICKED)
    if wanted.favourite:
        return "records_favourite", (VISIBLE, "favourite = 1")
    if Status.SUCCESS not in ended:
        return "records_unsuccessful", (_UNSUCCESSFUL,)
    if _has_dates(wanted):
        return _index_for_dates(db, wanted, for_count=for_count)
    is_filtered = _filters(wanted) or len(ended) < len(_ENDED)
    return "records_facets" if is_filtered else "records_visible", (VISIBLE,)


def _index_for_dates(db: Connection, wanted: RecordFilter, *, for_count: bool) -> tuple[str, tuple[str, ...]]:
    """By time when all records of that time are fewer than those passed in id order for a page."""
    found = _days(db, wanted)
    passed = (found["last_id"] - found["first_id"] + 1) * _RECORDS_OF_A_PAGE // max(found["number"], 1)
    if for_count or found["scanned"] < passed:
        return "records_created", (VISIBLE,)
    return "records_facets", (VISIBLE, _within(found, "id"))


def _days(db: Connection, wanted: RecordFilter) -> dict[str, int]:
    """Of the days of the filter: matching records, bounds of their ids, and all records."""
    of_days = {"created_from": "day >= :first_day", "created_before": "day <= :last_day"}
    statuses = _of_statuses(_statuses(wanted)[0], _ENDED)
    matching = " AND ".join(("number > 0", *statuses, *_facet_filters(wanted)))
    row = db.execute(
        f"""
        SELECT
            coalesce(sum(number) FILTER (WHERE {matching}), 0) AS number,
            coalesce(min(first_id) FILTER (WHERE {matching}), 0) AS first_id,
            coalesce(max(last_id) FILTER (WHERE {matching}), -1) AS last_id,
            coalesce(sum(number), 0) AS scanned
        FROM counts_by_day
        WHERE {" AND ".join(_conditions(wanted, of_days))}
        """,
        _fields(wanted),
    ).fetchone()
    return dict(row)


def _within(found: dict[str, int], column: str) -> str:
    return f"{column} BETWEEN {found['first_id']} AND {found['last_id']}"


def _indexed_branches(db: Connection, wanted: RecordFilter) -> list[_Branch]:
    """A branch for the full-text index and, if there is a backlog, one that scans it."""
    text = _text(wanted)
    times = _conditions(wanted, _TIMES)
    source = "record_search"
    conditions: tuple[str, ...] = ("record_search MATCH :expression",)
    if times or (text and not text.is_exact):
        source += (
            " CROSS JOIN generation_records INDEXED BY records_facets"
            " ON generation_records.id = record_search.rowid"
        )
        conditions += (VISIBLE, *times, *(() if not text or text.is_exact else _search_conditions(wanted)))
    if _has_dates(wanted):
        conditions += (_within(_days(db, wanted), "record_search.rowid"),)
    if wanted.pick:
        conditions += (_picked_ids(wanted),)
    if not count_backlog(db, limit=1):
        return [_Branch(source=source, id="record_search.rowid", conditions=conditions)]
    conditions += ("record_search.rowid NOT IN (SELECT id FROM search_backlog)",)
    waiting = "search_backlog CROSS JOIN generation_records ON generation_records.id = search_backlog.id"
    shown = (VISIBLE, *_of_statuses(_statuses(wanted)[0], _ENDED), *_filters(wanted))
    return [
        _Branch(source=source, id="record_search.rowid", conditions=conditions),
        _Branch(source=waiting, id="search_backlog.id", conditions=(*shown, *_search_conditions(wanted))),
    ]


def _document_branches(db: Connection, wanted: RecordFilter, documents: str = "") -> list[_Branch]:
    """What ``_indexed_branches`` is on SQLite: the documents that match, all or these, and the backlog."""
    text = _text(wanted)
    assert text is not None
    searched = "split_part(document, :separator, 1)" if wanted.search_in else "document"
    matching = [f"strpos({searched}, :word_{number}) > 0" for number in range(len(text.words))]
    if not documents:
        is_settled = text.pieces == text.words and not wanted.search_in
        indexed = ("grams(document) @> :pieces", *(() if is_settled else matching))
        documents = f"SELECT id, document FROM record_search WHERE {' AND '.join(indexed)} OFFSET 0"
        matching = []
    source = f"({documents}) AS record_search"
    shown = (*_of_statuses(_statuses(wanted)[0], _ENDED), *_filters(wanted))
    if shown:
        source += " JOIN generation_records ON generation_records.id = record_search.id"
    not_waiting = "NOT EXISTS (SELECT 1 FROM search_backlog WHERE search_backlog.id = record_search.id)"
    found = _Branch(source=source, id="record_search.id", conditions=(*matching, *shown, not_waiting))
    if not count_backlog(db, limit=1):
        return [found]
    waiting = "search_backlog JOIN generation_records ON generation_records.id = search_backlog.id"
    scan = _Branch(source=waiting, id="search_backlog.id", conditions=(VISIBLE, *shown))
    return [found, _searched(db, scan, wanted)]


def _searched(db: Connection, scan: _Branch, wanted: RecordFilter) -> _Branch:
    """The scan with the search, if there is one, as a further condition."""
    text = _text(wanted)
    if db.engine == "sqlite" or text is None or _record_id(wanted) is not None:
        return replace(scan, conditions=(*scan.conditions, *_search_conditions(wanted)))
    searched = SEARCHED[:1] if wanted.search_in else SEARCHED
    texts = (f"{sql} AS text_{number}" for number, sql in enumerate(searched))
    rows = db.execute(scan.select(f"{scan.id} AS id, {', '.join(texts)}"), _fields(wanted))
    words = BETWEEN.join(text.words)
    ids = ",".join(str(found) for found, *fields in rows if matches(words, *fields))
    return _scan("", (f"generation_records.id = ANY ('{{{ids}}}'::bigint[])",))


def _picked_ids(wanted: RecordFilter) -> str:
    """A condition on ``record_search.rowid``; the plus sign keeps FTS5 from a query for each of the ids."""
    which = f"{_PICKED} AND deleted_at IS NULL"
    isin = "NOT IN" if wanted.pick == NOT_PICKED else "IN"
    if wanted.pick != NOT_PICKED:
        which += " AND pick = :pick"
    ids = f"SELECT id FROM generation_records INDEXED BY records_picked WHERE {which}"
    return f"+record_search.rowid {isin} ({ids})"


def _facet_words(wanted: RecordFilter) -> list[str]:
    """FTS5 expressions of the filters by exact values; the values of one filter are alternatives."""
    ended = _statuses(wanted)[0]
    values: dict[str, list[object]] = {"status": list(ended)} if len(ended) < len(_ENDED) else {}
    values |= {name: [getattr(wanted, name)] for name in FACETS[1:4] if getattr(wanted, name)}
    if wanted.favourite is not None:
        values["favourite"] = [int(wanted.favourite)]
    return [" OR ".join(f'"{facet_tag(name, value)}"' for value in found) for name, found in values.items()]


def _scan(index: str, conditions: tuple[str, ...]) -> _Branch:
    source = f"generation_records {f'INDEXED BY {index}' if index else 'NOT INDEXED'}"
    return _Branch(source=source, id="generation_records.id", conditions=conditions)


def _of_statuses(requested: list[Status], possible: tuple[Status, ...]) -> tuple[str, ...]:
    if len(requested) == len(possible):
        return ()
    return (f"status IN ({', '.join(repr(status.value) for status in requested)})",)


_EQUALS = {name: f"{name} = :{name}" for name in ("aspect_ratio", "resolution", "model")}
_BATCH = {"batch_id": "batch_id = :batch_id"}
_PICKED = "pick <> ''"  # the condition of the partial indexes
_TIMES = {
    "created_from": "created_at >= :created_from",
    "created_before": "created_at < :created_before",
    "as_of": """
        created_at <= :as_of AND coalesce(finished_at, '') <= :as_of AND coalesce(deleted_at, '') <= :as_of
    """,
}


def _filters(wanted: RecordFilter) -> tuple[str, ...]:
    pick = {"pick": "pick = ''" if wanted.pick == NOT_PICKED else "pick = :pick"}
    more = (*_conditions(wanted, pick), *_conditions(wanted, _TIMES))
    return (*_conditions(wanted, _BATCH), *_facet_filters(wanted), *more)


def _facet_filters(wanted: RecordFilter) -> tuple[str, ...]:
    favourite = () if wanted.favourite is None else ("favourite = :favourite",)
    return (*_conditions(wanted, _EQUALS), *favourite)


def _search_conditions(wanted: RecordFilter) -> tuple[str, ...]:
    """The search as a scan checks it."""
    if _record_id(wanted) is not None:
        return ("generation_records.id = :record_id",)
    searched = SEARCHED[:1] if wanted.search_in else SEARCHED
    return (f"matches(:words, {', '.join(searched)})",) if _text(wanted) else ()


def _conditions(wanted: RecordFilter, possible: dict[str, str]) -> tuple[str, ...]:
    return tuple(sql for name, sql in possible.items() if getattr(wanted, name))


def _fields(wanted: RecordFilter) -> Fields:
    text = _text(wanted)
    searched = [f"{{prompt}} : ({text.expression})" if wanted.search_in else text.expression] if text else []
    return asdict(wanted) | {
        "words": BETWEEN.join(text.words) if text else "",
        "expression": " AND ".join(f"({words})" for words in (*searched, *_facet_words(wanted))),
        "record_id": _record_id(wanted),
        "first_day": wanted.created_from[:10],
        "last_day": wanted.created_before[:10],
        "separator": SEPARATOR,
        "pieces": list(text.pieces) if text else [],
        **{f"word_{number}": word for number, word in enumerate(text.words if text else ())},
    }


def _sum_of_counts(db: Connection, wanted: RecordFilter) -> int:
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
    return int(db.execute(sql, _fields(wanted) | {"trash": wanted.trash}).fetchone()[0])


def _sum_of_days(db: Connection, wanted: RecordFilter) -> int:
    """The counts of the whole days between the two times, and the records of the days that they cut."""
    filters = (*_of_statuses(_statuses(wanted)[0], _ENDED), *_facet_filters(wanted))
    whole = _conditions(wanted, {"created_from": "day > :first_day", "created_before": "day < :last_day"})
    fields = _fields(wanted)
    sql = f"SELECT coalesce(sum(number), 0) FROM counts_by_day WHERE {' AND '.join((*whole, *filters))}"
    total = int(db.execute(sql, fields).fetchone()[0])
    edge = _scan("records_created", (VISIBLE, "created_at >= :low AND created_at < :high", *filters))
    for low, high in _cut_days(wanted):
        total += int(db.execute(edge.select("count(*)"), fields | {"low": low, "high": high}).fetchone()[0])
    return total


def _cut_days(wanted: RecordFilter) -> list[tuple[str, str]]:
    """The parts of days at both ends of the time: (from, before). Two bounds, so that the index uses both."""
    start, end = wanted.created_from, wanted.created_before
    day = start[:10]
    next_day = day[:-1] + chr(ord(day[-1]) + 1) if day else ""  # follows every time of that day
    first = [(start, min(next_day, end or next_day))] if start else []
    last = [(max(start, end[:10]), end)] if end and end[:10] != day else []
    return first + last
