"""A filter of records and the SQL of its conditions; searches on PostgreSQL.

That database cannot normalise texts as ``ngrams`` does, so they are stored normalised (``record_search``); a
scan fetches the texts of its records and compares them in this process.
"""

import re
from dataclasses import asdict, dataclass, replace

from app.core.records.index import FACETS, SEARCHED, VISIBLE, count_backlog, facet_tag
from app.core.records.rows import PAYER
from app.domain import MAX_ID, Status
from app.engine.connection import Connection
from app.engine.ngrams import BETWEEN, SEPARATOR, TextSearch, matches, normalise, piece_code, read_search

NEWEST, OLDEST = "newest", "oldest"
NOT_PICKED = "none"
OPEN = (Status.HELD, Status.QUEUED, Status.RUNNING)
ENDED = (Status.SUCCESS, Status.FAILED, Status.UNKNOWN, Status.CANCELLED)

Fields = dict[str, object]
_EQUALS = {name: f"{name} = :{name}" for name in ("aspect_ratio", "resolution", "model")}
_BATCH = {"batch_id": "batch_id = :batch_id"}
_OF_PERSON = f"""
    generation_records.batch_id IN (
        SELECT id FROM batches WHERE person_id = :person_id
        UNION
        SELECT batch_id FROM generation_records AS theirs WHERE theirs.person_id = :person_id
    )
    AND {PAYER} = :person_id
"""
_OF_EARLIER_USER = """
    CAST(generation_records.user_id AS TEXT) = :earlier_user
        AND NOT EXISTS (SELECT 1 FROM batches WHERE batches.id = generation_records.batch_id)
"""
PICKED = "pick <> ''"  # the condition of the partial indexes
TIMES = {
    "created_from": "created_at >= :created_from",
    "created_before": "created_at < :created_before",
    "as_of": """
        created_at <= :as_of AND coalesce(finished_at, '') <= :as_of AND coalesce(deleted_at, '') <= :as_of
    """,
}

_DOCUMENTS_NEARBY = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordFilter:
    """Filter and order of a query; an empty field does not filter.

    search        substring of a searched field, ignoring case and width; ``#123`` is the record of that id
    search_in     ``prompt``: only in the prompt, where ``#123`` is a text too; empty: in all searched fields
    every_word    each word of ``search`` in some field, instead of the whole text in one
    statuses      values of domain.Status; empty: all final states
    created_from, created_before   UTC, in the format of ``created_at``; the second is exclusive
    pick          ``keep``, ``reject``, or ``none``: neither of them
    person_id     who has it made, and pays for it; 0: anybody
    earlier_user  or whose ``user_id`` it has, without a batch here
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
    pick: str = ""
    person_id: int = 0
    earlier_user: str = ""
    created_from: str = ""
    created_before: str = ""
    as_of: str = ""
    sort: str = NEWEST
    trash: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """A part of a query: a source of ids, the name of their column, and the conditions."""

    source: str
    id: str
    conditions: tuple[str, ...]

    def select(self, what: str) -> str:
        """The branch's SELECT statement; ``what`` may use ``id``."""
        return f"SELECT {what} FROM {self.source} WHERE {' AND '.join(self.conditions)}"


def has_dates(wanted: RecordFilter) -> bool:
    """Whether it filters by time."""
    return bool(wanted.created_from or wanted.created_before)


def record_id_of(wanted: RecordFilter) -> int | None:
    """The id in a search for ``#123``; 0, which no record has, when it is too large for one."""
    found = re.fullmatch(r"\s*#([0-9]{1,30})\s*", normalise(wanted.search))
    if not found or wanted.search_in:
        return None
    number = int(found[1])
    return number if number <= MAX_ID else 0


def text_of(wanted: RecordFilter) -> TextSearch | None:
    """The parsed search; None without one."""
    return read_search(wanted.search, every_word=wanted.every_word)


