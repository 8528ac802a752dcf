"""ROLE: pages and images in processes of their own, which share a database."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import requests
from flask.testing import FlaskClient

import database
from app.config import Settings, read_settings
from app.domain.workers import WorkerReport
from app.env_file import EnvFile
from app.errors import SettingError, message
from app.runtime import Runtime
from app.worker import peers
from app.worker import worker as worker_module
from tests.harness import run_once, running, worker_of
from tools.server_process import ServerProcess, running_server
from tools.waiting import TIMEOUT, wait_until
from web_app import create_app

ROW = {"prompt": "雪山", "aspect_ratio": "1:1", "resolution": "1K"}
NO_WORKER = "没有在运行的生成进程"


@pytest.fixture
def web(settings: Settings, tmp_path: Path) -> Iterator[ServerProcess]:
    with server_with("web", settings, tmp_path) as server:
        yield server


def server_with(role: str, settings: Settings, folder: Path) -> AbstractContextManager[ServerProcess]:
    return running_server(folder, image_model="demo", role=role, database_url=settings.database_url)


def status_of(server: ServerProcess) -> str:
    return requests.get(f"{server.address}/live/status", timeout=TIMEOUT).text


def counts(server: ServerProcess, batch_id: str) -> dict[str, int]:
    found: dict[str, int] = server.get(f"/api/batches/{batch_id}")["batch"]["counts"]
    return found


def test_orders_of_a_web_process_wait_for_a_worker_process(
    web: ServerProcess, settings: Settings, tmp_path: Path
) -> None:
    batch_id = web.post("/api/batches", {"rows": [ROW, {**ROW, "prompt": "海"}]})["batch_id"]
    assert NO_WORKER in status_of(web)
    health = requests.get(f"{web.address}/healthz", timeout=TIMEOUT)
    assert (health.status_code, health.json()["worker"]) == (503, False)
    assert counts(web, batch_id)["queued"] == 2
    with server_with("worker", settings, tmp_path) as worker:
        assert web.wait_for_end(batch_id)["counts"]["success"] == 2
        wait_until(lambda: web.get("/healthz")["success"], lambda: str(web.get("/healthz")))
        assert NO_WORKER not in status_of(web)
        assert worker.get("/healthz")["worker"]
        made = web.post("/api/batch-generate", {"prompt": "湖", "num_images": 2})
        assert len(made["images"]) == 2
        image = requests.get(web.address + made["images"][0]["url"], timeout=TIMEOUT)
        assert image.headers["Content-Type"].startswith("image/")
        assert worker.stop() == 0
    wait_until(lambda: NO_WORKER in status_of(web), lambda: status_of(web))
    assert web.stop() == 0


def test_a_web_process_makes_nothing_and_starts_no_periodic_job(settings: Settings) -> None:
    runtime = Runtime(replace(settings, role="web"))
    create_app(runtime.settings, runtime)
    with running(runtime):
        names = ["watch", "changes"] if settings.database_url else ["watch"]
        assert [thread.name for thread in runtime.threads._threads] == names
        assert runtime.threads.are_running


@pytest.mark.sqlite
@pytest.mark.parametrize("path", ["/", "/records", "/api/models", "/static/favicon.svg", "/login"])
def test_a_worker_process_has_no_pages(settings: Settings, path: str) -> None:
    client = create_app(replace(settings, role="worker")).test_client()
    assert client.get(path).status_code == 404
    assert client.post(path).status_code == 404
    assert "ROLE=web" in client.get(path).text
    assert "worker" in client.get("/healthz").get_json()


class Two:
    """A process that serves pages, and a worker process, turn by turn."""

    def __init__(self, settings: Settings, db: database.Connection) -> None:
        self.db = db
        self.runtime = Runtime(replace(settings, role="worker"))
        self.web = Runtime(replace(settings, role="web"))
        app = create_app(self.web.settings, self.web, EnvFile(settings.output_dir / ".env"))
        self.client: FlaskClient = app.test_client()

    def talk(self) -> None:
        self.runtime.peers._next_report = 0.0
        self.runtime.peers.report(self.db, self.runtime.claimed_count)
        self.web.peers.watch(self.db)

    def state(self) -> str:
        return self.client.get("/live/status").text.partition('data-state="')[2].partition('"')[0]


@pytest.fixture
def two(settings: Settings, db: database.Connection) -> Two:
    return Two(settings, db)


def test_a_worker_that_died_is_missed(two: Two) -> None:
    assert two.state() == "no_worker"
    two.talk()
    assert two.state() == "demo"
    two.db.execute("UPDATE workers SET seen_at = seen_at - :age", {"age": peers.ALIVE_SECONDS})
    two.web.peers.watch(two.db)
    assert two.state() == "no_worker"


def test_a_dead_worker_is_forgotten_and_a_report_from_the_future_does_not_count(
    db: database.Connection,
) -> None:
    for owner, now in (("before the clock was set back", 9e9), ("dead", 0.0)):
        database.report_worker(db, owner, WorkerReport(), limits={}, now=now, within=20.0)
    assert list(database.list_workers(db, now=10.0, within=20.0)) == ["dead"]
    database.report_worker(db, "alive", WorkerReport(), limits={}, now=4000.0, within=20.0)
    assert db.execute("SELECT count(*) FROM workers WHERE owner = 'dead'").fetchone()[0] == 0


def test_a_worker_that_stops_says_so_at_once(two: Two) -> None:
    two.talk()
    assert two.runtime.stop(0)
    two.web.peers.watch(two.db)
    assert two.state() == "no_worker"


def test_a_call_that_waits_for_images_orders_nothing_without_a_worker(two: Two) -> None:
    answer = two.client.post("/api/batch-generate", json=ROW)
    assert answer.status_code == 503
    assert NO_WORKER in answer.get_json()["error"]
    assert two.client.get("/api/batches").get_json()["batches"] == []


def test_a_call_that_waits_for_images_sees_a_worker_that_has_just_started(two: Two) -> None:
    two.runtime.peers.report(two.db, 0)
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(two.client.post, "/api/batch-generate", json=ROW)
        wait_until(lambda: call.done() or run_once(two.runtime, two.db))
        assert call.result(TIMEOUT).status_code == 200


def test_a_repeated_call_is_answered_also_without_a_worker(two: Two) -> None:
    two.talk()
    call = partial(two.client.post, "/api/batch-generate", json={**ROW, "request_id": "once"})
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(call)
        wait_until(lambda: run_once(two.runtime, two.db))
        assert first.result(TIMEOUT).status_code == 200
    two.web.peers.workers = {}
    again = call()
    assert (again.status_code, again.get_json()) == (200, first.result().get_json())


def test_reports_are_written_now_and_then_and_of_a_file_only_with_the_role(
    two: Two, settings: Settings, db: database.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert two.runtime.peers.report(db, 0)
    assert not two.runtime.peers.report(db, 0)
    polled = threading.Event()
    alone = Runtime(settings)
    monkeypatch.setattr(worker_module, "POLL_SECONDS", 0.0)
    monkeypatch.setattr(worker_of(alone), "_find_work", lambda _db: polled.set())
    alone.start()
    assert polled.wait(TIMEOUT)
    expected = 2 if settings.database_url else 1
    wait_until(lambda: len(database.list_workers(db, now=time.time(), within=60.0)) == expected)
    for runtime in (alone, two.runtime):
        assert runtime.stop(0)
    assert db.execute("SELECT count(*) FROM workers").fetchone()[0] == 0


def test_the_pages_show_what_the_services_of_the_workers_refuse(two: Two) -> None:
    engine = two.runtime.engines.default
    engine.judge(message("密钥 {name} 不对", name="k"), 100.0)
    two.talk()
    assert two.state() == "key_refused"
    assert "密钥 k 不对" in two.client.get("/live/status").text
    other = Runtime(two.runtime.settings)  # a later word of another worker counts
    other.engines.default.judge(None, 200.0)
    other.peers.report(two.db, 0)
    two.talk()
    assert two.state() == "demo"


def test_the_pages_show_the_images_and_the_concurrency_of_the_workers(two: Two) -> None:
    worker_of(two.runtime).claimed_ids.extend((1, 2))
    engine = two.runtime.engines.default
    engine.limit.on_throttled()
    engine.pace.save(two.db, at_once=True)
    two.talk()
    assert two.client.get("/healthz").get_json()["under_way"] == 2
    assert two.client.get("/api/models").get_json()["model"]["concurrency"] == engine.pace.concurrency == 2
    engine.limit.restore(4.0)
    engine.pace.save(two.db, at_once=True)
    two.talk()
    assert two.client.get("/api/models").get_json()["model"]["concurrency"] == 4


def test_settings_of_several_processes_are_not_changed_on_a_page(two: Two) -> None:
    said = "请在每个进程的 .env 或环境变量里改成一样，再都重新启动"
    assert said in two.client.get("/model").text
    answer = two.client.put("/api/settings", json={"MODEL_CONCURRENCY": "8"})
    assert answer.status_code == 403
    assert said in answer.get_json()["error"]
    assert two.web.settings.model_concurrency == 4


def test_an_unknown_role_stops_the_start() -> None:
    assert read_settings({"ROLE": "Web"}).role == "web"
    with pytest.raises(SettingError, match="ROLE"):
        read_settings({"ROLE": "server"})
