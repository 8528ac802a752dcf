"""A batch on five services that fail in many ways, with a kill -9 before most of the faults and one after.

Checked against the fakes' own ledgers: what was charged, how often, by whom, and what was saved.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from decimal import Decimal
from typing import Any

import pytest

from tests.worker.conftest import expire_leases
from tools.fakes.gemini import FakeGemini
from tools.fakes.jimeng import FakeJimeng
from tools.fakes.openai_images import FakeOpenAIImages
from tools.fakes.seedream import FakeSeedream
from tools.fakes.service import Call, FakeService, prompt_in
from tools.fakes.tokenhub import FakeTokenHub
from tools.server_process import ServerProcess, running_server
from tools.waiting import TIMEOUT

ROWS = 60  # of each model
CONCURRENCY = 4
# Name -> the id of the model, its fake, its price; OpenAI and Gemini have none that is listed.
SERVICES = {
    "jimeng": ("jimeng_t2i_v40", FakeJimeng, "0.22"),
    "seedream": ("doubao-seedream-5-0-flash-260915", FakeSeedream, "0.12"),
    "gemini": ("gemini-nano-banana-2.1", FakeGemini, "0.30"),
    "tokenhub": ("hy-image-v3.5-preview", FakeTokenHub, "0.15"),
    "openai": ("gpt-image-2", FakeOpenAIImages, "0.50"),
}
IDS = {name: model for name, (model, _, _) in SERVICES.items()}
PRICES = {name: Decimal(price) for name, (_, _, price) in SERVICES.items()}
# Row -> the fault of a call about it, for every model.
LOSSES = {3: "reset", 25: "500"}
BUSY = (26, 27)
REFUSED = 28
# The same for Jimeng alone, whose tasks are fetched. It is killed before row 20 and after row 45.
LOSSES_OF_JIMENG = {30: "cut", 31: "html", 32: "drop", 33: "502"}
REFUSED_BY_JIMENG = {34: "保护词", 35: "画崩"}
REFUSED_AT_FIRST = 36  # not billed, then generated
POLLS = {37: "reset", 38: "html"}
DOWNLOADS = {39: "dead_url", 40: "half", 41: "reset", 42: "garbled"}


def prompt_of(name: str, row: int) -> str:
    """The unique prompt of a row of a model."""
    words = REFUSED_BY_JIMENG | {REFUSED_AT_FIRST: "审图"} if name == "jimeng" else {}
    return f"{name} 第 {row:03} 张 {words.get(row) or ('违禁' if row == REFUSED else '江南')}"


def is_about(fake: FakeService, prompt: str) -> Callable[[Call], bool]:
    """Whether a call belongs to this row: its submission, a poll or the download."""

    def includes(call: Call) -> bool:
        if call.path.startswith("/pictures/"):
            number = int(call.path.split("/")[2].split("-")[0])
            return prompt_in(fake.submissions[number - 1].body) == prompt
        if not call.content:
            return False
        if task_id := call.fields.get("task_id"):
            return any(
                each.task_id == task_id and prompt_in(each.body) == prompt for each in fake.submissions
            )
        return prompt_in(call.fields) == prompt

    return includes


@pytest.fixture(scope="module")
def fakes() -> Iterator[dict[str, FakeService]]:
    with ExitStack() as opened:
        fakes: dict[str, FakeService] = {}
        for name, (_, kind, _) in SERVICES.items():
            fake = fakes[name] = opened.enter_context(kind(latency=0.08, image_format="jpeg"))
            faults = [("submit", row, fault) for row, fault in (LOSSES | dict.fromkeys(BUSY, "busy")).items()]
            if name == "jimeng":
                for step, more in (("submit", LOSSES_OF_JIMENG), ("poll", POLLS), ("download", DOWNLOADS)):
                    faults += [(step, row, fault) for row, fault in more.items()]
            for step, row, fault in faults:
                fake.fail_next(fault, step=step, when=is_about(fake, prompt_of(name, row)))
        yield fakes


class Run:
    """The run, polled as the page does it: only changes are requested."""

    def __init__(self, server: ServerProcess, fakes: dict[str, FakeService]) -> None:
        self.server = server
        self.fakes = fakes
        rows = [
            {
                "prompt": prompt_of(name, row),
                "model": name,
                "resolution": "1K",
                "aspect_ratio": "16:9",
                "filename": f"图{row}",
            }
            for row in range(1, ROWS + 1)
            for name in IDS
        ]
        body = {"rows": rows, "name": "五个模型", "stop_after": None}
        self.batch_id = server.post("/api/batches", body)["batch_id"]
        self.version = 0
        self.batch: dict[str, Any] = {}
        self.followed: dict[int, dict[str, Any]] = {}
        self.lies: list[str] = []

    def charges(self) -> int:
        """How many images the services have charged."""
        return sum(fake.charges for fake in self.fakes.values())

    def poll(self) -> None:
        """Poll once and compare the answer with the fakes' ledgers."""
        news = self.server.get(f"/api/batches/{self.batch_id}?since={self.version}")
        charges = self.charges()
        self.version, self.batch = news["version"], news["batch"]
        self.followed |= {record["id"]: record for record in news["records"]}
        seen = Counter(record["status"] for record in self.followed.values())
        if dict(seen) != {status: count for status, count in self.batch["counts"].items() if count}:
            self.lies.append(f"records {seen}, counts {self.batch['counts']}")
        if self.batch["counts"]["success"] > charges:
            self.lies.append(f"{self.batch['counts']['success']} kept, {charges} charged")

    def poll_until(self, done: Callable[[], bool]) -> None:
        """Poll until the condition holds."""
        deadline = time.monotonic() + 2 * TIMEOUT
        while not done():
            assert time.monotonic() < deadline, f"{self.batch}\n{self.server.log()[-3000:]}"
            time.sleep(0.1)
            self.poll()

    def is_over(self) -> bool:
        """Whether nothing is queued or running."""
        return bool(self.batch) and self.batch["status"] == "finished"

    def of_model(self, name: str) -> dict[int, dict[str, Any]]:
        """Row of a model -> its record."""
        records = {record["prompt"]: record for record in self.followed.values()}
        return {row: records[prompt_of(name, row)] for row in range(1, ROWS + 1)}

    def having(self, *statuses: str) -> list[dict[str, Any]]:
        """The records with one of these statuses."""
        return [record for record in self.followed.values() if record["status"] in statuses]