def statuses_of(wanted: RecordFilter) -> tuple[list[Status], list[Status]]:
    """The requested statuses: (final, open)."""
    requested = wanted.statuses or ENDED
    return (
        [status for status in ENDED if status in requested],
        [status for status in OPEN if status in requested and not wanted.trash],
    )


def facet_tags(wanted: RecordFilter) -> list[list[str]]:
    """For each filter by exact values, the words of the text index of which a record has one."""
    ended = statuses_of(wanted)[0]
    values: dict[str, list[object]] = {"status": list(ended)} if len(ended) < len(ENDED) else {}
    values |= {name: [getattr(wanted, name)] for name in FACETS[1:4] if getattr(wanted, name)}
    return [[facet_tag(name, value) for value in found] for name, found in values.items()]


def scan(index: str, conditions: tuple[str, ...]) -> Branch:
    """The records by this index of SQLite; without a name by id."""
    source = f"generation_records {f'INDEXED BY {index}' if index else 'NOT INDEXED'}"
    return Branch(source=source, id="generation_records.id", conditions=conditions)


def of_statuses(requested: list[Status], possible: tuple[Status, ...]) -> tuple[str, ...]:
    """The condition for these statuses; none when all that are possible are requested."""
    if len(requested) == len(possible):
        return ()
    return (f"status IN ({', '.join(repr(status.value) for status in requested)})",)


def filters_of(wanted: RecordFilter) -> tuple[str, ...]:
    """The conditions of all filters but the statuses and the search."""
    return (*conditions_of(wanted, _BATCH), *facet_filters(wanted), *unindexed_filters(wanted))


def unindexed_filters(wanted: RecordFilter) -> tuple[str, ...]:
    """The conditions of the filters that the text index has no words for."""
    pick = {"pick": "pick = ''" if wanted.pick == NOT_PICKED else "pick = :pick"}
    return (*conditions_of(wanted, pick), *person_filters(wanted), *conditions_of(wanted, TIMES))


def person_filters(wanted: RecordFilter) -> tuple[str, ...]:
    """The condition of the filter by person."""
    if wanted.earlier_user:
        return (f"({_OF_PERSON} OR {_OF_EARLIER_USER})",)
    return (_OF_PERSON,) if wanted.person_id else ()


def facet_filters(wanted: RecordFilter) -> tuple[str, ...]:
    """The conditions of the filters by exact values."""
    return conditions_of(wanted, _EQUALS)


def search_conditions(wanted: RecordFilter) -> tuple[str, ...]:
    """The search as a scan checks it."""
    if record_id_of(wanted) is not None:
        return ("generation_records.id = :record_id",)
    searched = SEARCHED[:1] if wanted.search_in else SEARCHED
    return (f"matches(:words, {', '.join(searched)})",) if text_of(wanted) else ()


def conditions_of(wanted: RecordFilter, possible: dict[str, str]) -> tuple[str, ...]:
    """Those of the possible conditions (field -> SQL) whose field is set."""
    return tuple(sql for name, sql in possible.items() if getattr(wanted, name))


def fields_of(wanted: RecordFilter) -> Fields:
    """The parameters of all conditions."""
    text = text_of(wanted)
    searched = [f"{{prompt}} : ({text.expression})" if wanted.search_in else text.expression] if text else []
    tags = facet_tags(wanted)
    facets = [" OR ".join(f'"{tag}"' for tag in found) for found in tags]
    return asdict(wanted) | {
        "words": BETWEEN.join(text.words) if text else "",
        "expression": " AND ".join(f"({words})" for words in (*searched, *facets)),
        "record_id": record_id_of(wanted),
        "first_day": wanted.created_from[:10],
        "last_day": wanted.created_before[:10],
        "separator": SEPARATOR,
        "pieces": list(map(piece_code, text.pieces)) if text else [],
        **{f"facet_{number}": found for number, found in enumerate(tags)},
        **{f"word_{number}": word for number, word in enumerate(text.words if text else ())},
    }


