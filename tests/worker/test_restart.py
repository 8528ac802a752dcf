"""The process, killed and restarted: nothing charged twice, nothing lost."""

import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.worker.conftest import expire_leases
from tools.fakes.jimeng import ACCESS_KEY, SECRET_KEY, FakeJimeng
from tools.server_process import ServerProcess, running_server
from tools.waiting import wait_until


@pytest.fixture
def server(tmp_path: Path, service: FakeJimeng, database_url: str) -> Iterator[ServerProcess]:
    fields = service.settings(model_concurrency=4, database_url=database_url)
    with running_server(tmp_path, **fields) as process:
        yield process


def wait_in_log(server: ServerProcess, event: str, number: int = 1) -> None:
    wait_until(lambda: server.log().count(f"event={event}") >= number, describe=server.log)


def kill(server: ServerProcess) -> None:
    server.kill()


def interrupt_twice(server: ServerProcess) -> None:
    server.send_signal(signal.SIGINT)
    wait_until(lambda: server.get("/healthz")["stopping"])
    server.send_signal(signal.SIGINT)
    assert server.wait() == 1
    assert "马上退出" in server.log()


@pytest.mark.sqlite
def test_after_a_kill_free_images_are_redone_identically_and_none_is_unknown(
    tmp_path: Path, database_url: str
) -> None:
    with running_server(tmp_path, image_model="demo", database_url=database_url) as server:
        rows = [{"prompt": f"山 {n}", "resolution": "4K", "seed": n, "filename": f"图{n}"} for n in range(6)]
        batch_id = server.post("/api/batches", {"rows": rows})["batch_id"]
        for sent in (2, 5):
            wait_in_log(server, "submitted", sent)
            server.kill()
            expire_leases(server)
            server.start()
        batch = server.wait_for_end(batch_id)
        records = server.get(f"/api/batches/{batch_id}")["records"]
        assert batch["counts"]["success"] == 6
        assert [record["seed"] for record in records] == list(range(6))
        assert (batch["cost"], batch["at_stake"]) == (0, 0)
        files = sorted(path.name for path in (tmp_path / "output").iterdir() if path.is_file())
        assert files == [f"图{n}.jpg" for n in range(6)]
        assert server.log().count("event=submitted") > 6


@pytest.mark.parametrize("end", [kill, interrupt_twice])
def test_an_image_that_is_waited_for_at_the_end_is_fetched_later_and_charged_once(
    server: ServerProcess, service: FakeJimeng, end: Callable[[ServerProcess], None]
) -> None:
    service.latency = 3600.0
    rows = [{"prompt": f"慢慢画的第 {n} 张"} for n in range(6)]
    batch_id = server.post("/api/batches", {"rows": rows})["batch_id"]
    wait_in_log(server, "task_id_saved", 4)
    end(server)
    expire_leases(server)
    service.latency = 0.0
    server.start()
    assert server.wait_for_end(batch_id)["counts"]["success"] == 6
    assert service.charges == 6


@pytest.mark.sqlite
def test_after_sigterm_it_saves_nearly_finished_images_serves_pages_meanwhile_and_continues_when_started(
    server: ServerProcess, service: FakeJimeng
) -> None:
    service.latency = 3600.0
    rows = [{"prompt": f"快好的第 {n} 张"} for n in range(6)]
    batch_id = server.post("/api/batches", {"rows": rows})["batch_id"]
    wait_in_log(server, "task_id_saved", 4)
    server.send_signal()
    wait_until(lambda: server.get("/healthz")["stopping"])
    service.latency = 0.0
    assert server.wait() == 0
    assert server.log().count("event=finished") == 4
    server.start()
    assert server.wait_for_end(batch_id)["counts"]["success"] == 6
    assert service.charges == 6


@pytest.mark.sqlite
def test_the_log_names_the_address_and_traces_an_image_without_its_prompt_or_any_key(
    server: ServerProcess, service: FakeJimeng
) -> None:
    first = server.log().splitlines()[0]
    assert first.endswith(f"http://localhost:{server.port}")
    assert str(server.data_dir / "output") in server.log()
    server.post("/api/batch-generate", {"prompt": "没人该读到的提示词"})
    assert server.stop() == 0
    for log in (server.log(), (server.data_dir / "generation_records.log").read_text("utf-8")):
        lines = [line for line in log.splitlines() if "record=1 batch=" in line]
        events = [line.split("event=")[1].split()[0] for line in lines]
        assert events == ["submitted", "task_id_saved", "finished"]
        assert "method=POST route=/api/batch-generate status=200" in log
        assert not any(secret in log for secret in ("没人该读到", ACCESS_KEY, SECRET_KEY, "x-signature"))


@pytest.mark.sqlite
def test_without_a_key_it_serves_and_makes_an_image(tmp_path: Path, database_url: str) -> None:
    with running_server(tmp_path, image_model="", database_url=database_url) as server:
        answer = server.post("/api/batch-generate", {"prompt": "雪山下的小屋", "aspect_ratio": "16:9"})
        assert answer["success"] is True
        assert (server.data_dir / "output" / answer["images"][0]["filename"]).is_file()
        assert server.get("/healthz")["success"] is True
        assert server.stop() == 0
