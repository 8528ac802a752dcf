"""Several workers share the concurrency of a model: MODEL_CONCURRENCY images under way at most in all."""

import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import database
from app.config import Settings
from app.images import store
from app.runtime import Runtime
from app.worker import peers
from app.worker import worker as worker_module
from app.worker.concurrency import AdaptiveLimit
from tests.harness import Harness, open_harness, run_once, running, worker_of
from tools.fakes.jimeng import FakeJimeng
from tools.server_process import running_server
from tools.waiting import wait_until

MODEL = "jimeng_t2i_v40"


@pytest.fixture
def slow(settings: Settings, service: FakeJimeng, db: database.Connection) -> Harness:
    return open_harness(settings, service, db, model_timeout=600, model_concurrency=3)


def ask_for_9(harness: Harness) -> list[int]:
    """9 images in three batches."""
    return [id for names in ("甲乙丙", "子丑寅", "春夏秋") for id in harness.ask(*names)[1]]


def test_a_worker_has_its_share_of_what_the_service_allows() -> None:
    limit = AdaptiveLimit(8)
    limit.set_share(4)
    assert limit.slots == 4
    limit.on_throttled()
    assert limit.slots == 2
    limit.set_share(0)
    limit.on_success()
    assert limit.slots == 0
    assert not limit.acquire()
    limit.set_share(1)
    assert limit.slots == 1
    limit.resize(2)
    assert limit.share == 1


@pytest.fixture
def pair(slow: Harness) -> list[Runtime]:
    """Two workers, of which no thread runs."""
    return [Runtime(replace(slow.settings, role="worker")) for _ in range(2)]


def report(db: database.Connection, *runtimes: Runtime) -> list[int]:
    """Let them report in this order -> their shares."""
    for runtime in runtimes:
        runtime.peers._next_report = 0.0
        worker_of(runtime)._report(db)
    return [runtime.engines.default.limit.share for runtime in runtimes]


def test_a_second_worker_gets_slots_when_the_first_has_given_them_back(
    pair: list[Runtime], db: database.Connection
) -> None:
    one, other = pair
    assert report(db, one) == [3]
    assert one.engines.default.take_permit(0.0)
    assert report(db, other) == [0]
    assert other.engines.default.take_permit(0.0) is None
    for _ in range(2):
        report(db, one, other)
    assert sorted(report(db, one, other)) == [1, 2]
    assert one.stop(0)
    assert report(db, other) == [3]


def test_what_a_dead_worker_had_is_shared_when_its_report_is_old(
    pair: list[Runtime], db: database.Connection
) -> None:
    one, other = pair
    assert report(db, one, other) == [3, 0]
    db.execute(
        "UPDATE workers SET seen_at = seen_at - 20 WHERE owner = :owner", {"owner": worker_of(one).owner}
    )
    assert report(db, other) == [3]


@pytest.mark.parametrize("stops", [True, False])
def test_a_worker_that_ends_or_has_no_disk_space_has_no_share(
    pair: list[Runtime], db: database.Connection, monkeypatch: pytest.MonkeyPatch, stops: bool
) -> None:
    one, other = pair
    if stops:
        one.threads.draining.set()
    else:
        monkeypatch.setattr(one.disk, "_free", lambda _folder: 0)
        one.disk.invalidate()
    for _ in range(2):
        report(db, one, other)
    assert report(db, one, other) == [0, 3]


def test_a_worker_that_was_away_claims_nothing_before_it_has_reported(
    slow: Harness, pair: list[Runtime], db: database.Connection
) -> None:
    one = pair[0]
    slow.ask("甲")
    report(db, one)
    one.peers._reported_at = 0.0
    assert not run_once(one, db)
    report(db, one)
    assert run_once(one, db)


def test_another_concurrency_is_shared_at_the_next_turn(pair: list[Runtime], db: database.Connection) -> None:
    one = pair[0]
    assert report(db, one) == [3]
    one.apply(replace(one.settings, model_concurrency=5), db)
    worker_of(one)._report(db)
    assert one.engines.default.limit.share == 5


def test_workers_that_were_all_away_take_no_slots_of_each_other(
    pair: list[Runtime], db: database.Connection
) -> None:
    for _ in range(3):
        shares = report(db, *pair)
    assert sorted(shares) == [1, 2]
    db.execute("UPDATE workers SET seen_at = seen_at - 40")  # the database was away
    for each in pair:
        each.peers._reported_at = 0.0
    one, other = pair
    assert report(db, one) == shares[:1]
    report(db, other)
    for _ in range(3):
        report(db, *pair)
    assert report(db, one, other) == shares


def test_two_workers_never_exceed_the_concurrency_of_the_model(
    slow: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_module, "POLL_SECONDS", 0.02)
    monkeypatch.setattr(peers, "UNSETTLED_SECONDS", 0.0)
    monkeypatch.setattr(peers, "REPORT_SECONDS", 0.05)
    ids, slow.service.latency = ask_for_9(slow), 1e9
    with ExitStack() as ends:
        runtimes = [Runtime(replace(slow.settings, role="worker")) for _ in range(2)]
        for runtime in runtimes:
            ends.callback(runtime.stop)
            runtime.start()
        wait_until(lambda: len(slow.service.submissions) == 3)
        wait_until(lambda: [each.engines.default.limit.share for each in runtimes] != [3, 0])
        slow.service.latency = 0.0
        wait_until(lambda: all(slow.record(id).status == "success" for id in ids))
    assert len(slow.service.submissions) == len(ids)
    assert slow.service.peak_concurrency == 3


@pytest.mark.parametrize("role", ["worker", pytest.param("all", marks=pytest.mark.postgres)])
def test_two_processes_share_the_concurrency_of_the_model(slow: Harness, tmp_path: Path, role: str) -> None:
    fields = slow.service.settings(model_concurrency=3, model_timeout=600, role=role)
    fields["database_url"] = slow.settings.database_url
    sql = "SELECT count(DISTINCT lease_owner) FROM generation_records WHERE status = 'running'"
    with ExitStack() as ends:
        for _ in range(2):
            ends.enter_context(running_server(tmp_path, **fields))
        wait_until(lambda: _are_shared(slow.db))
        slow.service.latency = 1e9  # before anything is ordered
        ids = ask_for_9(slow)
        wait_until(lambda: len(slow.service.submissions) == 3)
        assert slow.db.execute(sql).fetchone()[0] == 2
        slow.service.latency = 0.0
        wait_until(lambda: all(slow.record(id).status == "success" for id in ids))
    assert len(slow.service.submissions) == len(ids)
    assert slow.service.peak_concurrency == 3


def _are_shared(db: database.Connection) -> bool:
    reports = database.list_workers(db, now=time.time(), within=20.0).values()
    return sorted(report.slots[MODEL] for report in reports) == [1, 2]


def test_an_image_that_is_being_saved_does_not_count(slow: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    ids, save = slow.ask("甲", "乙")[1], store.save_image

    def save_late(*args: Any, **fields: Any) -> Any:
        wait_until(lambda: len(slow.service.submissions) == 2)
        return save(*args, **fields)

    monkeypatch.setattr(store, "save_image", save_late)
    runtime = Runtime(replace(slow.settings, role="worker", model_concurrency=1))
    with running(runtime):
        wait_until(lambda: all(slow.record(id).status == "success" for id in ids))
