"""Search and pages among a million records, against a ``LIKE`` scan and a thousand records in the same run.

    python -m bench.search [--records 1000000]

The results of every unusual term are first compared with brute force. The million is built once, in the
system's temporary folder, through the product's own tables and index.
"""

import argparse
import math
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from flask.testing import FlaskClient

import database
from app.config import Settings
from app.core.records.index import SEARCHED
from app.domain import ImageRequest, Models, SavedImage
from app.engine.connection import Target
from app.engine.ngrams import normalise, own_values
from app.web.services import services_of
from bench._million_records import MODEL, build, prompt
from database import RecordFilter
from tools import orders
from tools.unusual_text import TERMS
from web_app import create_app

ROUNDS = 5
FEW, SOME, MANY = 1_000, 10_000, 1_000_000
_HALF_A_YEAR = "from=2023-03-01T16:00:00&to=2023-08-31T15:59:59"
# Filters whose first page and total must not grow with the records.
FILTERS = {
    "ratio and half a year": f"aspect_ratio=16:9&{_HALF_A_YEAR}",
    "half a year, oldest first": f"sort=oldest&{_HALF_A_YEAR}",
    "ratio and a common word": "aspect_ratio=16:9&search=猫",
    "resolution and a common word": "resolution=4K&search=水彩",
    "failures and a common word": "status=failed,unknown&search=水彩",
    "a rare model": "model=another&aspect_ratio=16:9&limit=2",  # as many as the smaller file has
}
SAVED = SavedImage(filename="a.png", width=64, height=64, format="png", file_size=9, sha256="0" * 64)
COMMON = (
    "猫",
    "，",
    "水彩",
    "8K",
    "a",
    "at",
    "cat",
    "橘猫坐",
    "水彩风格",
    "赛博朋克街",
    "赛博朋克街道",
    "cinemat",
)
RARE = ("龘", "编号01234", "针", "snake_c", "折扣", "İ", "👍🏽", "C#", "Köln", "𠮷", "仰望星龘")
ABSENT = ("鑫", "鑫鑫", "zq", "没有这样的话", "猫龘狗", "qqqqqqq", "雪山猫", "☃")


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """What was measured, and the most or the least that it may be."""

    what: str
    measured: float
    at_most: float = math.inf
    at_least: float = 0.0

    @property
    def holds(self) -> bool:
        return self.at_least <= self.measured <= self.at_most

    def __str__(self) -> str:
        bound = f"at least {self.at_least}" if self.at_least else f"at most {self.at_most}"
        return f"{'ok ' if self.holds else 'NOT'} {self.what}: {self.measured:.4f} ({bound})"


def main() -> None:
    """Print every line; exit with 1 if a bound is exceeded."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--records", type=int, default=MANY)
    number = parser.parse_args().records
    many, some, few = build(number), build(SOME), build(FEW)
    with closing(database.connect(many)) as db:
        compare_with_brute_force(db)
        promises = [*search_promises(db)]
    promises += filter_promises(many, some)
    promises += page_promises(many, few)
    print(*promises, sep="\n")
    index_size(many, number)
    writing_costs()
    if number < MANY:
        print(f"(the contract speaks of {MANY} records)")
    elif not all(promise.holds for promise in promises):
        sys.exit(1)


def compare_with_brute_force(db: database.Connection) -> None:
    """Compare ids and totals of every unusual term; AssertionError at the first difference."""
    rows = db.execute(f"SELECT id, {', '.join(SEARCHED)} FROM generation_records ORDER BY id DESC")
    texts = [(row[0], "\x00".join(map(normalise, (*row[1:-1], *own_values(row[-1]))))) for row in rows]
    terms = [term for term in dict.fromkeys((*TERMS, *COMMON, *RARE, *ABSENT)) if normalise(term)]
    for term in terms:
        matched = normalise(term.encode("utf-8", "replace").decode())
        expected = [record_id for record_id, text in texts if matched in text]
        wanted = RecordFilter(search=term)
        assert list(database.list_record_ids(db, wanted)) == expected, term
        assert database.count_records(db, wanted) == len(expected), term
        page = [record.id for record in database.list_records(db, wanted)]
        assert page == expected[:20], term
    print(f"{len(terms)} terms answered exactly as brute force over {len(texts)} records")


def search_promises(db: database.Connection) -> Iterator[Promise]:
    """Each term, interleaved with a scan for it and with the first page without a search."""
    worst = {"rare page": 0.0, "rare total": 0.0, "common page": 0.0, "common total": 0.0}
    print(f"{'term':>14} {'found':>8} {'page ms':>9} {'no term':>9} {'total ms':>9} {'scan ms':>9}")
    for term in (*COMMON, *RARE, *ABSENT):
        kind = "common" if term in COMMON else "rare"
        page, plain, total, scan = measured(db, term)
        found = database.count_records(db, RecordFilter(search=term))
        times = f"{page * 1e3:9.3f} {plain * 1e3:9.3f} {total * 1e3:9.3f} {scan * 1e3:9.1f}"
        print(f"{term:>14} {found:8} {times}")
        against = plain if kind == "common" else scan
        worst[f"{kind} page"] = max(worst[f"{kind} page"], page / against)
        worst[f"{kind} total"] = max(worst[f"{kind} total"], total / scan)
    for what, of, at_most in (
        ("rare page", "rare or absent, first page ÷ scan", 0.01),
        ("rare total", "rare or absent, total ÷ scan", 0.01),
        ("common page", "common, first page ÷ first page without a search", 2.0),
        ("common total", "common, total ÷ scan", 0.1),
    ):
        yield Promise(what=f"{of}, worst", measured=worst[what], at_most=at_most)


def measured(db: database.Connection, term: str) -> tuple[float, float, float, float]:
    """Median seconds of (first page, first page without the term, total, LIKE scan), interleaved."""
    wanted = RecordFilter(search=term)
    acts: tuple[Callable[[], object], ...] = (
        *(lambda: database.list_records(db, wanted), lambda: database.list_records(db, RecordFilter())) * 4,
        lambda: database.count_records(db, wanted),
        lambda: scan(db, term),
    )
    rounds = [[seconds(act) for act in acts] for _ in range(ROUNDS)]
    pages = [taken[n] for taken in rounds for n in (0, 2, 4, 6)]
    plains = [taken[n] for taken in rounds for n in (1, 3, 5, 7)]
    totals, scans = ([taken[n] for taken in rounds] for n in (8, 9))
    return (
        statistics.median(pages),
        statistics.median(plains),
        statistics.median(totals),
        statistics.median(scans),
    )


def filter_promises(many: Path, some: Path) -> Iterator[Promise]:
    """The API's first page and total of each filter among many records against the same among some."""
    with clients(many, some) as apps:
        for what, query in FILTERS.items():
            here, there = medians(apps, [f"/api/records?{query}"] * 2)
            text = f"{what}, of many ÷ of {SOME} ({here * 1e3:.1f} ÷ {there * 1e3:.1f} ms)"
            yield Promise(what=text, measured=here / there, at_most=5.0)


