"""PostgreSQL beside SQLite in the same run: several workers, a batch, pages and searches.

    python -m bench.postgres [--records 300000]

With ``--records 0`` the workers only. Both commit durably. The records are those of ``bench.search``, copied
once to a server on a private port that is kept in the system's temporary folder. Not a million by default:
their index takes minutes, and they 3 GB.
"""

import argparse
import random
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import database
from app.domain import ImageRequest, Models
from app.engine.connection import Target
from bench import NOT_MEASURED
from bench._million_records import MODEL, build, prompt
from bench._postgres_records import records, server
from bench._several_workers import connections, database_work, pictures
from bench.search import ABSENT, COMMON, FILTERS, RARE, SOME, Promise, clients, medians, scan, seconds
from database import RecordFilter
from tools import orders
from tools.postgres_server import PostgresServer, is_installed

ROUNDS = 3
MANY = 300_000
ROWS = 5_000
PAGES = {"first page": "/records", "last page": "/records?page=100000000"}
WORDS = {"a rare word": "龘", "a common word": "水彩"}


def main() -> None:
    """Print every row; exit with 1 if a bound is exceeded."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--records", type=int, default=MANY)
    number = parser.parse_args().records
    if not is_installed():
        print("PostgreSQL is not on this machine: nothing was measured on it. See tests/postgres/install")
        sys.exit(NOT_MEASURED)
    with server() as postgres:
        promises = [*database_work(postgres), *pictures(postgres), *connections(postgres)]
        if not number:
            print(*promises, sep="\n")
            sys.exit(not all(promise.holds for promise in promises))
        _print("", "SQLite", "PostgreSQL", "ratio")
        promises += [*adding(postgres)]
        many, some = (build(number), records(postgres, number)), records(postgres, SOME)
        compare(*many)
        promises += [*searches(*many), *pages(*many, some)]
    print(*promises, sep="\n")
    if number < MANY:
        print(f"(the bounds are for {MANY} records)")
    elif not all(promise.holds for promise in promises):
        sys.exit(1)


def adding(postgres: PostgresServer) -> Iterator[Promise]:
    """A large batch, on new databases."""
    here, there = _both(postgres, lambda target: seconds(lambda: _add(target, ROWS)))
    _line(f"add_batch of {ROWS} rows, s", here, there)
    yield Promise(what=f"add_batch of {ROWS} rows ÷ SQLite", measured=there / here, at_most=3.0)


def compare(path: Path, url: str) -> None:
    """Both must find the same; AssertionError at the first difference."""
    with closing(database.connect(path)) as sqlite, closing(database.connect(url)) as postgres:
        terms = (*COMMON, *RARE, *ABSENT)
        for term in terms:
            wanted = RecordFilter(search=term)
            here, there = (
                (
                    [record.id for record in database.list_records(db, wanted)],
                    database.count_records(db, wanted),
                )
                for db in (sqlite, postgres)
            )
            assert here == there, term
    print(f"{len(terms)} terms found the same records on both")


def searches(path: Path, url: str) -> Iterator[Promise]:
    """First page and total of a rare and of a common word; the bounds are against a scan by PostgreSQL.

    PostgreSQL counts the records of a common word by reading the pages of all of them.
    """
    with closing(database.connect(path)) as sqlite, closing(database.connect(url)) as postgres:
        for (what, term), at_most in zip(WORDS.items(), (0.05, 0.25), strict=True):
            here, there = _search_times(sqlite, term), _search_times(postgres, term)
            for name, *times in zip(("first page", "total", "LIKE scan"), here, there, strict=True):
                _line(f"{what}: {name}, ms", *(each * 1e3 for each in times))
            page, total, by_scan = there
            yield Promise(what=f"{what}: page ÷ scan, PostgreSQL", measured=page / by_scan, at_most=0.05)
            yield Promise(what=f"{what}: total ÷ scan, PostgreSQL", measured=total / by_scan, at_most=at_most)


def _search_times(db: database.Connection, term: str) -> tuple[float, float, float]:
    """Median seconds of (first page, total, LIKE scan)."""
    wanted = RecordFilter(search=term)
    return (
        _median(lambda: database.list_records(db, wanted)),
        _median(lambda: database.count_records(db, wanted)),
        _median(lambda: scan(db, term)),
    )


def pages(path: Path, url: str, some: str) -> Iterator[Promise]:
    """Pages without a search, and filters with and without, against the first page of some records."""
    with clients(path, url, some) as apps:
        for what, address in PAGES.items():
            here, there, first = medians(apps, [address, address, "/records"])
            _line(f"{what}, ms", here * 1e3, there * 1e3)
            yield Promise(
                what=f"{what} of many ÷ first page of {SOME}, PostgreSQL", measured=there / first, at_most=3.0
            )
        for what, query in FILTERS.items():
            here, there, _ = medians(apps, [f"/api/records?{query}"] * 3)
            _line(f"{what}: page and total, ms", here * 1e3, there * 1e3)


def _both(postgres: PostgresServer, measure: Callable[[Target], float]) -> tuple[float, float]:
    """The measure on a new SQLite file and on a new PostgreSQL database: medians, interleaved."""
    found: tuple[list[float], list[float]] = ([], [])
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory() as folder, postgres.database() as url:
            targets: tuple[Target, Target] = (Path(folder) / "bench.db", url)
            for target, results in zip(targets, found, strict=True):
                database.open_database(target)
                results.append(measure(target))
    return statistics.median(found[0]), statistics.median(found[1])


def _add(target: Target, rows: int) -> None:
    chance = random.Random(4)
    with closing(database.connect(target)) as db:
        orders.add_batch(
            db,
            [ImageRequest(prompt=prompt(chance, n)) for n in range(rows)],
            models=Models([MODEL]),
            stems=[f"图{n}" for n in range(rows)],
            is_taken=lambda _: False,
        )


def _line(what: str, sqlite: float, postgres: float) -> None:
    _print(what, f"{sqlite:.2f}", f"{postgres:.2f}", f"{postgres / sqlite:.2f}")


def _print(what: str, *columns: str) -> None:
    print(f"{what:46}", *(f"{column:>11}" for column in columns), flush=True)


def _median(act: Callable[[], object]) -> float:
    return statistics.median(seconds(act) for _ in range(ROUNDS))


if __name__ == "__main__":
    main()
