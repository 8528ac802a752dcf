"""Several models in one worker: each has its own limit, and settings change while images are under way."""

import re
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

import database
from app.config import Settings
from app.core.queue import claim as queue
from app.domain import BatchStatus, ImageRequest, PauseCause, Record, Status
from app.engine.values import SqlList
from app.errors import Conflict
from app.runtime import Runtime
from app.worker import worker as worker_module
from app.worker.engines import Engine
from tests.harness import Harness, worker_of
from tools.fakes.jimeng import FakeJimeng
from tools.fakes.openai_images import FakeOpenAIImages
from tools.fakes.seedream import FakeSeedream
from tools.fakes.service import Call, FakeService
from tools.waiting import TIMEOUT, wait_until

JIMENG, SEEDREAM, OPENAI = "jimeng_t2i_v40", "doubao-seedream-5-0-pro-260628", "gpt-image-2"

_THOUSANDS_OF_RECORDS = """
    INSERT INTO batches (id, name, source, total, estimated_micros, version)
    SELECT number::text, '', 'batch', 1000, 0, 1 FROM generate_series(1, 4) AS number;
    INSERT INTO generation_records (batch_id, model, status, version)
    SELECT (number % 4 + 1)::text, 'other', 'queued', 1 FROM generate_series(1, 4000) AS number;
    ANALYZE batches, generation_records
"""


class Gate:
    """Holds the answers to submissions of a fake until it is opened; counts those that wait."""

    def __init__(self, fake: FakeService) -> None:
        self._opened = threading.Event()
        self._lock = threading.Lock()
        self.waiting = 0
        fake.observer = self._observe

    def open(self) -> None:
        """Let all through, from now on."""
        self._opened.set()

    def _observe(self, event: str, call: Call) -> None:
        if event == "made" and "prompt" in (call.fields if call.content else {}):
            with self._lock:
                self.waiting += 1
            self._opened.wait(TIMEOUT)
            with self._lock:
                self.waiting -= 1


class Studio(Harness):
    """A worker with three services, and what a user does with it."""

    def __init__(self, settings: Settings, db: database.Connection, fakes: Sequence[FakeService]) -> None:
        self.jimeng, self.seedream, self.openai = fakes
        fields: dict[str, Any] = {}
        for fake in fakes:
            fields |= fake.settings()
        settings.output_dir.mkdir()
        settings = replace(settings, **fields | {"image_model": "jimeng", "model_concurrency": 4})
        super().__init__(settings, self.jimeng, db)

    def apply(self, **changes: Any) -> None:
        """Change settings without a restart, as the page does: from another thread and connection."""
        self.settings = replace(self.settings, **changes)
        with closing(database.connect(self.settings.database)) as db:
            self.runtime.apply(self.settings, db)

    def remove_openai(self) -> None:
        """Have no key for it any more."""
        self.apply(openai_api_key="", openai_base_url=Settings().openai_base_url)
        assert self.runtime.engines.find(OPENAI) is None

    def order(self, *prompts: str, model: str = "") -> str:
        """Queue one batch for one model -> its id."""
        return self.order_mixed(*(ImageRequest(prompt=prompt, model=model) for prompt in prompts))

    def order_mixed(self, *requests: ImageRequest) -> str:
        """Queue one batch -> its id."""
        batch_id, _ = self.submit(requests)
        self.runtime.wake()
        return batch_id

    def resume(self, batch_id: str | None) -> None:
        super().resume(batch_id)
        self.runtime.wake()

    def records(self, batch_id: str) -> list[Record]:
        """The records of a batch, in order."""
        return database.list_batch_records(self.db, batch_id, since=0)

    def wait_for(self, batch_id: str, status: BatchStatus) -> None:
        """Wait until the batch has this status."""
        wait_until(lambda: self.batch(batch_id).status is status, lambda: str(self.batch(batch_id)))

    def engine_of(self, model_id: str) -> Engine:
        engine = self.runtime.engines.find(model_id)
        assert engine is not None
        return engine


