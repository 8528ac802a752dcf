"""A batch on three services at once, with faults in each, and a server that is killed meanwhile."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import database
from tools.fakes.jimeng import FakeJimeng
from tools.fakes.openai_images import FakeOpenAIImages
from tools.fakes.seedream import FakeSeedream
from tools.fakes.service import Call, FakeService
from tools.server_process import ServerProcess, running_server
from tools.waiting import wait_until

ROWS = 10  # of each model
IDS = {
    "jimeng": "jimeng_t2i_v40",
    "seedream": "doubao-seedream-5-0-flash-260915",
    "openai": "gpt-image-2",
}
PRICES = {"jimeng": Decimal("0.22"), "seedream": Decimal("0.12"), "openai": Decimal("0.50")}
# Row -> the fault of its submission, and the status that it ends with.
FAULTS = {2: "busy", 3: "502", 4: "reset", 5: "500"}
LOST = (4, 5)
REFUSED = 6
CONCURRENCY = 3


class Run:
    """The batch, until its end."""

    def __init__(self, server: ServerProcess, fakes: dict[str, FakeService]) -> None:
        self.server = server
        self.fakes = fakes
        rows = [{"prompt": prompt_of(name, row), "model": name} for row in range(1, ROWS + 1) for name in IDS]
        body = {"rows": rows, "stop_after": None}
        self.batch_id = server.post("/api/batches", body)["batch_id"]
        for share in (0.2, 0.5):
            wait_until(lambda share=share: self.charges() >= share * 3 * ROWS, server.log)  # type: ignore[misc]
            server.kill()
            server.start()
        self.batch = server.wait_for_end(self.batch_id)
        records = server.get(f"/api/batches/{self.batch_id}")["records"]
        self.records = {record["prompt"]: record for record in records}

    def charges(self) -> int:
        """How many images the three services have charged."""
        return sum(fake.charges for fake in self.fakes.values())

    def of_model(self, name: str) -> dict[int, dict[str, Any]]:
        """The records of one model, by their row of ROWS."""
        return {row: self.records[prompt_of(name, row)] for row in range(1, ROWS + 1)}


def prompt_of(name: str, row: int) -> str:
    """The prompt of one row of a model; a service refuses that of row REFUSED."""
    return f"{name} 第 {row:02} 张 {'违禁' if row == REFUSED else '江南'}"


def prompt_in(call: Call) -> str:
    """The prompt of a submission; empty for another call."""
    return str(call.fields.get("prompt", "")) if call.content else ""


def about(prompt: str) -> Callable[[Call], bool]:
    """Whether a call submits this prompt."""
    return lambda call: prompt_in(call) == prompt


@pytest.fixture(scope="module")
def fakes() -> Iterator[dict[str, FakeService]]:
    kinds: dict[str, type[FakeService]] = {
        "jimeng": FakeJimeng,
        "seedream": FakeSeedream,
        "openai": FakeOpenAIImages,
    }
    with ExitStack() as opened:
        fakes = {name: opened.enter_context(kind(latency=0.3)) for name, kind in kinds.items()}
        for name, fake in fakes.items():
            for row, kind in FAULTS.items():
                fake.fail_next(kind, when=about(prompt_of(name, row)))
        yield fakes


@pytest.fixture(scope="module")
def run(
    tmp_path_factory: pytest.TempPathFactory, fakes: dict[str, FakeService], module_database_url: str
) -> Iterator[Run]:
    """The whole run; its server is stopped at the end, so that it stores what it learnt."""
    folder = tmp_path_factory.mktemp("server")
    settings: dict[str, object] = {}
    for fake in fakes.values():
        settings |= fake.settings()
    settings |= {"image_model": "jimeng", "model_concurrency": CONCURRENCY, "openai_price": "0.5"}
    settings |= {"seedream_model": IDS["seedream"], "database_url": module_database_url}
    with running_server(folder, **settings) as server:
        found = Run(server, fakes)
        server.stop()
        yield found


@pytest.mark.parametrize("name", IDS)
def test_every_row_ends_as_its_own_service_answered(run: Run, name: str) -> None:
    ends = {row: record["status"] for row, record in run.of_model(name).items()}
    assert {row: ends[row] for row in LOST} == dict.fromkeys(LOST, "unknown")
    assert ends[REFUSED] in ("failed", "unknown")
    others = Counter(end for row, end in ends.items() if row not in (REFUSED, *LOST))
    assert set(others) <= {"success", "unknown"}
    # What was under way at a kill without a task id is unknown.
    assert others["unknown"] + (ends[REFUSED] == "unknown") <= 2 * CONCURRENCY


@pytest.mark.parametrize("name", IDS)
def test_no_row_is_charged_twice_and_each_only_by_its_own_service(run: Run, name: str) -> None:
    charged = Counter(order.body["prompt"] for order in run.fakes[name].submissions if order.billed)
    assert set(charged) <= {prompt_of(name, row) for row in range(1, ROWS + 1)}
    assert set(charged.values()) == {1}
    for record in run.of_model(name).values():
        assert record["model"] == IDS[name]
        allowed = {"success": {1}, "failed": {0}, "unknown": {0, 1}}[record["status"]]
        assert charged[record["prompt"]] in allowed, record


def test_costs_are_those_of_each_model(run: Run) -> None:
    cost = at_stake = Decimal(0)
    for name, price in PRICES.items():
        ends = Counter(record["status"] for record in run.of_model(name).values())
        cost += price * ends["success"]
        at_stake += price * ends["unknown"]
    assert Decimal(str(run.batch["cost"])) == cost
    assert Decimal(str(run.batch["at_stake"])) == at_stake


def test_every_image_has_its_own_file(run: Run) -> None:
    names = [record["filename"] for record in run.records.values() if record["status"] == "success"]
    output = Path(run.server.data_dir / "output")
    assert sorted(path.name for path in output.iterdir() if path.is_file()) == sorted(names)
    assert len(set(names)) == len(names)


def test_what_was_learnt_is_stored_by_model(run: Run, module_database_url: str) -> None:
    target = module_database_url or run.server.data_dir / "generation_records.db"
    with closing(database.connect(target)) as db:
        for model in IDS.values():
            stored = database.find_statistics(db, model)
            assert stored is not None, model
            assert stored.seconds is not None
