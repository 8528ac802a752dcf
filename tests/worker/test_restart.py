"""The product as a process, killed in the middle and started again: nothing paid twice, nothing lost."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.jimeng import ACCESS_KEY, SECRET_KEY, FakeJimeng
from tests.house_process import HouseProcess, served
from tests.waiting import wait_until


@pytest.fixture
def service() -> Iterator[FakeJimeng]:
    with FakeJimeng(latency=1.0) as fake:
        yield fake


@pytest.fixture
def house(tmp_path: Path, service: FakeJimeng) -> Iterator[HouseProcess]:
    with served(tmp_path, **service.settings(model_concurrency=4)) as process:
        yield process


def test_killed_in_mid_run_and_started_again_every_picture_is_collected_and_paid_once(
    house: HouseProcess, service: FakeJimeng
) -> None:
    rows = [{"prompt": f"第 {n} 张", "filename": f"图{n}"} for n in range(12)]
    batch_id = house.post("/api/batches", {"rows": rows})["batch_id"]
    for charged in (3, 7):
        wait_until(lambda charged=charged: service.charges >= charged)  # type: ignore[misc]
        house.kill()
        house.start()
    batch = house.wait_for_end(batch_id)
    counts = batch["counts"]
    assert counts["success"] + counts["unknown"] == 12
    # A send in the very instant of a kill may have been heard of by nobody: that is `unknown`, never resent.
    assert service.charges <= 12
    assert counts["success"] >= service.charges - counts["unknown"]
    files = [path for path in (house.home / "output").iterdir() if path.is_file()]
    assert len(files) == counts["success"]
    assert round(batch["cost"] + batch["at_stake"], 2) == round(0.22 * 12, 2)


def test_killed_while_it_draws_for_nothing_it_draws_the_same_pictures_again_and_none_is_unknown(
    tmp_path: Path,
) -> None:
    with served(tmp_path, image_model="demo") as house:
        rows = [{"prompt": f"山 {n}", "resolution": "4K", "seed": n, "filename": f"图{n}"} for n in range(10)]
        batch_id = house.post("/api/batches", {"rows": rows})["batch_id"]
        for sent in (2, 8):
            wait_in_log(house, "event=sent", sent)
            house.kill()
            house.start()
        batch = house.wait_for_end(batch_id)
        records = house.get(f"/api/batches/{batch_id}")["records"]
        assert batch["counts"]["success"] == 10
        assert [record["seed"] for record in records] == list(range(10))
        assert (batch["cost"], batch["at_stake"]) == (0, 0)
        files = sorted(path.name for path in (tmp_path / "output").iterdir() if path.is_file())
        assert files == [f"图{n}.jpg" for n in range(10)]
        assert house.log().count("event=sent") > 10


def test_told_to_stop_it_ends_by_itself_and_goes_on_at_the_next_start(
    house: HouseProcess, service: FakeJimeng
) -> None:
    rows = [{"prompt": f"第 {n} 张"} for n in range(6)]
    batch_id = house.post("/api/batches", {"rows": rows})["batch_id"]
    wait_until(lambda: service.charges >= 2)
    assert house.stop() == 0
    house.start()
    batch = house.wait_for_end(batch_id)
    assert batch["counts"]["success"] == 6
    assert service.charges == 6


def test_told_to_stop_it_keeps_the_picture_that_is_nearly_done_and_answers_pages_meanwhile(
    house: HouseProcess, service: FakeJimeng
) -> None:
    service.latency = 3.0
    house.post("/api/batches", {"rows": [{"prompt": "快好的猫", "filename": "猫"}]})
    wait_for_tickets(house, 1)
    house.tell_to_stop()
    assert house.get("/healthz")["stopping"] is True
    assert house.wait() == 0
    assert (house.home / "output" / "猫.png").is_file()
    assert [line for line in house.log().splitlines() if "event=finished" in line]


def test_told_to_stop_it_leaves_a_slow_picture_to_the_next_start(
    house: HouseProcess, service: FakeJimeng
) -> None:
    service.latency = 60.0
    batch_id = house.post("/api/batches", {"rows": [{"prompt": "慢慢画的猫"}]})["batch_id"]
    wait_for_tickets(house, 1)
    assert house.stop() == 0
    assert "event=put_down" in house.log()
    service.latency = 0.0
    house.start()
    assert house.wait_for_end(batch_id)["counts"]["success"] == 1
    assert service.charges == 1


def test_told_twice_it_leaves_at_once_and_the_picture_is_collected_at_the_next_start(
    house: HouseProcess, service: FakeJimeng
) -> None:
    service.latency = 60.0
    batch_id = house.post("/api/batches", {"rows": [{"prompt": "慢慢画的猫"}]})["batch_id"]
    wait_for_tickets(house, 1)
    house.tell_to_stop(signal.SIGINT)
    wait_until(lambda: house.get("/healthz")["stopping"])
    house.tell_to_stop(signal.SIGINT)
    assert house.wait() == 1
    assert "马上退出" in house.log()
    service.latency = 0.0
    house.start()
    assert house.wait_for_end(batch_id)["counts"]["success"] == 1
    assert service.charges == 1


def wait_for_tickets(house: HouseProcess, number: int) -> None:
    wait_in_log(house, "event=ticket_kept", number)


def wait_in_log(house: HouseProcess, event: str, number: int) -> None:
    wait_until(lambda: house.log().count(event) >= number, say=house.log)


def test_a_life_of_a_picture_stands_in_the_log_without_its_prompt_or_any_key(
    house: HouseProcess, service: FakeJimeng
) -> None:
    house.post("/api/batch-generate", {"prompt": "没人该读到的提示词"})
    assert house.stop() == 0
    for log in (house.log(), (house.home / "generation_records.log").read_text("utf-8")):
        lines = [line for line in log.splitlines() if "record=1 batch=" in line]
        events = [line.split("event=")[1].split()[0] for line in lines]
        assert events == ["claimed", "sent", "ticket_kept", "collected", "kept", "finished"]
        assert "method=POST route=/api/batch-generate status=200" in log
        assert not any(secret in log for secret in ("没人该读到", ACCESS_KEY, SECRET_KEY, "x-signature"))


def test_the_first_lines_in_the_window_say_where_to_look(house: HouseProcess) -> None:
    first = house.log().splitlines()[0]
    assert first.endswith(f"http://localhost:{house.port}")
    assert str(house.home / "output") in house.log()


def test_a_wrong_setting_stops_the_start_with_one_sentence(tmp_path: Path) -> None:
    told = HouseProcess(tmp_path, port="http").refuses_to_start()
    assert told.startswith("PORT：")
    assert told.count("\n") == 1


def test_with_no_key_it_serves_and_makes_a_picture(tmp_path: Path) -> None:
    with served(tmp_path, image_model="") as house:
        answer = house.post("/api/batch-generate", {"prompt": "雪山下的小屋", "aspect_ratio": "16:9"})
        assert answer["success"] is True
        assert (house.home / "output" / answer["images"][0]["filename"]).is_file()
        assert house.get("/healthz")["success"] is True
        assert house.stop() == 0