@pytest.fixture
def studio(settings: Settings, db: database.Connection) -> Iterator[Studio]:
    with FakeJimeng() as jimeng, FakeSeedream() as seedream, FakeOpenAIImages() as openai:
        made = Studio(settings, db, (jimeng, seedream, openai))
        yield made
        for fake in (jimeng, seedream, openai):
            fake.observer = lambda _event, _call: None
        assert made.runtime.stop(20)


def prompts(number: int, name: str = "图") -> list[str]:
    return [f"{name} {n}" for n in range(number)]


def test_throttling_one_model_leaves_the_others_at_full(studio: Studio, db: database.Connection) -> None:
    studio.jimeng.fail_next("busy", times=3)
    seedream, openai = Gate(studio.seedream), Gate(studio.openai)
    studio.runtime.start()
    throttled = studio.order(*prompts(6, "即"))
    wait_until(lambda: studio.engine_of(JIMENG).pace.concurrency < 4)
    others = [studio.order(*prompts(6, "方"), model=SEEDREAM), studio.order(*prompts(6, "外"), model=OPENAI)]
    wait_until(lambda: (seedream.waiting, openai.waiting) == (4, 4))
    assert studio.engine_of(SEEDREAM).limit.allowed == studio.engine_of(OPENAI).limit.allowed == 4
    seedream.open()
    openai.open()
    for batch_id in (throttled, *others):
        studio.wait_for(batch_id, BatchStatus.FINISHED)
    assert [fake.charges for fake in (studio.jimeng, studio.seedream, studio.openai)] == [6, 6, 6]
    assert studio.runtime.stop(20)
    stored = [database.find_statistics(db, model) for model in (JIMENG, SEEDREAM, OPENAI)]
    assert all(statistics and statistics.seconds is not None for statistics in stored)
    assert [statistics.concurrency for statistics in stored[1:] if statistics] == [None, None]


def test_another_default_leaves_batches_that_run_with_their_models(studio: Studio) -> None:
    gates = Gate(studio.jimeng), Gate(studio.seedream)
    studio.runtime.start()
    first = studio.order(*prompts(6, "即"))
    second = studio.order(*prompts(6, "方"), model=SEEDREAM)
    wait_until(lambda: [gate.waiting for gate in gates] == [4, 4])
    studio.apply(image_model="seedream")
    third = studio.order("新的默认")
    for gate in gates:
        gate.open()
    for batch_id in (first, second, third):
        studio.wait_for(batch_id, BatchStatus.FINISHED)
    found = [{record.model for record in studio.records(batch_id)} for batch_id in (first, second, third)]
    assert found == [{JIMENG}, {SEEDREAM}, {SEEDREAM}]
    assert (studio.jimeng.charges, studio.seedream.charges) == (6, 7)


def test_a_changed_address_counts_from_the_next_order_on(studio: Studio) -> None:
    gate = Gate(studio.openai)
    with FakeOpenAIImages(key="sk-another") as another:
        studio.runtime.start()
        batch_id = studio.order(*prompts(6), model=OPENAI)
        wait_until(lambda: gate.waiting == 4)
        studio.apply(openai_base_url=f"{another.address}/v1", openai_api_key="sk-another")
        gate.open()
        studio.wait_for(batch_id, BatchStatus.FINISHED)
        assert (studio.openai.charges, another.charges) == (4, 2)
    assert {record.status for record in studio.records(batch_id)} == {Status.SUCCESS}


def test_a_removed_provider_finishes_its_images_and_pauses_the_rest_until_it_is_back(studio: Studio) -> None:
    gate = Gate(studio.openai)
    studio.runtime.start()
    batch_id = studio.order(*prompts(6), model=OPENAI)
    wait_until(lambda: gate.waiting == 4)
    studio.remove_openai()
    assert studio.batch(batch_id).status is BatchStatus.PAUSED
    assert studio.batch(batch_id).paused_cause == PauseCause.MODEL
    gate.open()
    wait_until(lambda: studio.batch(batch_id).counts[Status.SUCCESS] == 4)
    with pytest.raises(Conflict):
        studio.resume(batch_id)
    studio.apply(**studio.openai.settings(image_model="jimeng"))
    studio.resume(batch_id)
    studio.wait_for(batch_id, BatchStatus.FINISHED)
    assert studio.openai.charges == 6


