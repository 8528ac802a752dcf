"""What was learnt of the image model outlives the process, and nothing waits for it."""

import html
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace

import pytest

import database
from app.config import Settings
from app.domain import ImageRequest, ModelStatistics
from app.engine.connection import transaction
from app.orders.place import place
from app.runtime import Runtime
from tests.harness import Harness, running
from tools import orders
from tools.fakes.jimeng import FakeJimeng
from tools.waiting import wait_until
from web_app import create_app

MODEL = "jimeng_t2i_v40"

Open = Callable[..., Runtime]


@pytest.fixture
def service() -> Iterator[FakeJimeng]:
    with FakeJimeng(latency=1.0) as fake:
        yield fake


@pytest.fixture
def open_runtime(settings: Settings, service: FakeJimeng, db: database.Connection) -> Open:
    """A process that has read what is stored; its threads are not started."""
    settings.output_dir.mkdir()

    def opened(**changes: object) -> Runtime:
        changed = replace(settings, **service.settings(**{"model_concurrency": 8, **changes}))
        runtime = Runtime(changed)
        runtime.engines.default.pace.load(db)
        return runtime

    return opened


def test_a_restart_keeps_the_latency_and_a_throttled_concurrency(
    db: database.Connection, open_runtime: Open
) -> None:
    runtime = open_runtime()
    assert runtime.engines.default.pace.seconds is None
    with running(runtime):
        runtime.engines.default.limit.on_throttled()
        add_batch(db, runtime, 1)
        runtime.wake()
        wait_until(lambda: runtime.engines.default.pace.seconds is not None)
    restarted = open_runtime()
    assert restarted.engines.default.pace.seconds == runtime.engines.default.pace.seconds
    assert restarted.engines.default.pace.concurrency == 4


def test_a_stored_concurrency_stays_within_one_and_the_setting(
    db: database.Connection, open_runtime: Open
) -> None:
    for stored, allowed in ((0.2, 1), (3.5, 3), (100.0, 8)):
        database.store_statistics(db, MODEL, ModelStatistics(concurrency=stored))
        assert open_runtime().engines.default.pace.concurrency == allowed


def test_a_raised_setting_counts_at_once_unless_the_service_throttled(
    db: database.Connection, open_runtime: Open
) -> None:
    runtime = open_runtime()
    runtime.engines.default.provider.latency.observe(9.0, 10.0, 2)  # type: ignore[union-attr]
    assert runtime.engines.default.pace.save(db)
    assert open_runtime(model_concurrency=64).engines.default.pace.concurrency == 64
    database.store_statistics(db, MODEL, ModelStatistics(concurrency=4.0))
    raised = open_runtime(model_concurrency=64)
    assert raised.engines.default.pace.concurrency == 4
    for _ in range(2 * 5):
        raised.engines.default.limit.on_success()
    assert raised.engines.default.pace.concurrency == 5


def test_what_is_known_is_stored_only_when_it_changed_and_not_too_often(
    db: database.Connection, open_runtime: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = open_runtime()
    assert not runtime.engines.default.pace.save(db)
    runtime.engines.default.limit.on_throttled()
    assert runtime.engines.default.pace.save(db)
    assert not runtime.engines.default.pace.save(db, at_once=True)
    runtime.engines.default.limit.on_success()
    assert not runtime.engines.default.pace.save(db)
    monkeypatch.setattr("app.worker.engines.SAVE_SECONDS", 0.0)
    assert runtime.engines.default.pace.save(db, at_once=True)
    runtime.engines.default.limit.on_success()
    assert runtime.engines.default.pace.save(db)


def test_a_locked_database_costs_nothing_and_is_tried_again(
    settings: Settings, db: database.Connection, open_runtime: Open
) -> None:
    runtime = open_runtime()
    runtime.engines.default.limit.on_throttled()
    with closing(database.connect(settings.database)) as other, transaction(other):
        assert not runtime.engines.default.pace.save(db)
    assert runtime.engines.default.pace.save(db)


def test_of_two_servers_the_last_to_write_wins(db: database.Connection, open_runtime: Open) -> None:
    one, other = open_runtime(), open_runtime()
    for runtime, times in ((one, 1), (other, 2)):
        for _ in range(times):
            runtime.engines.default.limit.allowed /= 2
        assert runtime.engines.default.pace.save(db)
    stored = database.find_statistics(db, MODEL)
    assert stored is not None
    assert stored.concurrency == 2.0


def test_a_service_without_polls_is_measured(settings: Settings, db: database.Connection) -> None:
    harness = Harness(settings, None, db)  # type: ignore[arg-type]
    settings.output_dir.mkdir()
    harness.make("猫")
    assert harness.engine.pace.seconds is not None
    low, high = harness.engine.pace.seconds
    assert 0.0 <= low <= high


def test_the_api_and_the_page_say_how_long_an_image_takes(
    db: database.Connection, open_runtime: Open
) -> None:
    runtime = open_runtime()
    client = create_app(runtime.settings, runtime).test_client()
    assert client.get("/api/models").get_json()["model"]["seconds"] is None
    database.store_statistics(db, MODEL, ModelStatistics(seconds=30.0, deviation=4.0, concurrency=2.0))
    runtime.engines.default.pace.load(db)
    model = client.get("/api/models").get_json()["model"]
    assert model["seconds"] == {"low": 22.0, "high": 38.0}
    assert model["concurrency"] == 2
    assert '"low": 22.0' in html.unescape(client.get("/batch").text)


def test_before_its_first_image_a_batch_is_estimated_from_earlier_ones(
    db: database.Connection, open_runtime: Open
) -> None:
    runtime = open_runtime()
    batch_id = add_batch(db, runtime, 40)
    claim = {"model": MODEL, "owner": "one", "now": 1.0, "lease": 60.0}
    for _ in range(4):
        assert database.claim_record(db, **claim)  # type: ignore[arg-type]
    assert database.get_batch(db, batch_id).eta_seconds is None
    database.store_statistics(db, MODEL, ModelStatistics(seconds=30.0, deviation=1.0))
    assert database.get_batch(db, batch_id).eta_seconds == 40 * 30 / 4


def add_batch(db: database.Connection, runtime: Runtime, pictures: int) -> str:
    submission = orders.new_batch(
        [ImageRequest(prompt="猫")] * pictures,
        models=runtime.engines.models,
        stems=["猫"] * pictures,
        is_taken=lambda stem: False,
    )
    return place(db, submission).batch_id
