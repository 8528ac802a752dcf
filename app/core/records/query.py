"""Record queries: a filter -> ordered ids and exact counts, consistent under concurrent writes.

A query is a UNION ALL of *branches*, each ids in the order of an index: records in a final state, and (only
when the status filter asks for them) held, queued or running ones. A search, or a filter by exact values,
replaces the first by the full-text index, plus a scan of its backlog. Totals without a search are read from
counts that triggers maintain. ``document_search`` has what differs on PostgreSQL, where only a search uses
the text index.
"""

from collections.abc import Iterator
from dataclasses import replace

from app.core.records.filter import (
    ENDED,
    NEWEST,
    NOT_PICKED,
    OLDEST,
    OPEN,
    PICKED,
    TIMES,
    Branch,
    RecordFilter,
    conditions_of,
    document_branches,
    facet_filters,
    facet_tags,
    fields_of,
    filters_of,
    has_dates,
    nearby_ids,
    of_statuses,
    person_filters,
    record_id_of,
    scan,
    search_conditions,
    statuses_of,
    text_of,
    with_search,
)
from app.core.records.index import FACETS, VISIBLE, count_backlog
from app.domain import Pick, Status
from app.engine.connection import Connection, read_transaction

_UNSUCCESSFUL = "deleted_at IS NULL AND status IN ('failed', 'unknown', 'cancelled')"
REVERSE_FROM = 1_000
_FEW_ENOUGH_TO_SCAN = 1_000
_RECORDS_OF_A_PAGE = 100
_IDS_AT_ONCE = 10_000


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
        fields = fields_of(wanted)
        selects = [branch.select("count(*)") for branch in _branches(db, wanted, for_count=True)]
        return sum(int(db.execute(sql, fields).fetchone()[0]) for sql in selects)


def count_by_words(db: Connection, wanted: RecordFilter) -> int | None:
    """Number of records that have every word of a search for several words; None for any other search."""
    by_words = replace(wanted, every_word=True)
    text = text_of(by_words)
    if wanted.every_word or text is None or len(text.words) < 2:
        return None
    return count_records(db, by_words)


def count_facets(db: Connection, *, trash: bool = False) -> dict[str, dict[str, int]]:
    """For status, aspect_ratio, resolution and model: value -> number of records."""
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


def count_kept(db: Connection, *, trash: bool = False) -> int:
    """Number of records with the pick ``keep``."""
    deleted = "deleted_at IS NOT NULL" if trash else f"{PICKED} AND deleted_at IS NULL"
    sql = f"SELECT count(*) AS number FROM generation_records WHERE pick = 'keep' AND {deleted}"
    return int(db.execute(sql).fetchone()["number"])


def _reversed(wanted: RecordFilter) -> RecordFilter:
    return replace(wanted, sort=OLDEST if wanted.sort == NEWEST else NEWEST)


def _is_counted(wanted: RecordFilter) -> bool:
    """Whether the total can be read from ``record_counts``."""
    return not (_is_searched(wanted) or has_dates(wanted) or _is_other(wanted))


def _is_counted_by_day(wanted: RecordFilter) -> bool:
    """Whether the total can be read from ``counts_by_day``."""
    is_other = _is_searched(wanted) or _is_other(wanted) or wanted.trash
    return has_dates(wanted) and not (is_other or statuses_of(wanted)[1])


def _is_other(wanted: RecordFilter) -> bool:
    """Whether it filters by what no count has."""
    return bool(wanted.batch_id or wanted.as_of or wanted.pick or wanted.person_id)


def _is_searched(wanted: RecordFilter) -> bool:
    return record_id_of(wanted) is not None or text_of(wanted) is not None


def _ids(
    db: Connection, wanted: RecordFilter, *, limit: int, offset: int = 0, beyond: int | None = None
) -> list[int]:
    """One page of ids; with ``beyond``, only those after that id in the requested order."""
    direction, sign = ("DESC", "<") if wanted.sort == NEWEST else ("ASC", ">")
    fields = fields_of(wanted) | {"limit": limit, "offset": offset, "beyond": beyond}
    with read_transaction(db):
        is_page = limit < _IDS_AT_ONCE and statuses_of(wanted)[0] and not statuses_of(wanted)[1]
        if is_page and db.engine == "postgres" and _uses_text_index(db, wanted):
            nearby = nearby_ids(db, wanted, fields, offset + limit)
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


def _branches(db: Connection, wanted: RecordFilter, *, for_count: bool = False) -> list[Branch]:
    ended, open_ones = statuses_of(wanted)
    filters = filters_of(wanted)
    branches: list[Branch] = []
    if ended and _uses_text_index(db, wanted):
        branches += (document_branches if db.engine == "postgres" else _indexed_branches)(db, wanted)
    elif ended:
        index, first = _choose_index(db, wanted, ended, for_count=for_count)
        branches.append(with_search(db, scan(index, (*first, *of_statuses(ended, ENDED), *filters)), wanted))
    if open_ones:
        first = (
            "deleted_at IS NULL",
            "status IN ('held', 'queued', 'running')",
            *of_statuses(open_ones, OPEN),
        )
        branches.append(with_search(db, scan("records_open", (*first, *filters)), wanted))
    return branches


def _uses_text_index(db: Connection, wanted: RecordFilter) -> bool:
    if wanted.trash or wanted.batch_id or record_id_of(wanted) is not None:
        return False
    if text_of(wanted) or db.engine == "postgres":
        return text_of(wanted) is not None
    is_faceted = len(facet_tags(wanted)) > 0 and not (has_dates(wanted) or _is_other(wanted))
    return is_faceted and count_backlog(db, limit=_FEW_ENOUGH_TO_SCAN) < _FEW_ENOUGH_TO_SCAN