def test_an_image_that_must_be_tried_again_pauses_its_batch_when_its_provider_was_removed(
    studio: Studio,
) -> None:
    arrived, go_on = threading.Event(), threading.Event()

    def hold(event: str, _call: Call) -> None:
        if event == "arrived":
            arrived.set()
            go_on.wait(TIMEOUT)

    studio.openai.observer = hold
    studio.openai.fail_next("busy")
    studio.runtime.start()
    batch_id = studio.order("一张", model=OPENAI)
    assert arrived.wait(TIMEOUT)
    studio.remove_openai()
    go_on.set()
    studio.wait_for(batch_id, BatchStatus.PAUSED)
    assert studio.batch(batch_id).paused_cause == PauseCause.MODEL
    assert [record.status for record in studio.records(batch_id)] == [Status.QUEUED]
    assert studio.openai.charges == 0


def test_a_submitted_image_of_a_removed_provider_is_fetched_when_it_is_back(studio: Studio) -> None:
    """Jimeng's task id is kept while nothing can ask for it."""
    studio.jimeng.latency = 3600.0
    studio.runtime.start()
    batch_id = studio.order("慢的")
    wait_until(lambda: bool(studio.records(batch_id)[0].task_id))
    assert studio.runtime.stop(0.1)
    [record] = studio.records(batch_id)
    assert (record.status, bool(record.task_id)) == (Status.QUEUED, True)

    keys = {"volcengine_ak": studio.settings.volcengine_ak, "volcengine_sk": studio.settings.volcengine_sk}
    studio.settings = replace(studio.settings, image_model="seedream", volcengine_ak="", volcengine_sk="")
    studio.runtime = Runtime(studio.settings)
    studio.runtime.start()
    assert studio.batch(batch_id).paused_cause == PauseCause.MODEL
    studio.jimeng.latency = 0.0
    studio.apply(**keys)
    wait_until(lambda: studio.records(batch_id)[0].status is Status.SUCCESS)
    assert studio.jimeng.charges == len(studio.jimeng.submissions) == 1


def test_a_wrong_key_of_one_model_pauses_a_mixed_batch_but_not_what_another_made(
    studio: Studio, db: database.Connection
) -> None:
    """What Jimeng has charged is fetched while the batch is paused for the key of another service."""
    studio.jimeng.latency = 3600.0
    studio.openai.fail_next("key", times=8)
    studio.runtime.start()
    batch_id = studio.order_mixed(
        ImageRequest(prompt="即", model=JIMENG),
        *(ImageRequest(prompt=text, model=OPENAI) for text in prompts(6)),
    )
    studio.wait_for(batch_id, BatchStatus.PAUSED)
    wait_until(lambda: bool(studio.records(batch_id)[0].task_id))
    assert studio.runtime.stop(0.1)
    batch = studio.batch(batch_id)
    assert batch.paused_cause == PauseCause.KEY
    assert "OPENAI_API_KEY" in str(batch.paused_reason)

    again = {"cause": PauseCause.KEY, "stops_fetching": True}
    database.pause_batch(db, batch_id, "密钥不对", **again, model=OPENAI)  # type: ignore[arg-type]
    assert database.has_claimable(db, model=JIMENG, now=time.time())
    studio.jimeng.latency = 0.0
    studio.runtime = Runtime(studio.settings)
    studio.runtime.start()
    wait_until(lambda: studio.records(batch_id)[0].status is Status.SUCCESS)
    assert studio.batch(batch_id).status is BatchStatus.PAUSED

    studio.openai.clear_faults()
    studio.resume(batch_id)
    studio.wait_for(batch_id, BatchStatus.FINISHED)
    assert (studio.jimeng.charges, studio.openai.charges) == (1, 6)