def nearby_ids(db: Connection, wanted: RecordFilter, fields: Fields, needed: int) -> list[int] | None:
    """The first ids in the requested order, if enough of the first 2,000 documents match; else None.

    The index would first find all records that have a common word. PostgreSQL only.
    """
    direction, sign = ("DESC", "<") if wanted.sort == NEWEST else ("ASC", ">")
    beyond = f"WHERE id {sign} :beyond" if fields["beyond"] is not None else ""
    documents = (
        f"SELECT id, document, facets FROM record_search {beyond} ORDER BY id {direction} LIMIT :nearby"
    )
    near, *others = document_branches(db, wanted, documents)
    first = f"{near.select('record_search.id AS id')} ORDER BY record_search.id {direction} LIMIT :needed"
    fields = fields | {"nearby": _DOCUMENTS_NEARBY, "needed": needed}
    ids = [int(row["id"]) for row in db.execute(first, fields)]
    if len(ids) < needed:
        return None
    for branch in others:
        sql = branch.select(f"{branch.id} AS id")
        ids += [int(row["id"]) for row in db.execute(sql, fields)]
    if fields["beyond"] is not None:
        at = int(str(fields["beyond"]))
        ids = [each for each in ids if (each < at if sign == "<" else each > at)]
    return sorted(ids, reverse=sign == "<")[:needed]


def document_branches(db: Connection, wanted: RecordFilter, documents: str = "") -> list[Branch]:
    """The documents that match, of all or of those selected by ``documents``, and the backlog.

    ``OFFSET 0`` keeps the planner from searching for each record alone.
    """
    text = text_of(wanted)
    assert text is not None
    searched = "split_part(document, :separator, 1)" if wanted.search_in else "document"
    matching = tuple(f"strpos({searched}, :word_{number}) > 0" for number in range(len(text.words)))
    facets = tuple(f"facets && :facet_{number}" for number in range(len(facet_tags(wanted))))
    if documents:
        source, conditions = f"({documents}) AS nearby", (*facets, *matching)
    else:
        is_settled = text.pieces == text.words and not wanted.search_in
        source, conditions = "record_search", ("grams(document) @> :pieces", *facets)
        conditions += () if is_settled else matching
    others = unindexed_filters(wanted)
    found = f"SELECT id FROM {source} WHERE {' AND '.join(conditions)} OFFSET 0"
    if others:
        found = f"""
            SELECT id
            FROM ({found}) AS record_search
            JOIN generation_records USING (id)
            WHERE {" AND ".join(others)}
            OFFSET 0
        """
    source = f"({found}) AS record_search"
    if not count_backlog(db, limit=1):
        return [Branch(source=source, id="record_search.id", conditions=("TRUE",))]
    not_waiting = "NOT EXISTS (SELECT 1 FROM search_backlog WHERE search_backlog.id = record_search.id)"
    waiting = "search_backlog JOIN generation_records ON generation_records.id = search_backlog.id"
    shown = (VISIBLE, *of_statuses(statuses_of(wanted)[0], ENDED), *filters_of(wanted))
    return [
        Branch(source=source, id="record_search.id", conditions=(not_waiting,)),
        with_search(db, Branch(source=waiting, id="search_backlog.id", conditions=shown), wanted),
    ]


def with_search(db: Connection, branch: Branch, wanted: RecordFilter) -> Branch:
    """The branch with the search, if there is one, as a further condition."""
    text = text_of(wanted)
    if db.engine == "sqlite" or text is None or record_id_of(wanted) is not None:
        return replace(branch, conditions=(*branch.conditions, *search_conditions(wanted)))
    fields = SEARCHED[:1] if wanted.search_in else SEARCHED
    texts = (f"{sql} AS text_{number}" for number, sql in enumerate(fields))
    rows = db.execute(branch.select(f"{branch.id} AS id, {', '.join(texts)}"), fields_of(wanted))
    words = BETWEEN.join(text.words)
    ids = ",".join(str(found) for found, *values in rows if matches(words, *values))
    return scan("", (f"generation_records.id = ANY ('{{{ids}}}'::bigint[])",))