def _choose_index(
    db: Connection, wanted: RecordFilter, ended: list[Status], *, for_count: bool
) -> tuple[str, tuple[str, ...]]:
    """The index for records in a final state, and the conditions that make it usable."""
    if record_id_of(wanted) is not None:
        return "", ("deleted_at IS NOT NULL" if wanted.trash else VISIBLE,)
    if wanted.trash:
        return "records_trash", ("deleted_at IS NOT NULL",)
    is_picked = wanted.pick in list(Pick)
    if wanted.batch_id or (wanted.person_id and not wanted.earlier_user):
        return (
            ("records_picked_of_batch", (VISIBLE, PICKED)) if is_picked else ("records_of_batch", (VISIBLE,))
        )
    if is_picked:
        return "records_picked", (VISIBLE, PICKED)
    if Status.SUCCESS not in ended:
        return "records_unsuccessful", (_UNSUCCESSFUL,)
    if has_dates(wanted):
        return _index_for_dates(db, wanted, for_count=for_count)
    is_filtered = filters_of(wanted) or len(ended) < len(ENDED)
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
    statuses = of_statuses(statuses_of(wanted)[0], ENDED)
    matching = " AND ".join(("number <> 0", *statuses, *facet_filters(wanted)))
    row = db.execute(
        f"""
        SELECT
            coalesce(sum(number) FILTER (WHERE {matching}), 0) AS number,
            coalesce(min(first_id) FILTER (WHERE number > 0 AND {matching}), 0) AS first_id,
            coalesce(max(last_id) FILTER (WHERE number > 0 AND {matching}), -1) AS last_id,
            coalesce(sum(number), 0) AS scanned
        FROM counts_by_day
        WHERE {" AND ".join(conditions_of(wanted, of_days))}
        """,
        fields_of(wanted),
    ).fetchone()
    return dict(row)


def _within(found: dict[str, int], column: str) -> str:
    return f"{column} BETWEEN {found['first_id']} AND {found['last_id']}"


def _indexed_branches(db: Connection, wanted: RecordFilter) -> list[Branch]:
    """A branch for the full-text index and, if there is a backlog, one that scans it."""
    text = text_of(wanted)
    joined = (*conditions_of(wanted, TIMES), *person_filters(wanted))
    source = "record_search"
    conditions: tuple[str, ...] = ("record_search MATCH :expression",)
    if joined or (text and not text.is_exact):
        source += (
            " CROSS JOIN generation_records INDEXED BY records_facets"
            " ON generation_records.id = record_search.rowid"
        )
        conditions += (VISIBLE, *joined, *(() if not text or text.is_exact else search_conditions(wanted)))
    if has_dates(wanted):
        conditions += (_within(_days(db, wanted), "record_search.rowid"),)
    if wanted.pick:
        conditions += (_picked_ids(wanted),)
    if not count_backlog(db, limit=1):
        return [Branch(source=source, id="record_search.rowid", conditions=conditions)]
    conditions += ("record_search.rowid NOT IN (SELECT id FROM search_backlog)",)
    waiting = "search_backlog CROSS JOIN generation_records ON generation_records.id = search_backlog.id"
    shown = (VISIBLE, *of_statuses(statuses_of(wanted)[0], ENDED), *filters_of(wanted))
    return [
        Branch(source=source, id="record_search.rowid", conditions=conditions),
        Branch(source=waiting, id="search_backlog.id", conditions=(*shown, *search_conditions(wanted))),
    ]


def _picked_ids(wanted: RecordFilter) -> str:
    """A condition on ``record_search.rowid``; the plus sign keeps FTS5 from a query for each of the ids."""
    which = f"{PICKED} AND deleted_at IS NULL"
    isin = "NOT IN" if wanted.pick == NOT_PICKED else "IN"
    if wanted.pick != NOT_PICKED:
        which += " AND pick = :pick"
    ids = f"SELECT id FROM generation_records INDEXED BY records_picked WHERE {which}"
    return f"+record_search.rowid {isin} ({ids})"


def _sum_of_counts(db: Connection, wanted: RecordFilter) -> int:
    ended, open_ones = statuses_of(wanted)
    requested = (*ended, *open_ones)
    left_out = [status for status in Status if status not in requested]
    is_every_end = len(ended) == len(ENDED)  # then include unknown statuses written by other programs
    statuses = ", ".join(repr(status.value) for status in (left_out if is_every_end else requested))
    conditions = ["is_deleted = :trash", *filters_of(wanted)]
    if left_out or not is_every_end:
        conditions.append(f"status {'NOT IN' if is_every_end else 'IN'} ({statuses or 'NULL'})")
    sql = f"SELECT coalesce(sum(number), 0) FROM record_counts WHERE {' AND '.join(conditions)}"
    return int(db.execute(sql, fields_of(wanted) | {"trash": wanted.trash}).fetchone()[0])


def _sum_of_days(db: Connection, wanted: RecordFilter) -> int:
    """The counts of the whole days between the two times, and the records of the days that they cut."""
    filters = (*of_statuses(statuses_of(wanted)[0], ENDED), *facet_filters(wanted))
    whole = conditions_of(wanted, {"created_from": "day > :first_day", "created_before": "day < :last_day"})
    fields = fields_of(wanted)
    sql = f"SELECT coalesce(sum(number), 0) FROM counts_by_day WHERE {' AND '.join((*whole, *filters))}"
    total = int(db.execute(sql, fields).fetchone()[0])
    edge = scan("records_created", (VISIBLE, "created_at >= :low AND created_at < :high", *filters))
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
