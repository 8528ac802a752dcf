"""Several workers share the concurrency of a model: MODEL_CONCURRENCY images under way at most in all."""

import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import database
from app.config import Settings
from app.db.queue import SharedLimit
from app.domain import Record
from app.images import store
from app.runtime import Runtime
from tests.harness import Harness, open_harness, running, worker_of
from tools.fakes.jimeng import FakeJimeng
from tools.server_process import running_server
from tools.waiting import wait_until

MODEL = "jimeng_t2i_v40"


def claim(db: database.Connection, owner: str, limit: int, *received: int, now: float = 0.0) -> Record | None:
    shared = SharedLimit(limit=limit, received_ids=received)
    has = database.has_claimable(db, model=MODEL, now=now, shared=shared)
    found = database.claim_record(db, model=MODEL, owner=owner, now=now, lease=50.0, shared=shared)
    assert has == (found is not None)
    return found


def test_the_records_of_all_owners_count_until_their_image_is_received_or_their_lease_ends(
    harness: Harness, db: database.Connection
) -> None:
    harness.ask("甲", "乙", "丙", "丁")
    first = claim(db, "one", 2)
    assert first
    assert claim(db, "other", 2)
    assert claim(db, "other", 2) is None
    assert claim(db, "one", 2) is None
    assert claim(db, "one", 2, first.id)  # the other two are under way
    assert claim(db, "one", 2, first.id) is None
    assert claim(db, "one", 2, now=51.0)  # all leases have ended


def test_the_limit_is_that_of_one_model(harness: Harness, db: database.Connection) -> None:
    harness.ask("甲", "乙")
    db.execute("UPDATE generation_records SET model = 'another' WHERE prompt = '甲'")
    shared = SharedLimit(limit=1)
    for model in (MODEL, "another"):
        assert database.claim_record(db, model=model, owner="one", now=0.0, lease=10.0, shared=shared)


@pytest.fixture
def slow(settings: Settings, service: FakeJimeng, db: database.Connection) -> Harness:
    return open_harness(settings, service, db, model_timeout=600, model_concurrency=3)


def ask_for_9(harness: Harness) -> list[int]:
    """9 images in three batches."""
    return [id for names in ("甲乙丙", "子丑寅", "春夏秋") for id in harness.ask(*names)[1]]


def test_two_workers_never_exceed_the_concurrency_of_the_model(
    slow: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids, slow.service.latency, polls = ask_for_9(slow), 1e9, list[bool]()
    real = database.has_claimable

    def has_claimable(*args: Any, **fields: Any) -> bool:
        polls.append(found := real(*args, **fields))
        return found

    monkeypatch.setattr(database, "has_claimable", has_claimable)
    with ExitStack() as ends:
        for _ in range(2):
            runtime = Runtime(replace(slow.settings, role="worker"))
            ends.callback(runtime.stop)
            runtime.start()
        wait_until(lambda: len(slow.service.submissions) == 3)
        seen = len(polls)
        wait_until(lambda: len(polls) >= seen + 8)
        assert not any(polls[seen + 2 :])  # the first two may have begun before
        assert len(slow.service.submissions) == 3
        slow.service.latency = 0.0
        wait_until(lambda: all(slow.record(id).status == "success" for id in ids))
    assert len(slow.service.submissions) == len(ids)
    assert slow.service.peak_concurrency == 3


@pytest.mark.parametrize("role", ["worker", pytest.param("all", marks=pytest.mark.postgres)])
def test_two_processes_never_exceed_the_concurrency_of_the_model(
    slow: Harness, tmp_path: Path, role: str
) -> None:
    ids, slow.service.latency = ask_for_9(slow), 0.3
    fields = slow.service.settings(model_concurrency=3, model_timeout=600, role=role)
    fields["database_url"] = slow.settings.database_url
    with ExitStack() as ends:
        for _ in range(2):
            ends.enter_context(running_server(tmp_path, **fields))
        wait_until(lambda: all(slow.record(id).status == "success" for id in ids))
    assert len(slow.service.submissions) == len(ids)
    assert slow.service.peak_concurrency <= 3


def test_an_image_that_is_being_saved_does_not_count(slow: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    ids, save = slow.ask("甲", "乙")[1], store.save_image

    def save_late(*args: Any, **fields: Any) -> Any:
        wait_until(lambda: len(slow.service.submissions) == 2)
        return save(*args, **fields)

    monkeypatch.setattr(store, "save_image", save_late)
    runtime = Runtime(replace(slow.settings, role="worker", model_concurrency=1))
    with running(runtime):
        wait_until(lambda: all(slow.record(id).status == "success" for id in ids))


def test_a_worker_that_is_throttled_lowers_what_it_claims_beside_others(
    slow: Harness, db: database.Connection
) -> None:
    ids = slow.ask("甲", "乙")[1]
    assert claim(db, "other", 3, now=time.time())
    runtime = Runtime(replace(slow.settings, role="worker"))
    runtime.engines.default.limit.restore(1.0)
    assert not worker_of(runtime).run_once(db)
    runtime.engines.default.limit.restore(2.0)
    assert worker_of(runtime).run_once(db)
    assert slow.record(ids[1]).status == "success"