def page_promises(many: Path, few: Path) -> Iterator[Promise]:
    """The HTML page among many records against the same among a few."""
    with clients(many, few) as apps:
        for what, query, at_most in (("first page", "", 1.5), ("last page", "?page=100000000", 3.0)):
            here, there = medians(apps, [f"/records{query}", "/records"])
            text = f"{what} of many ÷ first page of {FEW} ({here * 1e3:.1f} ÷ {there * 1e3:.1f} ms)"
            yield Promise(what=text, measured=here / there, at_most=at_most)


@contextmanager
def clients(*targets: Target) -> Iterator[list[FlaskClient]]:
    """A client of an app on each of the databases."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        data_dir = Path(folder)
        apps = [
            create_app(
                Settings(
                    database_url=target if isinstance(target, str) else "",
                    database_path=target if isinstance(target, Path) else data_dir / "none.db",
                    output_dir=data_dir / "output",
                    samples_dir=data_dir / "samples",
                )
            )
            for target in targets
        ]
        for app in apps:
            stack.enter_context(services_of(app).pool.keep_open())
        yield [app.test_client() for app in apps]


def medians(apps: list[FlaskClient], addresses: list[str]) -> list[float]:
    """Median seconds of each client's request, interleaved."""
    times: list[list[float]] = [[] for _ in apps]
    for _ in range(4 * ROUNDS):
        for client, address, taken in zip(apps, addresses, times, strict=True):
            began = time.perf_counter()
            assert client.get(address).status_code == 200
            taken.append(time.perf_counter() - began)
    return [statistics.median(taken) for taken in times]


def index_size(path: Path, number: int) -> None:
    """Bytes of the full-text index for each record."""
    with closing(database.connect(path)) as db:
        tables = db.execute("SELECT name FROM sqlite_schema WHERE name LIKE 'record_search_%'").fetchall()
        sizes = [
            db.execute("SELECT sum(pgsize) FROM dbstat WHERE name = :name", {"name": row["name"]}).fetchone()[
                0
            ]
            for row in tables
        ]
    print(f"index bytes a record: {sum(sizes) / number:.0f}")


def writing_costs() -> None:
    """What the triggers for counts and index add to a batch, against the same without them."""
    with tempfile.TemporaryDirectory() as folder:
        took = {}
        for name in ("with", "without"):
            path = Path(folder) / f"{name}.db"
            database.open_database(path)
            with closing(database.connect(path)) as db:
                if name == "without":
                    for row in db.execute("SELECT name FROM sqlite_schema WHERE type = 'trigger'").fetchall():
                        db.execute(f"DROP TRIGGER {row['name']}")
                took[name] = _batch_life(db)
    for number, what in enumerate(("add_batch of 10000, ms", "claim + finish, ms each")):
        print(
            f"{what}: {took['with'][number] * 1e3:.2f}, without triggers {took['without'][number] * 1e3:.2f}"
        )


def _batch_life(db: database.Connection) -> tuple[float, float]:
    chance = random.Random(4)
    requests = [ImageRequest(prompt=prompt(chance, n), num_images=2) for n in range(5_000)]
    began = time.perf_counter()
    orders.add_batch(
        db,
        requests,
        models=Models([MODEL]),
        stems=[f"图{n}" for n in range(5_000)],
        is_taken=lambda _: False,
    )
    added = time.perf_counter() - began
    began, turns = time.perf_counter(), 1_000
    for _ in range(turns):
        record = database.claim_record(db, model=MODEL.model_id, owner="bench", now=time.time(), lease=60)
        assert record is not None
        database.finish_record(db, record, SAVED)
    return added, (time.perf_counter() - began) / turns


def scan(db: database.Connection, term: str) -> int:
    """The number of records with this text, by ``LIKE``."""
    pattern = "%" + term.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%"
    own = (field for field in SEARCHED if "batches" not in field)  # names of batches would only slow it
    found = " OR ".join(rf"{field} LIKE :pattern ESCAPE '\'" for field in own)
    sql = f"SELECT count(*) FROM generation_records WHERE {found}"
    return int(db.execute(sql, {"pattern": pattern}).fetchone()[0])


def seconds(act: Callable[[], object]) -> float:
    """How long a call takes."""
    began = time.perf_counter()
    act()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
