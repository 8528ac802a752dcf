"""Several worker processes on one PostgreSQL: database work, whole pictures beside SQLite, connections."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
import requests

import database
from app.domain import ImageRequest, Models
from app.engine.connection import Target
from bench._million_records import MODEL
from bench.batch_time import fake_jimeng
from bench.search import SAVED, Promise
from tools import orders
from tools.fakes.jimeng import ACCESS_KEY, SECRET_KEY
from tools.postgres_server import PostgresServer
from tools.server_process import ServerProcess

COMMIT_MS, SECONDS = 5, 3.0
PICTURES, WARM, UNDER_WAY = 240, 16, 16
WEIGHT, LATENCY = 20_000, 0.3  # bytes and seconds of a picture: the rest is what the program does
MANY_SLOTS, PAGES_AT_ONCE = 64, 32
_KNOWN_SECONDS = 7.0  # a worker reports every 5 s, and claims when the others have seen it
_DEADLINE = 300.0


def database_work(postgres: PostgresServer) -> Iterator[Promise]:
    """Images a second by processes that claim, charge, save a task id and end, while a commit takes 5 ms."""
    options = f"-c commit_delay={COMMIT_MS * 1000} -c commit_siblings=0"
    print(f"{'database work of an image at commits of 5 ms':46}", *(f"{n:>11}" for n in (1, 2, 4, 8)))
    for what, budget in (
        ("images a second by so many processes", ""),
        ("the same under a budget", "1000000"),
    ):
        rates = []
        for number in (1, 2, 4, 8):
            with postgres.database() as url:
                database.open_database(url)
                _order(url, 2_000)
                rates.append(_work_of(f"{url}?options={quote(options)}", number, budget))
        print(f"{what:46}", *(f"{rate:>11.0f}" for rate in rates), flush=True)
        if not budget:
            yield Promise(what="database work by 8 ÷ by 1", measured=rates[-1] / rates[0], at_least=3.0)


def _work_of(url: str, number: int, budget: str) -> float:
    """Images a second of so many processes together."""
    command = [sys.executable, "-m", "bench._several_workers", url, budget]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with ExitStack() as stack:
        works: list[Any] = [stack.enter_context(subprocess.Popen(command, **pipes)) for _ in range(number)]
        for work in works:
            work.stdout.readline()
        for work in works:
            work.stdin.write("go\n")
            work.stdin.flush()
        made = [int(work.stdout.readline()) for work in works]
        return sum(made) / SECONDS


def work(url: str, budget: str) -> None:
    """A worker process: starts on a line of standard input and prints the number of images that it made."""
    with closing(database.connect(url)) as db:
        db.execute("SELECT 1")
        print("ready", flush=True)
        sys.stdin.readline()
        until, made, fold_at = time.monotonic() + SECONDS, 0, 0.0
        while time.monotonic() < until:
            record = database.claim_record(
                db, model=MODEL.model_id, owner=f"bench-{os.getpid()}-1", now=time.time(), lease=15
            )
            assert record is not None
            limit = Decimal(budget) if budget else None
            database.open_charge(db, record, price=Decimal("0.22"), budget=limit)
            database.save_task_id(db, record, f"task-{record.id}")
            database.finish_record(db, record, SAVED)
            made += 1
            if time.monotonic() > fold_at:
                database.fold_changes(db)
                fold_at = time.monotonic() + database.FOLD_SECONDS
        print(made, flush=True)


def pictures(postgres: PostgresServer) -> Iterator[Promise]:
    """Pictures a minute by 1, 2 and 4 workers, and by one on SQLite; which worker made how many."""
    with tempfile.TemporaryDirectory() as folder:
        database.open_database(Path(folder) / "bench.db")
        sqlite, _ = _make(Path(folder), Path(folder) / "bench.db", 1)
    print(f"{'SQLite, 1 worker':46} {sqlite:>11.0f} pictures a minute", flush=True)
    for number in (1, 2, 4):
        with tempfile.TemporaryDirectory() as folder, postgres.database() as url:
            rate, made = _make(Path(folder), url, number)
        shares = ", ".join(map(str, made))
        print(f"{f'PostgreSQL, workers: {number}':46} {rate:>11.0f} pictures a minute: {shares}", flush=True)
        if number == 1:
            yield Promise(what="pictures by 1 worker ÷ SQLite", measured=rate / sqlite, at_least=0.8)
        else:
            least = min(made) * number / PICTURES
            yield Promise(what=f"the least of {number} workers ÷ an even share", measured=least, at_least=0.5)


def connections(postgres: PostgresServer) -> Iterator[Promise]:
    """The most connections of a worker with many slots, and of a web process with many requests."""
    with tempfile.TemporaryDirectory() as folder, postgres.database() as url:
        most = [0]
        _make(Path(folder), url, 1, under_way=MANY_SLOTS, watch=lambda: _count(postgres, url, most))
    yield Promise(what=f"connections of a worker at {MANY_SLOTS} slots", measured=most[0], at_most=12)
    with tempfile.TemporaryDirectory() as folder, postgres.database() as url, ExitStack() as stack:
        most, web = [0], ServerProcess(Path(folder), database_url=url, role="web")
        stack.callback(web.kill)
        web.start()
        pool = stack.enter_context(ThreadPoolExecutor(PAGES_AT_ONCE))
        asked = [pool.submit(requests.get, f"{web.address}/records", timeout=60) for _ in range(400)]
        while not all(each.done() for each in asked):
            _count(postgres, url, most)
    yield Promise(
        what=f"connections of a web process at {PAGES_AT_ONCE} requests", measured=most[0], at_most=12
    )


def _count(postgres: PostgresServer, url: str, most: list[int]) -> None:
    sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s"
    with psycopg.connect(postgres.url("postgres")) as db:
        most[0] = max(most[0], db.execute(sql, [url.rpartition("/")[2]]).fetchall()[0][0])


def _make(
    folder: Path,
    target: Target,
    number: int,
    *,
    under_way: int = UNDER_WAY,
    watch: Callable[[], object] = lambda: None,
) -> tuple[float, list[int]]:
    """Let so many workers make PICTURES, after a few -> (pictures a minute, how many each made)."""
    store = {"database_url": target} if isinstance(target, str) else {"database_path": target}
    with ExitStack() as stack:
        address = stack.enter_context(fake_jimeng(LATENCY, WEIGHT))
        workers = []
        for n in range(number):
            (folder / f"worker-{n}").mkdir()
            worker = ServerProcess(
                folder / f"worker-{n}",
                role="worker",
                image_model="jimeng",
                jimeng_endpoint=address,
                volcengine_ak=ACCESS_KEY,
                volcengine_sk=SECRET_KEY,
                model_concurrency=under_way,
                **store,
            )
            stack.callback(worker.kill)
            worker.start()
            workers.append(worker)
        time.sleep(_KNOWN_SECONDS)
        _order(target, WARM)
        _wait(workers, WARM, watch)
        before, began = [_made(worker) for worker in workers], time.monotonic()
        _order(target, PICTURES)
        _wait(workers, WARM + PICTURES, watch)
        rate = PICTURES * 60 / (time.monotonic() - began)
        return rate, [_made(worker) - made for worker, made in zip(workers, before, strict=True)]


def _wait(workers: list[ServerProcess], number: int, watch: Callable[[], object]) -> None:
    deadline = time.monotonic() + _DEADLINE
    while sum(map(_made, workers)) < number:
        assert time.monotonic() < deadline, [_made(worker) for worker in workers]
        watch()
        time.sleep(0.05)


def _made(worker: ServerProcess) -> int:
    """How many pictures are in its folder."""
    return sum(1 for path in (worker.data_dir / "output").glob("*.jp*g"))


def _order(target: Target, rows: int) -> None:
    with closing(database.connect(target)) as db:
        orders.add_batch(
            db,
            [ImageRequest(prompt=f"第 {n} 张：雪山下的小屋") for n in range(rows)],
            models=Models([MODEL]),
            stems=[f"图-{time.time_ns()}-{n}" for n in range(rows)],
        )


if __name__ == "__main__":
    work(*sys.argv[1:])
