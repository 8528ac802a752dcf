"""An older copy of the database file is put back: what was ordered since is not ordered again."""

import shutil
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from app import cli
from app.config import Settings
from tests.worker.conftest import expire_leases
from tools.fakes.jimeng import FakeJimeng
from tools.server_process import ServerProcess, running_server
from tools.waiting import wait_until

pytestmark = pytest.mark.sqlite

ROWS = 12  # some are not ordered yet when the copy is put back
MADE = 3


@dataclass
class Studio:
    """A server with a batch under way, and a copy of its database from before the first image."""

    server: ServerProcess
    service: FakeJimeng
    path: Path
    copy: Path
    batch_id: str = ""

    def submit(self) -> None:
        rows = [{"prompt": f"第 {n} 张", "filename": f"图{n}", "resolution": "1K"} for n in range(ROWS)]
        self.batch_id = self.server.post("/api/batches", {"rows": rows})["batch_id"]

    def copy_by_hand(self) -> None:
        with closing(sqlite3.connect(self.path)) as db, closing(sqlite3.connect(self.copy)) as copy:
            db.backup(copy)

    def back_up(self) -> None:
        folder = self.copy.parent / "备份"
        output = self.path.parent / "output"
        cli.back_up(Settings(database_path=self.path, output_dir=output, samples_dir=output), folder)
        shutil.copy(folder / self.path.name, self.copy)

    def wait_for_images(self) -> None:
        def are_made() -> bool:
            counts = self.server.get(f"/api/batches/{self.batch_id}")["batch"]["counts"]
            return bool(counts["success"] >= MADE)

        wait_until(are_made)

    def put_back(self) -> None:
        for ending in ("-wal", "-shm"):
            self.path.with_name(f"{self.path.name}{ending}").unlink(missing_ok=True)
        shutil.copy(self.copy, self.copy.with_name("again.db"))
        self.copy.with_name("again.db").replace(self.path)

    def ordered_twice(self) -> list[str]:
        with self.service.lock:
            orders = Counter(str(order.body["prompt"]) for order in self.service.submissions if order.billed)
        return [prompt for prompt, number in orders.items() if number > 1]


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Studio]:
    with FakeJimeng(latency=0.5) as service:
        fields = service.settings(model_concurrency=2)
        with running_server(tmp_path, **fields) as server:
            studio = Studio(server, service, tmp_path / "generation_records.db", tmp_path / "copy.db")
            studio.submit()
            yield studio


def stop(studio: Studio) -> None:
    assert studio.server.stop() == 0
    studio.put_back()


def kill(studio: Studio) -> None:
    studio.server.kill()
    studio.put_back()


def replace_while_it_runs(studio: Studio) -> None:
    studio.put_back()
    wait_until(lambda: "被换成了另一个" in studio.server.get("/healthz").get("error", ""))
    studio.server.stop()


@pytest.mark.parametrize(
    ("take", "interrupt"),
    [
        (Studio.copy_by_hand, stop),
        (Studio.copy_by_hand, kill),
        (Studio.copy_by_hand, replace_while_it_runs),
        (Studio.back_up, stop),
    ],
    ids=["stopped", "killed", "under the running server", "by the backup of the program"],
)
def test_nothing_is_ordered_again_from_an_older_copy(
    studio: Studio, take: Callable[[Studio], None], interrupt: Callable[[Studio], None]
) -> None:
    server, batch = studio.server, f"/api/batches/{studio.batch_id}"
    take(studio)
    studio.wait_for_images()
    interrupt(studio)
    ordered = studio.service.charges
    expire_leases(server)  # of records that were under way when the copy was taken
    server.start()
    wait_until(lambda: server.get(batch)["batch"]["status"] == "paused", server.log)
    assert "重复付费" in server.get(batch)["batch"]["paused_reason"]
    assert "重复付费" in " ".join(line["text"] for line in server.get(batch)["log"])
    assert studio.service.charges == ordered
    assert server.post(f"{batch}/resume")["success"]
    counts = server.wait_for_end(studio.batch_id)["counts"]
    assert studio.ordered_twice() == []
    assert counts["success"] + counts["unknown"] == ROWS
    # A submission at the very time of a kill may be lost: `unknown`, never resubmitted.
    assert ROWS - counts["unknown"] <= studio.service.charges <= ROWS
