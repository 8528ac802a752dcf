"""Two processes with folders of their own, one database and one bucket: killed, and OSS lost meanwhile."""

from collections.abc import Iterator
from contextlib import closing
from hashlib import sha256
from pathlib import Path

import pytest
import requests

import database
from app.config import Settings
from app.domain import Status
from tests.worker.conftest import expire_leases
from tools.fakes.jimeng import FakeJimeng
from tools.fakes.openai_images import FakeOpenAIImages
from tools.fakes.oss import FakeOss
from tools.fakes.service import FakeService
from tools.server_process import ServerProcess
from tools.waiting import TIMEOUT, wait_until

ROWS = 16


@pytest.fixture(params=[FakeJimeng, FakeOpenAIImages], ids=["task_ids", "bytes"])
def service(request: pytest.FixtureRequest) -> Iterator[FakeService]:
    with request.param(latency=0.5) as fake:
        yield fake


@pytest.fixture
def machines(
    tmp_path: Path, settings: Settings, service: FakeService, oss: FakeOss
) -> Iterator[list[ServerProcess]]:
    shared = {
        **service.settings(model_concurrency=2),
        **oss.settings(oss_output_prefix="ai-images/output/", output_store="oss"),
        "database_path": settings.database_path,
        "database_url": settings.database_url,
    }
    folders = [tmp_path / name for name in ("a", "b")]
    for folder in folders:
        folder.mkdir()
    servers = [ServerProcess(folder, **shared) for folder in folders]
    try:
        for server in servers:
            server.start()
        yield servers
    finally:
        for server in servers:
            server.kill()


def order(machine: ServerProcess, numbers: range) -> str:
    """Order these rows -> the id of their batch."""
    rows = [{"prompt": f"第 {n} 张", "filename": f"图{n}", "resolution": "1K"} for n in numbers]
    batch_id: str = machine.post("/api/batches", {"rows": rows})["batch_id"]
    return batch_id


def has_ended(machine: ServerProcess, batch_id: str) -> bool:
    """Whether the batch has no open record; it is resumed when it is paused."""
    batch = machine.get(f"/api/batches/{batch_id}")["batch"]
    if batch["status"] == "paused":
        machine.post(f"/api/batches/{batch_id}/resume")
    return not (batch["counts"]["queued"] or batch["counts"]["running"])


def test_after_kills_and_an_outage_every_charged_picture_is_in_oss_and_shown_by_both(
    machines: list[ServerProcess], service: FakeService, oss: FakeOss, settings: Settings
) -> None:
    batches = [order(machines[0], range(ROWS // 2))]
    for killed, charged in zip(machines, (2, 5), strict=True):
        wait_until(lambda charged=charged: service.charges >= charged)  # type: ignore[misc]
        killed.kill()
        expire_leases(killed)
        killed.start()
    oss.is_down, puts = True, oss.count("put")
    batches.append(order(machines[1], range(ROWS // 2, ROWS)))
    wait_until(lambda: oss.count("put") >= puts + 3)
    machines[0].kill()  # perhaps with a picture that only it has
    expire_leases(machines[0])
    oss.is_down = False
    machines[0].start()
    for batch_id in batches:
        wait_until(lambda batch_id=batch_id: has_ended(machines[0], batch_id), machines[0].log)  # type: ignore[misc]
    wait_until(
        lambda: not [path for each in machines for path in (each.data_dir / "output/.saving").glob("*")]
    )
    with closing(database.connect(settings.database)) as db:
        records = [database.get_record(db, number) for number in range(1, ROWS + 1)]
        keys = {each.id: database.find_output_copy(db, each.filename) for each in records if each.filename}
    made = [record for record in records if record.status is Status.SUCCESS]
    unknown = [record for record in records if record.status is Status.UNKNOWN]
    assert len(made) + len(unknown) == ROWS
    # A submission at the very time of a kill may be lost: `unknown`, never resubmitted.
    assert len(made) <= service.charges <= ROWS
    assert len(made) >= service.charges - len(unknown)
    for record in made:
        assert sha256(oss.objects[keys[record.id]].content).hexdigest() == record.sha256
        for machine in machines:
            shown = requests.get(machine.address + record.image_path, timeout=TIMEOUT)
            assert sha256(shown.content).hexdigest() == record.sha256