@pytest.mark.sqlite  # on PostgreSQL they follow at the next report
def test_threads_follow_the_concurrency_and_end_when_a_model_is_idle(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_module, "_IDLE_SECONDS", 0.2)
    runtime = studio.runtime
    runtime.start()
    assert [studio.engine_of(model).threads for model in (JIMENG, SEEDREAM)] == [8, 0]
    studio.apply(jimeng_concurrency=6)
    assert (studio.engine_of(JIMENG).threads, studio.engine_of(JIMENG).pace.concurrency) == (12, 6)
    studio.apply(jimeng_concurrency=2)
    wait_until(lambda: studio.engine_of(JIMENG).threads == 4)
    batch_id = studio.order("一张", model=SEEDREAM)
    studio.wait_for(batch_id, BatchStatus.FINISHED)
    wait_until(lambda: studio.engine_of(SEEDREAM).threads == 0)
    studio.apply(image_model="seedream")
    wait_until(lambda: (studio.engine_of(JIMENG).threads, studio.engine_of(SEEDREAM).threads) == (0, 8))
    assert runtime.threads.are_running
    studio.wait_for(studio.order("又一张", model=JIMENG), BatchStatus.FINISHED)


def test_a_thread_that_is_about_to_start_does_not_look_like_one_that_ended(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    studio.runtime.start()
    seen: list[bool] = []
    start = threading.Thread.start

    def watched(thread: threading.Thread) -> None:
        if thread.name == "notify":
            seen.append(studio.runtime.threads.are_running)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", watched)
    studio.apply(notify_url="http://127.0.0.1:9/hook")
    assert seen == [True]


def test_a_model_that_two_providers_have_is_ordered_from_the_default_one(studio: Studio) -> None:
    fields: dict[str, Any] = {"image_model": "openai", "openai_image_model": SEEDREAM}
    runtime = Runtime(replace(studio.settings, **fields))
    assert runtime.engines.default.spec.name == "openai"
    assert [engine.spec.name for engine in runtime.engines].count("openai") == 1
    studio.apply(**fields)
    assert studio.runtime.engines.default.spec.name == "openai"


def test_the_next_record_of_a_model_is_found_by_an_index(db: database.Connection) -> None:
    """A batch with thousands of records of one model does not slow claims of another."""
    fields = {"model": "", "now": 0.0, "ids": SqlList()}
    if db.engine == "postgres":
        db.execute(_THOUSANDS_OF_RECORDS)
        plan = db.execute(f"EXPLAIN SELECT {queue._NEXT_CLAIMABLE_ID}", fields).fetchall()
        text = "".join(line for (line,) in plan)
        search = r"records_claimable on [^)]+\)\s+Index Cond: \(\(batch_id = [^)]+\) AND \(model >="
        assert re.search("Index Scan using " + search, text), text
        assert "Seq Scan on generation_records" not in text
        return
    plan = db.execute(f"EXPLAIN QUERY PLAN SELECT {queue._NEXT_CLAIMABLE_ID}", fields).fetchall()
    lines = [row["detail"] for row in plan if "generation_records" in row["detail"]]
    assert (
        "SEARCH generation_records USING INDEX records_claimable (batch_id=? AND model>? AND model<?)"
        in lines
    )
    assert not [line for line in lines if line.startswith("SCAN") and "records_submitted" not in line]


def test_a_stop_while_a_thread_looks_for_work_ends_it_at_once(
    settings: Settings, db: database.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = Runtime(settings)
    monkeypatch.setattr(worker_module, "_IDLE_SECONDS", 100 * TIMEOUT)

    def stop_meanwhile(*_: object) -> bool:
        runtime.stop(0)
        return False

    worker = worker_of(runtime)
    monkeypatch.setattr(worker, "_ends", stop_meanwhile)
    loop = partial(worker._worker_loop, runtime.engines.default)
    thread = threading.Thread(target=runtime.threads._run_loop, args=[loop, "engine"], daemon=True)
    thread.start()
    thread.join(TIMEOUT)
    assert not thread.is_alive()