@pytest.fixture(scope="module")
def run(
    tmp_path_factory: pytest.TempPathFactory, fakes: dict[str, FakeService], module_database_url: str
) -> Iterator[Run]:
    """The whole run."""
    settings: dict[str, object] = {}
    for fake in fakes.values():
        settings |= fake.settings()
    settings |= {"image_model": "jimeng", "model_concurrency": CONCURRENCY, "openai_price": "0.5"}
    settings |= {"gemini_price": PRICES["gemini"]}
    settings |= {"seedream_model": IDS["seedream"], "database_url": module_database_url}
    with running_server(tmp_path_factory.mktemp("server"), **settings) as server:
        run = Run(server, fakes)
        for charged in (10, 42):
            run.poll_until(lambda charged=charged: fakes["jimeng"].charges >= charged)  # type: ignore[misc]
            server.kill()
            expire_leases(server)
            server.start()
        run.poll_until(run.is_over)
        yield run


@pytest.mark.parametrize("name", IDS)
def test_every_row_ends_as_its_own_service_answered(run: Run, name: str) -> None:
    ends = {row: record["status"] for row, record in run.of_model(name).items()}
    is_polled = name == "jimeng"
    expected = dict.fromkeys(LOSSES | (LOSSES_OF_JIMENG if is_polled else {}), "unknown")
    if is_polled:
        expected |= dict.fromkeys((REFUSED, *REFUSED_BY_JIMENG), "failed")
        expected |= dict.fromkeys(POLLS | DOWNLOADS, "success")
    assert {row: ends[row] for row in expected} == expected
    others = {row: end for row, end in ends.items() if row not in expected}
    if not is_polled:
        assert others.pop(REFUSED) in ("failed", "unknown")
    # A submission under way at a kill is unknown.
    assert set(others.values()) <= {"success", "unknown"}
    assert sum(end == "unknown" for end in others.values()) <= 2 * CONCURRENCY


@pytest.mark.parametrize("name", IDS)
def test_no_record_is_charged_twice_and_no_paid_image_is_lost(run: Run, name: str) -> None:
    charged = Counter(prompt_in(order.body) for order in run.fakes[name].submissions if order.billed)
    assert set(charged) <= {prompt_of(name, row) for row in range(1, ROWS + 1)}
    assert set(charged.values()) == {1}
    for record in run.of_model(name).values():
        assert record["model"] == IDS[name]
        allowed = {"success": {1}, "failed": {0}, "unknown": {0, 1}}[record["status"]]
        assert charged[record["prompt"]] in allowed, record


def test_only_records_certainly_not_billed_are_resubmitted(run: Run) -> None:
    orders = Counter(prompt_in(order.body) for fake in run.fakes.values() for order in fake.submissions)
    again = {prompt: count for prompt, count in orders.items() if count > 1}
    assert again in ({}, {prompt_of("jimeng", REFUSED_AT_FIRST): 2})


def test_counts_and_costs_are_those_of_each_model(run: Run) -> None:
    ends = Counter(record["status"] for record in run.followed.values())
    assert {status: count for status, count in run.batch["counts"].items() if count} == dict(ends)
    cost = at_stake = Decimal(0)
    for name, price in PRICES.items():
        of_model = Counter(record["status"] for record in run.of_model(name).values())
        cost += price * of_model["success"]
        at_stake += price * of_model["unknown"]
    assert (Decimal(str(run.batch["cost"])), Decimal(str(run.batch["at_stake"]))) == (cost, at_stake)


def test_each_image_has_its_own_file_and_no_partial_files_remain(run: Run) -> None:
    names = [record["filename"] for record in run.having("success")]
    output = run.server.data_dir / "output"
    assert len({name.casefold() for name in names}) == len(names)
    assert {path.name for path in output.iterdir() if path.is_file()} == set(names)
    assert [path for path in output.rglob("*") if path.name.endswith(".part")] == []
    sizes = {
        (record["width"], record["height"])
        for record in run.of_model("jimeng").values()
        if record["status"] == "success"
    }
    assert sizes == {(1376, 774)}


def test_progress_answers_were_correct_and_add_up(run: Run) -> None:
    assert run.lies == []
    whole = run.server.get(f"/api/batches/{run.batch_id}?since=0")["records"]
    assert {record["id"]: record["status"] for record in whole} == {
        record_id: record["status"] for record_id, record in run.followed.items()
    }


def test_every_failure_has_a_reason_and_the_log_names_it(run: Run) -> None:
    bad = run.having("failed", "unknown")
    assert [record["id"] for record in bad if not record["error"] or not record["cause"]] == []
    log = run.server.get(f"/api/batches/{run.batch_id}?since=0")["log"]
    logged = {line["record_id"] for line in log if line["level"] in ("warning", "error")}
    assert {record["id"] for record in bad} <= logged
