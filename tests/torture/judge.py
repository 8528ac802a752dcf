"""The judge: looks at what a round left, from outside, and says every promise that was not kept.

Reads the database file, the pictures and the service's own ledger; knows nothing of how the server works.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image

from app.images import store

ENDS = ("success", "failed", "unknown", "cancelled")
PRICE_MICROS = 220_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Ordered:
    """One order as the service wrote it down."""

    number: int
    prompt: str
    billed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Remains:
    """What is left of a round."""

    records: list[dict[str, Any]]
    sends: dict[int, list[dict[str, Any]]]
    orders: dict[str, list[Ordered]]
    output: Path
    integrity: str
    files: set[str] = field(default_factory=set)

    def billed(self, record: dict[str, Any]) -> list[Ordered]:
        """The orders of a record that the service charged for."""
        return [order for order in self.orders.get(record["prompt"], []) if order.billed]


def judge(database: Path, output: Path, orders: Sequence[Ordered]) -> list[str]:
    """Every promise that was broken, one sentence each; empty when all were kept."""
    remains = gather(database, output, orders)
    checks = (_database, _ends, _money, _ledger, _kept, _folder)
    return [breach for check in checks for breach in check(remains)]


def judge_deleted(database: Path, output: Path, orders: Sequence[Ordered]) -> list[str]:
    """The same where the database was taken away under the server, read where it was taken to.

    Ends are missing then; but every order stands in the ledger, none was made twice, what is kept is whole.
    """
    remains = gather(database, output, orders)
    checks = (_database, _noted, _kept)
    return [breach for check in checks for breach in check(remains)]


def gather(database: Path, output: Path, orders: Sequence[Ordered]) -> Remains:
    """Read everything."""
    by_prompt = defaultdict(list)
    for order in orders:
        by_prompt[order.prompt].append(order)
    with closing(sqlite3.connect(database)) as db:
        db.row_factory = sqlite3.Row
        integrity = db.execute("PRAGMA integrity_check").fetchone()[0]
        records = [dict(row) for row in db.execute("SELECT * FROM generation_records ORDER BY id")]
        sends = defaultdict(list)
        for row in db.execute("SELECT * FROM charges ORDER BY id"):
            sends[row["record_id"]].append(dict(row))
    files = {str(path.relative_to(output)) for path in output.rglob("*") if path.is_file()}
    return Remains(
        records=records, sends=sends, orders=by_prompt, output=output, integrity=integrity, files=files
    )


def _database(remains: Remains) -> Iterator[str]:
    if remains.integrity != "ok":
        yield f"the database is damaged: {remains.integrity}"
    prompts = {record["prompt"] for record in remains.records}
    for prompt in remains.orders.keys() - prompts:
        yield f"the service was asked for something no record wants: {prompt}"


def _ends(remains: Remains) -> Iterator[str]:
    for record in remains.records:
        if record["status"] not in ENDS:
            yield f"{_name(record)} never ended: {record['status']}"
        if record["status"] in ("failed", "unknown") and not (record["error"] and record["cause"]):
            yield f"{_name(record)} ended badly without a reason"


def _money(remains: Remains) -> Iterator[str]:
    """Nobody pays twice, nothing paid is lost."""
    for record in remains.records:
        billed = remains.billed(record)
        if len(billed) > 1:
            yield f"{_name(record)} was billed {len(billed)} times"
        if billed and record["status"] not in ("success", "unknown"):
            yield f"{_name(record)} was billed and lost: {record['status']}, {record['error']}"
        if not billed and record["status"] == "success":
            yield f"{_name(record)} is a success that the service knows nothing of"


def _noted(remains: Remains) -> Iterator[str]:
    for record in remains.records:
        if len(remains.billed(record)) > 1:
            yield f"{_name(record)} was billed {len(remains.billed(record))} times"
        if len(remains.sends.get(record["id"], [])) < len(remains.orders.get(record["prompt"], [])):
            yield f"{_name(record)} was ordered more often than the ledger knows"


def _ledger(remains: Remains) -> Iterator[str]:
    """The ledger's count is the service's; where it doubts, it doubts enough."""
    for record in remains.records:
        sends = remains.sends.get(record["id"], [])
        outcomes = Counter(send["outcome"] for send in sends)
        billed, doubtful = len(remains.billed(record)), outcomes["unknown"]
        if outcomes["open"]:
            yield f"{_name(record)} has an open line in the ledger"
        if not outcomes["billed"] <= billed <= outcomes["billed"] + doubtful:
            yield f"{_name(record)}: billed {billed} times, the ledger says {dict(outcomes)}"
        if doubtful and record["status"] != "unknown":
            yield f"{_name(record)} is {record['status']}, but the ledger is in doubt"
        if len(sends) < len(remains.orders.get(record["prompt"], [])):
            yield f"{_name(record)} was ordered more often than the ledger knows"
        if (record["cost_micros"], record["at_stake_micros"]) != (
            outcomes["billed"] * PRICE_MICROS,
            doubtful * PRICE_MICROS,
        ):
            yield f"{_name(record)} costs {record['cost_micros']} and risks {record['at_stake_micros']}"


def _kept(remains: Remains) -> Iterator[str]:
    """No success without a whole file that is this very picture."""
    for record in remains.records:
        if record["status"] == "success":
            path = remains.output / record["filename"]
            if not record["filename"] or not path.is_file():
                yield f"{_name(record)} is a success without a file: {record['filename']}"
            else:
                yield from _whole(remains, record, path)
        elif record["filename"]:
            yield f"{_name(record)} is {record['status']} and names a file"


def _whole(remains: Remains, record: dict[str, Any], path: Path) -> Iterator[str]:
    content = path.read_bytes()
    try:
        with Image.open(path) as image:
            image.load()
            size = image.size
    except (OSError, SyntaxError) as error:
        yield f"{_name(record)}: its file {path.name} does not decode: {error}"
        return
    if size != (record["width"], record["height"]):
        yield f"{_name(record)} says {record['width']}x{record['height']}, its file {size}"
    if hashlib.sha256(content).hexdigest() != record["sha256"] or len(content) != record["file_size"]:
        yield f"{_name(record)}: its file {path.name} is not the one that was kept"
    told = store.parse_parameters(store.read_parameters(content) or "")
    if told.record_id != record["id"] or told.prompt != record["prompt"]:
        yield f"{_name(record)}: its file {path.name} is of record {told.record_id}, {told.prompt}"
    marks = [f"order {order.number}".encode() for order in remains.billed(record)]
    if marks and not any(mark in content for mark in marks):
        yield f"{_name(record)}: its file {path.name} shows another order's picture"


def _folder(remains: Remains) -> Iterator[str]:
    """No file without a record, nothing half-written, no name twice."""
    kept = [record["filename"] for record in remains.records if record["status"] == "success"]
    twice = [name for name, count in Counter(map(str.casefold, kept)).items() if count > 1]
    if twice:
        yield f"names given twice: {twice}"
    ids = {str(record["id"]) for record in remains.records if record["status"] == "success"}
    for name in sorted(remains.files):
        path = Path(name)
        if name.endswith(".part"):
            yield f"half-written: {name}"
        elif path.parts[0] == ".thumbnails":
            if path.stem not in ids:
                yield f"a thumbnail without a picture: {name}"
        elif name not in kept:
            yield f"a file without a record: {name}"


def _name(record: dict[str, Any]) -> str:
    return f"record {record['id']}（{record['prompt']}）"
