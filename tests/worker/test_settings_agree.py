"""Settings that must be the same on all machines are compared, and differing workers order nothing."""

import hashlib
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

import database
from app.domain import Status
from app.runtime import Runtime
from tests.harness import Harness, run_once, worker_of


def start(harness: Harness, role: str = "worker", **changes: Any) -> Runtime:
    """A process with these settings, of which no thread runs."""
    return Runtime(replace(harness.settings, role=role, **changes))


def report(db: database.Connection, *runtimes: Runtime) -> None:
    for runtime in runtimes:
        runtime.peers._next_report = 0.0
        worker_of(runtime)._report(db)


def said(runtime: Runtime, *, stops: bool = True) -> str:
    return str(runtime.peers.find_problem(stops=stops))


def test_workers_whose_budgets_differ_order_nothing_until_they_are_the_same(
    harness: Harness, db: database.Connection, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    ids = harness.ask("猫", "狗", "鸟", "鱼")[1]
    one, other = start(harness, budget=Decimal("1.10")), start(harness)
    report(db, one)
    assert run_once(one, db)
    report(db, other)
    assert not run_once(other, db)
    report(db, one)
    assert not run_once(one, db)
    machines = [worker_of(each).owner.rpartition("-")[0] for each in (one, other)]
    assert "BUDGET 在 {} 和 {} 上不一样，都不再下单".format(*machines) in said(one)
    web = start(harness, role="web")
    report(db, one, other)
    web.peers.watch(db)
    assert "都不再下单" in said(web)
    assert web.peers.are_missing
    assert caplog.text.count("event=settings_differ") == 3

    other.stop(0)
    same = start(harness, budget=Decimal("1.1"))
    for _ in range(4):
        report(db, one, same)
    assert all(run_once(each, db) for each in (one, same))
    assert harness.statuses(ids).count(Status.SUCCESS) == 3
    assert [said(each) for each in (one, same)] == ["None", "None"]


def test_a_process_of_pages_whose_settings_differ_says_so_and_the_worker_goes_on(
    harness: Harness, db: database.Connection
) -> None:
    worker, web = start(harness), start(harness, role="web", model_concurrency=9)
    report(db, worker)
    web.peers.watch(db)
    assert "MODEL_CONCURRENCY 在 " in said(web, stops=False)
    assert not web.peers.are_missing
    harness.ask("猫")
    assert run_once(worker, db)


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"jimeng_price": Decimal("0.3")}, "JIMENG_PRICE"),
        ({"jimeng_req_key": "another"}, "JIMENG_REQ_KEY"),
        ({"ark_api_key": "a-key"}, "ARK_API_KEY"),
        ({"oss_bucket": "another", "oss_output_prefix": "there/"}, "OSS_BUCKET、OSS_OUTPUT_PREFIX"),
    ],
)
def test_what_differs_is_named(
    harness: Harness, db: database.Connection, changes: dict[str, Any], name: str
) -> None:
    one, other = start(harness), start(harness, **changes)
    report(db, one, other)
    assert f"{name} 在" in said(other)


def test_a_report_has_neither_secrets_nor_their_digests(harness: Harness) -> None:
    key = harness.settings.volcengine_sk
    report(harness.db, start(harness))
    stored = harness.db.execute("SELECT report FROM workers").fetchone()["report"]
    assert key not in stored
    assert all(hashlib.sha256(each.encode()).hexdigest()[:12] not in stored for each in (key, repr(key)))
