"""Searches on PostgreSQL: the index of the pieces of texts, and scans that compare texts here.

The database cannot normalise texts as ``ngrams`` does, so they are stored normalised (``record_search``); a
scan fetches the texts of its records and compares them in this process.
"""

from dataclasses import replace

from app.core.records.filter import (
    ENDED,
    NEWEST,
    Branch,
    Fields,
    RecordFilter,
    facet_tags,
    fields_of,
    filters_of,
    of_statuses,
    record_id_of,
    scan,
    search_conditions,
    statuses_of,
    text_of,
    unindexed_filters,
)
from app.core.records.index import SEARCHED, VISIBLE, count_backlog
from app.engine.connection import Connection
from app.engine.ngrams import BETWEEN, matches

_DOCUMENTS_NEARBY = 2_000


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
