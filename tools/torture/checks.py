"""Checks of what a round left behind: every promise of money and images, verified from outside.

Reads the database, the images and the fake's ledger; does not depend on how the server works.
"""

from __future__ import annotations

import hashlib
import io
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from PIL import Image

from app.images import metadata, sidecar
from app.images.marks import has_c2pa
from app.images.metadata import parse_parameters

ENDS = ("success", "failed", "unknown", "cancelled")
PRICE_MICROS = 220_000
_PRICES = {"jimeng_image2image_dream_inpaint": 200_000}  # of other models

# Sums that triggers keep -> the same of the rows.
_SUMS = {
    """
    SELECT outcome, sum(number) AS number, sum(micros) AS micros, sum(unpriced) AS unpriced
    FROM charge_totals
    GROUP BY outcome
    HAVING sum(number) <> 0
    """: """
        SELECT outcome, count(*) AS number, sum(price_micros) AS micros, sum(1 - is_priced) AS unpriced
        FROM charges
        GROUP BY outcome
    """,
    """
    SELECT hour, model, outcome, sum(number) AS number, sum(micros) AS micros, sum(unpriced) AS unpriced
    FROM charges_by_hour
    GROUP BY hour, model, outcome
    HAVING sum(number) <> 0
    """: """
        SELECT substr(opened_at, 1, 13) AS hour, model, outcome, count(*) AS number,
            sum(price_micros) AS micros, sum(1 - is_priced) AS unpriced
        FROM charges
        GROUP BY substr(opened_at, 1, 13), model, outcome
    """,
    """
    SELECT status, model, sum(number) AS number
    FROM record_counts
    WHERE is_deleted = 0
    GROUP BY status, model
    HAVING sum(number) <> 0
    """: """
        SELECT status, model, count(*) AS number
        FROM generation_records
        WHERE deleted_at IS NULL
        GROUP BY status, model
    """,
    """
    SELECT day, status, sum(number) AS number
    FROM counts_by_day
    GROUP BY day, status
    HAVING sum(number) <> 0
    """: """
        SELECT substr(created_at, 1, 10) AS day, status, count(*) AS number
        FROM generation_records
        WHERE deleted_at IS NULL AND status NOT IN ('held', 'queued', 'running')
        GROUP BY substr(created_at, 1, 10), status
    """,
}
Rows = list[dict[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """One submission in the ledger of the fake."""

    number: int
    prompt: str
    billed: bool


@dataclass(kw_only=True)
class FinalState:
    """The database, the images and the submissions at the end of a round.

    rows      how many were ordered, an image each
    image_of  the stored image of a success, or None
    beside    the parameters that lie beside an image
    files     what is stored besides: names that belong to a success or to nothing
    sums      a sum that a trigger keeps, its rows, and the rows that it should have
    answer_of  the answer that was laid over for a record; None: it is not there
    limits    what people may spend in a month, in micro-yuan, by their ids; empty: nobody logged in
    at_once   the most submissions that were under way, and the most that may be; None: that says nothing
    seen      the prompts of all calls that the service received; None: that says nothing
    """

    records: Rows
    charges: dict[int, Rows]
    submissions: dict[str, list[Submission]]
    replaced: Mapping[str, str]
    image_of: Callable[[dict[str, Any]], bytes | None]
    beside: Callable[[bytes], list[str]]
    sums: list[tuple[str, Rows, Rows]]
    rows: int = 0
    integrity: str = "ok"
    files: set[str] = field(default_factory=set)
    answer_of: Callable[[dict[str, Any]], bytes | None] | None = None
    limits: Mapping[int, int | None] = field(default_factory=dict)
    at_once: tuple[int, int] | None = None
    seen: set[str] | None = None

    def billed(self, record: dict[str, Any]) -> list[Submission]:
        """The charged submissions of a record."""
        return [submission for submission in self.submissions.get(record["prompt"], []) if submission.billed]


def find_breaches(state: FinalState) -> list[str]:
    """The breaches found, one sentence each."""
    checks = (
        *(_check_database, _check_rows, _check_ends, _check_billed_once, _check_charges, _check_ledger),
        *(_check_sums, _check_success, _check_folder, _check_concurrency, _check_people),
    )
    return [breach for check in checks for breach in check(state)]


def find_breaches_after_deletion(state: FinalState) -> list[str]:
    """The same after the database was moved away from a running server, read at its new place.

    Records may be unfinished, but every submission is in the ledger, none is repeated, files are complete.
    """
    checks = (_check_database, _check_rows, _check_billed_once, _check_submissions, _check_success)
    return [breach for check in checks for breach in check(state)]


def find_breaches_of_older_copy(state: FinalState) -> list[str]:
    """The same after an earlier copy was put back: nothing is billed twice, files are complete.

    The ledger lacks what was submitted since.
    """
    checks = (_check_database, _check_rows, _check_billed_once, _check_success)
    return [breach for check in checks for breach in check(state)]


def read_state(
    read: Callable[[str], Rows],
    submissions: Sequence[Submission],
    replaced: Mapping[str, str],
    image_of: Callable[[dict[str, Any]], bytes | None],
    beside: Callable[[bytes], list[str]],
) -> FinalState:
    """The database, read by ``read``, and the submissions.

    ``replaced``: earlier -> present prompts of repaired rows.
    """
    by_prompt, charges = defaultdict(list), defaultdict(list)
    for submission in submissions:
        by_prompt[submission.prompt].append(submission)
    for row in read("SELECT * FROM charges ORDER BY id"):
        charges[row["record_id"]].append(row)
    return FinalState(
        records=read("SELECT * FROM generation_records ORDER BY id"),
        charges=charges,
        submissions=by_prompt,
        replaced=replaced,
        image_of=image_of,
        beside=beside,
        sums=[(kept, read(kept), read(rows)) for kept, rows in _SUMS.items()],
    )


def _check_database(state: FinalState) -> Iterator[str]:
    if state.integrity != "ok":
        yield f"the database is damaged: {state.integrity}"
    prompts = {record["prompt"] for record in state.records}
    for prompt in state.submissions.keys() - prompts - state.replaced.keys():
        yield f"a submission without a record: {prompt}"
    for prompt in state.replaced:
        if any(submission.billed for submission in state.submissions.get(prompt, [])):
            yield f"billed before its prompt was changed: {prompt}"


def _check_rows(state: FinalState) -> Iterator[str]:
    """The rows are submitted with ``repeats: skip``: one record each, with the row's fingerprint."""
    if len(state.records) != state.rows:
        yield f"{state.rows} rows were ordered, there are {len(state.records)} records"
    rows = Counter(record["fingerprint"] for record in state.records)
    for fingerprint, count in rows.items():
        if count > 1 or not fingerprint:
            yield f"{count} records have the fingerprint {fingerprint!r}"


def _check_ends(state: FinalState) -> Iterator[str]:
    for record in state.records:
        if record["status"] not in ENDS:
            yield f"{_label(record)} did not end: {record['status']}"
        if record["status"] in ("failed", "unknown") and not (record["error"] and record["cause"]):
            yield f"{_label(record)} failed without a reason"
        if record["status"] == "failed" and state.seen is not None and record["prompt"] not in state.seen:
            yield f"{_label(record)} failed, and the service never saw it: {record['error']}"


def _check_charges(state: FinalState) -> Iterator[str]:
    """No paid image is lost."""
    for record in state.records:
        billed = state.billed(record)
        if billed and record["status"] not in ("success", "unknown"):
            yield f"{_label(record)} was billed and lost: {record['status']}, {record['error']}"
        if not billed and record["status"] == "success":
            yield f"{_label(record)} is a success without a charged submission"


def _check_billed_once(state: FinalState) -> Iterator[str]:
    """No record is charged twice."""
    for record in state.records:
        if len(state.billed(record)) > 1:
            yield f"{_label(record)} was billed {len(state.billed(record))} times"


def _check_submissions(state: FinalState) -> Iterator[str]:
    for record in state.records:
        if len(state.charges.get(record["id"], [])) < len(state.submissions.get(record["prompt"], [])):
            yield f"{_label(record)} was submitted more often than the ledger says"


def _check_ledger(state: FinalState) -> Iterator[str]:
    """The ledger agrees with the fake's count; unknown outcomes cover the difference."""
    for record in state.records:
        charges = state.charges.get(record["id"], [])
        outcomes = Counter(send["outcome"] for send in charges)
        billed, unknown = len(state.billed(record)), outcomes["unknown"]
        if outcomes["open"]:
            yield f"{_label(record)} has an open charge"
        if not outcomes["billed"] <= billed <= outcomes["billed"] + unknown:
            yield f"{_label(record)}: billed {billed} times, the ledger says {dict(outcomes)}"
        if unknown and record["status"] != "unknown":
            yield f"{_label(record)} is {record['status']}, but a charge is unknown"
        if len(charges) < len(state.submissions.get(record["prompt"], [])):
            yield f"{_label(record)} was submitted more often than the ledger says"
        price = _PRICES.get(record["model"], PRICE_MICROS)
        if (record["cost_micros"], record["at_stake_micros"]) != (
            outcomes["billed"] * price,
            unknown * price,
        ):
            yield f"{_label(record)} costs {record['cost_micros']} and risks {record['at_stake_micros']}"


def _check_sums(state: FinalState) -> Iterator[str]:
    """The sums that triggers keep are those of the rows."""
    for sql, kept, rows in state.sums:
        if Counter(map(_values, kept)) != Counter(map(_values, rows)):
            yield f"{' '.join(sql.split())}: {kept}, the rows give {rows}"


def _values(row: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(sorted(row.items()))


def _check_success(state: FinalState) -> Iterator[str]:
    """Every success has a complete file with the image of its own submission."""
    for record in state.records:
        if record["status"] == "success":
            content = state.image_of(record)
            if content is None:
                yield f"{_label(record)} is a success without a file: {record['filename']}"
            else:
                yield from _check_file(state, record, content)
        elif record["filename"]:
            yield f"{_label(record)} is {record['status']} and names a file"


def _check_file(state: FinalState, record: dict[str, Any], content: bytes) -> Iterator[str]:
    name = record["filename"]
    try:
        with Image.open(io.BytesIO(content)) as image:
            image.load()
            size = image.size
    except (OSError, SyntaxError) as error:
        yield f"{_label(record)}: its file {name} does not decode: {error}"
        return
    if size != (record["width"], record["height"]):
        yield f"{_label(record)} says {record['width']}x{record['height']}, its file {size}"
    if hashlib.sha256(content).hexdigest() != record["sha256"] or len(content) != record["file_size"]:
        yield f"{_label(record)}: its file {name} is not the one that was saved"
    embedded = metadata.extract(content) or ""
    if embedded and has_c2pa(content):
        yield f"{_label(record)}: its file {name} is signed and was changed"
    parameters = parse_parameters(next(iter(state.beside(content)), embedded))
    if parameters.record_id != record["id"] or parameters.prompt != record["prompt"]:
        yield f"{_label(record)}: its file is of record {parameters.record_id}, {parameters.prompt}"
    marks = [f"order {submission.number}".encode() for submission in state.billed(record)]
    if "laid" in record["marks"] and '"laid":false' not in record["marks"].replace(" ", ""):
        content = (state.answer_of(record) if state.answer_of else None) or b"".join(marks)
    if marks and not any(mark in content for mark in marks):
        yield f"{_label(record)}: its file {name} holds another submission's image"


def _check_folder(state: FinalState) -> Iterator[str]:
    """No file without a record, no partial file, no duplicate name."""
    saved = [record["filename"] for record in state.records if record["status"] == "success"]
    twice = [name for name, count in Counter(map(str.casefold, saved)).items() if count > 1]
    if twice:
        yield f"duplicate names: {twice}"
    ids = {str(record["id"]) for record in state.records if record["status"] == "success"}
    known = {str(record["id"]) for record in state.records}
    for name in sorted(state.files):
        path = Path(name)
        if name.endswith(".part"):
            yield f"partial file: {name}"
        elif path.parts[0] == ".thumbnails":
            if path.stem not in ids:
                yield f"a thumbnail without an image: {name}"
        elif path.parts[0] == sidecar.FOLDER:
            if path.stem.rpartition("-")[2] not in known:  # one may be left of a save that was cut off
                yield f"parameters without a record: {name}"
        elif path.parts[0] == ".answers":
            if path.stem not in {str(record["id"]) for record in state.records}:
                yield f"an answer without a record: {name}"
        elif name not in saved:
            yield f"a file without a record: {name}"


def _check_concurrency(state: FinalState) -> Iterator[str]:
    """All workers together keep to MODEL_CONCURRENCY."""
    if state.at_once and state.at_once[0] > state.at_once[1]:
        yield f"{state.at_once[0]} were under way at once, not {state.at_once[1]} at most"


def _check_people(state: FinalState) -> Iterator[str]:
    """Every charge is of one of the people, and nobody spends more than their limit."""
    charges = [charge for of_record in state.charges.values() for charge in of_record]
    for charge in charges if state.limits else ():
        if charge["person_id"] not in state.limits:
            yield f"a charge of record {charge['record_id']} is of {charge['person_id'] or 'nobody'}"
    for person_id, limit in state.limits.items():
        yield from overspent(charges, person_id, limit)


def overspent(charges: Rows, person_id: int, limit: int | None) -> Iterator[str]:
    """The calendar months in which what is, or may be, charged to a person exceeds this limit."""
    spent = Counter[str]()
    for charge in charges:
        if charge["person_id"] == person_id and charge["outcome"] != "not_billed":
            opened = datetime.fromisoformat(charge["opened_at"]).replace(tzinfo=UTC).astimezone()
            spent[f"{opened:%Y-%m}"] += charge["price_micros"]
    for month, micros in spent.items():
        if limit is not None and micros > limit:
            yield f"{micros} micro-yuan are of person {person_id} in {month}, whose limit is {limit}"


def _label(record: dict[str, Any]) -> str:
    return f"record {record['id']}（{record['prompt']}）"
