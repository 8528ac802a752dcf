"""``OUTPUT_STORE=oss``: machines that share a database and a bucket, each with its own OUTPUT_DIR."""

import io
import os
import signal
import threading
import time
import zipfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

import database
from app import cli
from app.config import Settings, read_settings
from app.domain import BatchStatus, Record, SampleImage, Status
from app.errors import Billed, BucketError, DiskError, ModelError, NotFound, SettingError
from app.images import store
from app.library import outputs
from app.library.outputs import SAVING
from app.system import windows_files
from tests.harness import Harness, crash_at, open_harness, restart_after_crash
from tests.specs import ANY
from tools.fakes.jimeng import FakeJimeng
from tools.fakes.openai_images import FakeOpenAIImages
from tools.fakes.oss import FakeOss
from tools.fakes.service import FakeService
from tools.waiting import TIMEOUT, wait_until
from web_app import create_app

PREFIX = "ai-images/output/"


@pytest.fixture
def bytes_service() -> Iterator[FakeOpenAIImages]:
    """A service that returns the image itself, without a task id."""
    with FakeOpenAIImages() as fake:
        yield fake


def open_machine(settings: Settings, service: FakeService, db: database.Connection, oss: FakeOss) -> Harness:
    in_oss = replace(settings, **oss.settings(oss_output_prefix=PREFIX, output_store="oss"))
    return open_harness(in_oss, service, db, model_timeout=60)


@pytest.fixture
def machine(settings: Settings, service: FakeJimeng, db: database.Connection, oss: FakeOss) -> Harness:
    return open_machine(settings, service, db, oss)


@pytest.fixture
def byte_machine(
    settings: Settings, bytes_service: FakeOpenAIImages, db: database.Connection, oss: FakeOss
) -> Harness:
    return open_machine(settings, bytes_service, db, oss)


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outputs, "_PROBE_SECONDS", 0.0)
    monkeypatch.setattr(outputs, "_PATIENCE_SECONDS", 0.0)
    monkeypatch.setattr(outputs, "_KEPT_FREE", 0)


def another(machine: Harness) -> Harness:
    """A machine with the same database, bucket and service, and empty folders."""
    folder = machine.settings.output_dir.with_name("elsewhere")
    folder.mkdir(exist_ok=True)
    settings = replace(machine.settings, output_dir=folder, samples_dir=folder.with_name("samples-elsewhere"))
    return Harness(settings, machine.service, machine.db)


def client_of(machine: Harness) -> FlaskClient:
    return create_app(machine.settings, machine.worker).test_client()


def shown(client: FlaskClient, url: str) -> tuple[int, str, bytes]:
    """Status, type and content of an answer."""
    with client.get(url, buffered=True) as answer:
        return answer.status_code, answer.mimetype or "", answer.data


def images_in(oss: FakeOss) -> list[str]:
    return [key for key in oss.objects if not key.endswith((".webp", ".probe"))]


def saving(machine: Harness) -> list[str]:
    return sorted(path.name for path in (machine.settings.output_dir / SAVING).glob("*"))


def cached(machine: Harness) -> list[Path]:
    return sorted((machine.settings.output_dir / ".cache").glob("*"))


def crash(machine: Harness, monkeypatch: pytest.MonkeyPatch, *, where: object, name: str) -> Record:
    """A worker that crashes when it calls ``name``; its lease has expired."""
    _, ids = machine.ask("猫")
    crash_at(machine, monkeypatch, where=where, name=name)
    restart_after_crash(machine)
    return machine.record(ids[0])


def test_a_record_succeeds_when_oss_has_its_picture(machine: Harness, oss: FakeOss) -> None:
    statuses: list[Status] = []

    def look() -> None:
        with closing(database.connect(machine.settings.database)) as db:
            statuses.append(database.get_record(db, 1).status)

    oss.before_next("put", look)
    record = machine.make("猫")
    assert (statuses, record.status) == ([Status.RUNNING], Status.SUCCESS)
    (key,) = images_in(oss)
    assert key == f"{PREFIX}猫-{record.sha256[:12]}.{record.filename[-3:]}"
    assert database.find_output_copy(machine.db, record.filename) == key
    assert set(oss.objects) == {key, f"{PREFIX}.thumbnails/{key.removeprefix(PREFIX)}.webp"}
    assert (saving(machine), machine.files(), len(cached(machine))) == ([], [], 1)
    assert cached(machine)[0].read_bytes() == oss.objects[key].content


@pytest.mark.parametrize("fixture", ["machine", "byte_machine"])
def test_an_outage_pauses_and_the_picture_is_stored_afterwards_without_a_second_order(
    fixture: str, request: pytest.FixtureRequest, oss: FakeOss
) -> None:
    machine: Harness = request.getfixturevalue(fixture)
    oss.fail_next("reset", operation="put")
    batch_id, ids = machine.ask("猫", "狗")
    assert machine.step()
    batch = database.get_batch(machine.db, batch_id)
    assert (batch.status, "连不上 OSS" in str(batch.paused_reason)) == (BatchStatus.PAUSED, True)
    assert (machine.record(ids[0]).status, len(images_in(oss))) == (Status.SUCCESS, 1)
    assert (len(machine.service.submissions), machine.outcomes()) == (1, ["billed"])


def test_a_picture_that_waits_for_oss_pauses_its_batch_once(
    byte_machine: Harness, oss: FakeOss, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses, pause = list[str](), database.pause_batch

    def pause_batch(db: database.Connection, batch_id: str, *args: Any, **fields: Any) -> None:
        pauses.append(batch_id)
        pause(db, batch_id, *args, **fields)

    monkeypatch.setattr(database, "pause_batch", pause_batch)
    monkeypatch.setattr(byte_machine.worker._aborting, "wait", lambda _seconds: False)
    oss.fail_next("reset", operation="put", times=4)
    batch_id, ids = byte_machine.ask("猫")
    assert byte_machine.step()
    assert (byte_machine.record(ids[0]).status, pauses) == (Status.SUCCESS, [batch_id])


@pytest.mark.parametrize(
    ("fixture", "status"), [("machine", Status.QUEUED), ("byte_machine", Status.SUCCESS)]
)
def test_an_upload_is_given_up_after_a_while_only_if_the_picture_can_be_fetched_again(
    fixture: str,
    status: Status,
    request: pytest.FixtureRequest,
    oss: FakeOss,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    machine: Harness = request.getfixturevalue(fixture)
    monkeypatch.setattr("app.worker.saving._RETRY_SECONDS", -1.0)
    monkeypatch.setattr(machine.worker._aborting, "wait", lambda _seconds: False)
    oss.fail_next("reset", operation="put")
    batch_id, ids = machine.ask("猫")
    assert machine.step()
    assert machine.record(ids[0]).status is status
    if status is Status.QUEUED:
        assert len(saving(machine)) == 1
        model = machine.worker.engines.default.model_id
        database.resume_batch(machine.db, batch_id, models=[model])
        assert machine.step()
    assert (machine.record(ids[0]).status, saving(machine)) == (Status.SUCCESS, [])
    assert (len(machine.service.submissions), machine.outcomes()) == (1, ["billed"])


def lose(machine: Harness, oss: FakeOss) -> None:
    """OSS stops answering, and a call notices it."""
    oss.is_down = True
    path = machine.settings.output_dir / "x.png"
    path.write_bytes(b"x")
    with pytest.raises(BucketError):
        machine.worker.outputs.upload(path, name="x.png", thumbnail=path)
    path.unlink()


def test_nothing_is_ordered_while_oss_is_lost(machine: Harness, oss: FakeOss) -> None:
    lose(machine, oss)
    batch_id, ids = machine.ask("猫")
    machine.step()
    batch = database.get_batch(machine.db, batch_id)
    assert (batch.status, "连不上 OSS" in str(batch.paused_reason)) == (BatchStatus.PAUSED, True)
    client = client_of(machine)
    health = client.get("/healthz").get_json()
    assert (health["oss"], "OSS" in health["error"]) == (False, True)
    assert 'data-state="oss_lost"' in client.get("/live/status").text
    resumed = client.post(f"/api/batches/{batch_id}/resume")
    assert (resumed.status_code, "OSS" in resumed.get_json()["error"]) == (409, True)
    assert (machine.service.submissions, machine.outcomes()) == ([], [])
    oss.is_down = False
    assert client.post(f"/api/batches/{batch_id}/resume").status_code == 200
    machine.step()
    assert machine.record(ids[0]).status is Status.SUCCESS
    assert client.get("/healthz").get_json()["oss"]


def test_a_failed_call_alone_pauses_nothing(
    machine: Harness, oss: FakeOss, monkeypatch: pytest.MonkeyPatch
) -> None:
    lose(machine, oss)
    oss.is_down = False
    assert machine.make("猫").status is Status.SUCCESS
    monkeypatch.setattr(outputs, "_PATIENCE_SECONDS", 3600.0)
    oss.fail_next("reset", operation="put")
    batch_id, ids = machine.ask("狗", "鸟")
    assert machine.step()
    assert machine.record(ids[0]).status is Status.SUCCESS
    assert database.get_batch(machine.db, batch_id).status is BatchStatus.RUNNING


def test_a_bucket_that_takes_no_uploads_pauses_orders_although_it_can_be_read(
    machine: Harness, oss: FakeOss
) -> None:
    record = machine.make("猫")
    oss.denied.add("put")
    lose(machine, oss)
    oss.is_down = False
    assert "PutObject" in str(machine.worker.outputs.check())
    cached(machine)[0].unlink()
    assert machine.worker.outputs.path(record.filename)
    _, ids = machine.ask("狗")
    machine.step()
    assert (machine.record(ids[0]).status, len(machine.service.submissions)) == (Status.QUEUED, 1)


def test_after_a_crash_before_finishing_another_machine_adopts_the_picture_from_oss(
    machine: Harness, oss: FakeOss, monkeypatch: pytest.MonkeyPatch
) -> None:
    died = crash(machine, monkeypatch, where=database, name="finish_record")
    other, calls = another(machine), len(machine.service.calls)
    assert other.step()
    record = other.record(died.id)
    assert (record.status, record.sha256) == (Status.SUCCESS, store.sha256_of(saved_at(machine)))
    assert (record.width, record.marks) == (2048, machine.record(died.id).marks)
    assert len(other.service.calls) == calls
    assert (len(images_in(oss)), other.outcomes()) == (1, ["billed"])


def test_a_restored_batch_orders_only_what_oss_does_not_have(machine: Harness, oss: FakeOss) -> None:
    batch_id, ids = machine.ask("猫", "狗", "鸟")
    assert machine.step()
    assert machine.step()
    with database.transaction(machine.db):  # as it was before, and as the start or `pause-all` leaves it
        machine.db.execute(
            "UPDATE generation_records SET status = 'queued', filename = '', task_id = NULL, attempts = 0"
        )
        machine.db.execute("DELETE FROM charges")
        machine.db.execute("DELETE FROM output_copies")
        database.pause_all(machine.db, database.RESTORED)
    other = another(machine)
    database.resume_batch(other.db, batch_id, models=["jimeng_t2i_v40"])
    lists = oss.count("list")
    for _ in ids:
        assert other.step()
    assert [other.record(record_id).status for record_id in ids] == [Status.SUCCESS] * 3
    assert [order.body["prompt"] for order in machine.service.submissions] == ["猫", "狗", "鸟"]
    assert oss.count("list") == lists + 3
    other.make("山")
    assert oss.count("list") == lists + 3


def saved_at(machine: Harness) -> Path:
    return machine.settings.output_dir / SAVING / saving(machine)[0]


def test_a_picture_that_was_uploaded_before_a_crash_is_never_unknown(
    byte_machine: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    died = crash(byte_machine, monkeypatch, where=database, name="finish_record")
    other = another(byte_machine)
    other.worker.maintenance.adopt_from_oss(other.db)
    assert (other.record(died.id).status, other.outcomes()) == (Status.SUCCESS, ["billed"])
    byte_machine.worker.maintenance.adopt_from_oss(byte_machine.db)
    assert (saving(byte_machine), len(cached(byte_machine))) == ([], 1)


def test_another_image_of_a_finished_record_does_not_replace_the_one_in_oss(
    machine: Harness, oss: FakeOss
) -> None:
    record, other = machine.make("猫"), another(machine)
    left = other.settings.output_dir / SAVING / f"{record.id}.png"
    left.parent.mkdir()
    left.write_bytes(b"made too, by a machine that lost its lease")
    assert other.worker.maintenance.adopt_from_oss(other.db)
    assert shown(client_of(other), record.image_path)[2] == oss.objects[images_in(oss)[0]].content
    assert left.is_file()


def test_a_picture_that_is_finished_while_it_is_adopted_disturbs_nothing(
    byte_machine: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lease of a record under way expires while PostgreSQL is away; its own thread may be faster."""
    died = crash(byte_machine, monkeypatch, where=database, name="finish_record")
    other, upload = another(byte_machine), byte_machine.worker.outputs.upload

    def overtaken(*args: Any, **options: Any) -> str:
        other.worker.maintenance.adopt_from_oss(other.db)
        saved_at(byte_machine).unlink()
        return upload(*args, **options)

    monkeypatch.setattr(byte_machine.worker.outputs, "upload", overtaken)
    assert byte_machine.worker.maintenance.adopt_from_oss(byte_machine.db)
    assert (byte_machine.record(died.id).status, byte_machine.outcomes()) == (Status.SUCCESS, ["billed"])


def test_nothing_is_decided_on_an_expired_lease_while_oss_is_lost(
    byte_machine: Harness, oss: FakeOss, monkeypatch: pytest.MonkeyPatch
) -> None:
    died = crash(byte_machine, monkeypatch, where=database, name="finish_record")
    other = another(byte_machine)
    assert not other.worker._extend_leases(other.db)  # which must not wait for OSS
    assert oss.count("list") == 0
    oss.is_down = True
    assert not other.worker.maintenance.adopt_from_oss(other.db)
    assert other.record(died.id).status is Status.RUNNING
    oss.is_down = False
    assert other.worker.maintenance.adopt_from_oss(other.db)
    assert other.record(died.id).status is Status.SUCCESS


def test_a_record_without_a_task_is_not_ordered_again_while_oss_cannot_be_asked(
    byte_machine: Harness, oss: FakeOss, monkeypatch: pytest.MonkeyPatch
) -> None:
    died = crash(byte_machine, monkeypatch, where=byte_machine.worker.outputs, name="upload")
    other = another(byte_machine)
    other.worker.maintenance.reap_expired_leases(other.db)
    assert other.record(died.id).status is Status.UNKNOWN
    models = other.worker.engines.models
    database.retry_records(other.db, died.batch_id or "", [died.id], models=models)
    oss.fail_next("reset", operation="list", times=3)
    other.step()
    assert (other.record(died.id).status, len(other.service.submissions)) == (Status.QUEUED, 1)


def test_a_picture_that_only_a_crashed_machine_has_is_stored_when_it_starts_again(
    byte_machine: Harness, oss: FakeOss, monkeypatch: pytest.MonkeyPatch
) -> None:
    died = crash(byte_machine, monkeypatch, where=byte_machine.worker.outputs, name="upload")
    other = another(byte_machine)
    other.worker.maintenance.adopt_from_oss(other.db)
    assert (other.record(died.id).status, other.outcomes()) == (Status.UNKNOWN, ["unknown"])
    byte_machine.worker.maintenance.adopt_from_oss(byte_machine.db)
    assert (other.record(died.id).status, other.outcomes()) == (Status.SUCCESS, ["billed"])
    assert (len(images_in(oss)), saving(byte_machine)) == (1, [])
    assert len(byte_machine.service.submissions) == 1


@pytest.mark.parametrize("billed", [True, False])
def test_a_picture_that_was_written_off_is_stored_when_its_machine_starts_again(
    byte_machine: Harness, monkeypatch: pytest.MonkeyPatch, billed: bool
) -> None:
    died = crash(byte_machine, monkeypatch, where=byte_machine.worker.outputs, name="upload")
    other = another(byte_machine)
    other.worker.maintenance.adopt_from_oss(other.db)
    undo = database.resolve_charges(other.db, [died.id], billed=billed).undo
    assert other.record(died.id).status is Status.CANCELLED
    byte_machine.worker.maintenance.adopt_from_oss(byte_machine.db)
    assert database.undo_resolution(other.db, undo) == 0
    assert (other.record(died.id).status, other.outcomes()) == (Status.SUCCESS, ["billed"])
    assert saving(byte_machine) == []


def test_a_file_that_is_not_the_picture_of_its_record_is_kept_and_compared_once(
    byte_machine: Harness, oss: FakeOss, monkeypatch: pytest.MonkeyPatch
) -> None:
    died = crash(byte_machine, monkeypatch, where=byte_machine.worker.outputs, name="upload")
    another(byte_machine).worker.maintenance.adopt_from_oss(byte_machine.db)
    byte_machine.db.execute("UPDATE generation_records SET prompt = '狗'")
    calls = oss.count("list")
    for _ in range(3):
        byte_machine.worker.maintenance.adopt_from_oss(byte_machine.db)
    assert oss.count("list") == calls + 1
    assert (byte_machine.record(died.id).status, len(saving(byte_machine))) == (Status.UNKNOWN, 1)


def test_a_picture_is_not_lost_when_its_task_expires_before_its_machine_starts_again(
    machine: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    died = crash(machine, monkeypatch, where=machine.worker.outputs, name="upload")
    other = another(machine)
    record = database.claim_record(other.db, model=died.model, owner="b", now=time.time(), lease=12.0)
    assert record
    expired = ModelError("结果已过期", cause="expired", billed=Billed.YES)
    assert database.fail_record(other.db, record, expired)
    machine.worker.maintenance.adopt_from_oss(machine.db)
    after = machine.record(died.id)
    assert (after.status, machine.outcomes(), after.cost) == (Status.SUCCESS, ["billed"], Decimal("0.22"))
    assert len(machine.service.submissions) == 1


@pytest.mark.parametrize(
    ("fixture", "status"), [("machine", Status.QUEUED), ("byte_machine", Status.UNKNOWN)]
)
def test_a_worker_that_stops_during_an_outage_leaves_the_picture_to_its_next_start(
    fixture: str, status: Status, request: pytest.FixtureRequest, oss: FakeOss
) -> None:
    machine: Harness = request.getfixturevalue(fixture)
    oss.denied.add("put")
    _, ids = machine.ask("猫")
    stopping = machine.worker.outputs.upload

    def stop(path: Path, **names: object) -> str:
        machine.worker.stop(0.0)
        return stopping(path, **names)  # type: ignore[arg-type]

    machine.worker.outputs.upload = stop  # type: ignore[method-assign]
    machine.step()
    record = machine.record(ids[0])
    assert (record.status, bool(record.task_id), len(saving(machine))) == (status, fixture == "machine", 1)
    oss.denied.clear()
    machine.restart()
    if record.batch_id and status is Status.QUEUED:
        database.resume_batch(machine.db, record.batch_id, models=[record.model])
        machine.hurry()
        machine.step()
    machine.worker.maintenance.adopt_from_oss(machine.db)
    assert machine.record(ids[0]).status is Status.SUCCESS
    assert (len(machine.service.submissions), machine.outcomes()) == (1, ["billed"])


def test_a_picture_of_another_installation_under_the_same_name_is_not_adopted(
    byte_machine: Harness, oss: FakeOss, monkeypatch: pytest.MonkeyPatch
) -> None:
    byte_machine.make("狗")
    content = oss.objects[images_in(oss)[0]].content  # of another record, as one of another installation is
    for name in (sha256(content).hexdigest()[:12], "0123456789ab", "2-0123456789ab"):
        oss.put(f"{PREFIX}猫-{name}.png", content)
    _, ids = byte_machine.ask("猫")
    crash_at(byte_machine, monkeypatch, where=byte_machine.worker.outputs, name="upload")
    restart_after_crash(byte_machine)
    other = another(byte_machine)
    other.worker.maintenance.reap_expired_leases(other.db)
    assert other.record(ids[0]).status is Status.UNKNOWN
    assert oss.count("get") == 2  # not of 猫-2


def test_the_name_is_the_reserved_one_and_a_file_of_the_folder_is_neither_touched_nor_shown(
    machine: Harness, oss: FakeOss
) -> None:
    _, ids = machine.ask("猫")
    own = machine.settings.output_dir / "猫.png"
    own.write_bytes(b"somebody else's")
    machine.step()
    record = machine.record(ids[0])
    assert (record.filename, own.read_bytes()) == ("猫.png", b"somebody else's")
    elsewhere = another(machine)
    theirs = elsewhere.settings.output_dir / "猫.png"
    theirs.write_bytes(b"another one")
    for each in (machine, elsewhere):
        assert shown(client_of(each), "/output/猫.png")[2] == oss.objects[images_in(oss)[0]].content
    assert theirs.read_bytes() == b"another one"
    machine.worker.outputs.delete(record.id, record.filename)
    assert (own.exists(), images_in(oss)) == (True, [])


def test_pages_show_pictures_on_a_machine_that_never_had_them(machine: Harness, oss: FakeOss) -> None:
    record = machine.make("猫")
    other = another(machine)
    client = client_of(other)
    content = oss.objects[images_in(oss)[0]].content
    gets = oss.count("get")
    status, kind, small = shown(client, f"/thumbnails/{record.id}")
    assert (status, kind, small[8:12]) == (200, "image/webp", b"WEBP")
    for _ in range(2):
        assert shown(client, record.image_path) == (200, "image/png", content)
    assert oss.count("get") - gets == 2
    assert client.get("/records").status_code == 200


def test_a_thumbnail_that_oss_lacks_is_made_again(machine: Harness, oss: FakeOss) -> None:
    record = machine.make("猫")
    thumbnail = next(key for key in oss.objects if key.endswith(".webp"))
    del oss.objects[thumbnail]
    oss.fail_next("denied", operation="get", times=1)
    found = another(machine).worker.outputs.thumbnail(record.id, record.filename)
    assert found.read_bytes()[8:12] == b"WEBP"


def test_zip_and_workbook_are_whole_on_a_machine_that_never_had_the_pictures(
    machine: Harness, oss: FakeOss
) -> None:
    batch_id, ids = machine.ask("猫", "狗", "鸟")
    while machine.step():
        pass
    other = another(machine)
    client = client_of(other)
    answer = client.get(f"/api/records/archive.zip?ids={','.join(map(str, ids))}", buffered=True)
    with zipfile.ZipFile(io.BytesIO(answer.data)) as bundle:
        inside = {bundle.read(name) for name in bundle.namelist() if name.endswith(".png")}
        assert inside == {oss.objects[key].content for key in images_in(oss)}
        assert len(bundle.namelist()) == 4  # and the workbook
    workbook = client.get(f"/api/batches/{batch_id}/results.xlsx", buffered=True).data
    with zipfile.ZipFile(io.BytesIO(workbook)) as parts:
        assert sum(name.startswith("xl/media/") for name in parts.namelist()) == 3


def test_the_pictures_of_a_zip_are_read_from_oss_several_at_a_time(
    machine: Harness, oss: FakeOss, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, ids = machine.ask("猫", "狗", "鸟", "鱼")
    while machine.step():
        pass
    other = another(machine)
    together, read = threading.Barrier(4), other.worker.outputs.read

    def read_together(name: str, key: str) -> bytes:
        together.wait(TIMEOUT)
        return read(name, key)

    monkeypatch.setattr(other.worker.outputs, "read", read_together)
    url = f"/api/records/archive.zip?ids={','.join(map(str, ids))}"
    with zipfile.ZipFile(io.BytesIO(shown(client_of(other), url)[2])) as bundle:
        assert len(bundle.namelist()) == 5  # and the workbook


def test_a_picture_is_used_as_a_reference_on_a_machine_that_never_had_it(
    machine: Harness, oss: FakeOss
) -> None:
    record = machine.make("猫")
    library = another(machine).worker.library
    image = SampleImage(url=record.image_path, filename=record.filename)
    gets = oss.count("get")
    assert library.facts([image])[image.url].size == record.file_size
    assert library.identify([image])[image].sha256 == record.sha256[:12]
    assert oss.count("get") == gets
    (reference,) = library.resolve([image], ANY)
    assert reference.content == oss.objects[images_in(oss)[0]].content


def test_references_of_many_rows_are_looked_up_over_one_connection(
    machine: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = [machine.make(prompt) for prompt in ("猫", "狗", "鸟")]
    opened, connect = list[database.Target](), database.connect

    def count(target: database.Target, **options: Any) -> database.Connection:
        opened.append(target)
        return connect(target, **options)

    monkeypatch.setattr("app.db.connection_pool.connect", count)
    images = [SampleImage(url=each.image_path, filename=each.filename) for each in records]
    with machine.worker.pool.keep_open():
        facts = machine.worker.library.facts(images)
    assert [facts[each.image_path].size for each in records] == [each.file_size for each in records]
    assert len(opened) == 1


def test_a_picture_that_oss_lacks_is_missing_and_an_outage_says_so(machine: Harness, oss: FakeOss) -> None:
    record = machine.make("猫")
    client = client_of(another(machine))
    oss.is_down = True
    answer = client.get(record.image_path)
    assert (answer.status_code, "OSS" in answer.get_json()["error"]) == (502, True)
    oss.is_down = False
    stored = oss.objects.pop(images_in(oss)[0])
    assert client.get(record.image_path).status_code == 404
    oss.put(database.find_output_copy(machine.db, record.filename), stored.content[:-1])
    assert client.get(record.image_path).status_code == 502


def test_just_after_a_call_failed_no_page_waits_for_oss(
    machine: Harness, oss: FakeOss, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = machine.make("猫")
    client = client_of(another(machine))
    monkeypatch.setattr(outputs, "_PROBE_SECONDS", 3600.0)
    oss.is_down = True
    assert client.get(record.image_path).status_code == 502
    asked = oss.count("get")
    assert client.get(record.image_path).status_code == 502
    assert oss.count("get") == asked


def test_a_process_that_serves_pages_notices_that_oss_is_back(machine: Harness, oss: FakeOss) -> None:
    machine.restart(role="web")
    lose(machine, oss)
    assert machine.worker.outputs.problem()
    oss.is_down = False
    machine.worker.start()
    try:
        wait_until(lambda: not machine.worker.outputs.problem())
    finally:
        assert machine.worker.stop(10)


def test_a_download_that_is_cut_off_leaves_no_file(machine: Harness, oss: FakeOss) -> None:
    record = machine.make("猫")
    other = another(machine)
    oss.fail_next("cut", operation="get", times=3)
    with pytest.raises(BucketError):
        other.worker.outputs.path(record.filename)
    assert list(other.settings.output_dir.rglob("*.png")) == []


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks a process and kills it")
def test_a_process_killed_while_it_writes_a_download_leaves_no_half_file(
    machine: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = machine.make("猫")
    other = another(machine)
    child = os.fork()
    if child == 0:  # killed when the content is written, before the file has its name
        monkeypatch.setattr(windows_files, "replace", lambda *_: os.kill(os.getpid(), signal.SIGKILL))
        other.worker.outputs.path(record.filename)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL
    assert cached(other) == []
    assert len(list(other.settings.output_dir.glob(".*.part"))) == 1
    assert store.sha256_of(other.worker.outputs.path(record.filename)) == record.sha256
    assert other.worker.maintenance.remove_part_files()


def use_order(machine: Harness, records: list[Record]) -> dict[int, Path]:
    """The cached files, used in this order, an hour apart."""
    paths = {record.id: machine.worker.outputs.path(record.filename) for record in records}
    for age, path in zip(range(len(records), 0, -1), paths.values(), strict=True):
        os.utime(path, (path.stat().st_mtime - 3600 * age, path.stat().st_mtime))
    return paths


def test_the_cache_is_bounded_and_what_was_not_used_for_longest_goes_first(machine: Harness) -> None:
    records = [machine.make(prompt) for prompt in ("一", "二", "三", "四")]
    paths = use_order(machine, records)
    machine.worker.outputs.path(records[0].filename)  # so that it is the latest used
    total = sum(path.stat().st_size for path in machine.settings.output_dir.rglob("*") if path.is_file())
    machine.restart(output_cache_gb=(total - 1) / 10**9)
    machine.worker.outputs.evict()
    assert [path.exists() for path in paths.values()] == [True, False, True, True]
    again = machine.worker.outputs.path(records[1].filename)
    assert store.sha256_of(again) == records[1].sha256


def age(machine: Harness) -> None:
    """No file was used for an hour."""
    for path in machine.settings.output_dir.rglob("*"):
        os.utime(path, (path.stat().st_mtime - 3600, path.stat().st_mtime))


def limit(machine: Harness, size: int) -> None:
    machine.worker.outputs._limit = size


def test_writing_beyond_the_limit_evicts(machine: Harness) -> None:
    first = machine.make("一")
    (path,) = use_order(machine, [first]).values()
    limit(machine, path.stat().st_size + 100)
    assert machine.make("二").status is Status.SUCCESS
    assert not path.exists()


def test_a_disk_with_little_space_left_evicts_without_a_limit(
    machine: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = machine.make("一")
    (path,) = use_order(machine, [first]).values()
    assert machine.settings.output_cache_gb is None
    assert machine.make("二").status is Status.SUCCESS
    assert path.exists()
    monkeypatch.setattr(outputs, "_KEPT_FREE", 10**18)
    assert machine.make("三").status is Status.SUCCESS
    assert not path.exists()


def test_what_oss_does_not_have_and_files_of_others_are_never_evicted(
    machine: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    crash(machine, monkeypatch, where=machine.worker.outputs, name="upload")
    folder = machine.settings.output_dir
    kept = [folder / name for name in ("自己的.png", ".0123456789abcdef.part", "unopened/1.heic")]
    for path in kept:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x")
    limit(machine, 0)
    age(machine)
    machine.worker.outputs.evict()
    assert all(path.exists() for path in kept)
    assert len(saving(machine)) == 1


@pytest.fixture
def emptied(machine: Harness) -> tuple[Harness, Record]:
    """A record whose time in the trash is over."""
    record = machine.make("猫")
    database.delete_records(machine.db, [record.id])
    machine.db.execute("UPDATE generation_records SET deleted_at = '2020-01-01 00:00:00'")
    return machine, record


def test_emptying_the_trash_deletes_its_objects_and_no_others(
    emptied: tuple[Harness, Record], oss: FakeOss
) -> None:
    machine, record = emptied
    oss.put(f"{PREFIX}猫-0123456789ab.png", b"of another installation")
    assert another(machine).worker.maintenance.empty_trash(machine.db) == 1
    assert list(oss.objects) == [f"{PREFIX}猫-0123456789ab.png"]
    assert database.get_record_or_none(machine.db, record.id) is None


def test_emptying_the_trash_leaves_no_file_on_the_machine_that_made_the_picture(
    emptied: tuple[Harness, Record],
) -> None:
    machine, _ = emptied
    assert len(cached(machine)) == 1
    assert machine.worker.maintenance.empty_trash(machine.db) == 1
    assert [path for path in machine.settings.output_dir.rglob("*") if path.is_file()] == []


def test_during_an_outage_the_trash_waits(emptied: tuple[Harness, Record], oss: FakeOss) -> None:
    machine, record = emptied
    oss.is_down = True
    assert machine.worker.maintenance.empty_trash(machine.db) == 0
    with pytest.raises(DiskError):
        machine.worker.outputs.delete(record.id, record.filename)
    oss.is_down = False
    machine.worker.outputs.check()
    assert machine.worker.maintenance.empty_trash(machine.db) == 1
    assert images_in(oss) == []


@pytest.fixture
def before_and_after(
    settings: Settings, service: FakeJimeng, db: database.Connection, oss: FakeOss
) -> Harness:
    """A machine that has one picture from before OUTPUT_STORE was set."""
    local = open_harness(settings, service, db, model_timeout=60)
    local.make("猫")
    return open_machine(settings, service, db, oss)


def test_earlier_pictures_are_copied_and_then_part_of_the_cache(
    before_and_after: Harness, oss: FakeOss
) -> None:
    machine, record = before_and_after, before_and_after.record(1)
    client = client_of(machine)
    assert shown(client, record.image_path)[0] == 200
    limit(machine, 0)
    age(machine)
    machine.worker.outputs.evict()
    assert machine.files() == [record.filename]
    machine.worker.maintenance.note_earlier_pictures(machine.db)
    assert machine.worker.maintenance.copy_output(machine.db)
    assert (machine.files(), len(cached(machine))) == ([], 1)
    age(machine)
    machine.worker.outputs.evict()
    assert cached(machine) == []
    assert shown(client, record.image_path)[2] == oss.objects[images_in(oss)[0]].content


def test_a_machine_without_the_earlier_pictures_does_not_give_them_up(before_and_after: Harness) -> None:
    machine, other = before_and_after, another(before_and_after)
    other.worker.maintenance.note_earlier_pictures(other.db)
    assert not other.worker.maintenance.copy_output(other.db)
    with pytest.raises(NotFound):
        other.worker.outputs.path("猫.png")
    (other.settings.output_dir / "自己的.png").write_bytes(b"x")
    assert other.worker.maintenance.copy_output(other.db)
    assert not machine.worker.maintenance.copy_output(machine.db)  # not yet
    machine.worker.maintenance.note_earlier_pictures(machine.db)  # as after a start
    assert machine.worker.maintenance.copy_output(machine.db)
    assert other.worker.outputs.path("猫.png").is_file()


@pytest.fixture
def copied_before(settings: Settings, service: FakeJimeng, db: database.Connection, oss: FakeOss) -> Harness:
    """A machine that has one picture, whose copy was in OSS before OUTPUT_STORE was set."""
    local = replace(settings, **oss.settings(oss_output_prefix=PREFIX))
    machine = open_harness(local, service, db, model_timeout=60)
    machine.make("猫")
    assert machine.worker.maintenance.copy_output(db)
    assert len(machine.files()) == 1
    return open_machine(settings, service, db, oss)


def test_an_earlier_picture_that_oss_has_is_used_where_it_is(copied_before: Harness) -> None:
    path = copied_before.settings.output_dir / "猫.png"
    assert copied_before.worker.outputs.path("猫.png") == path
    path.write_bytes(b"not what was copied")
    assert [copied_before.worker.outputs.path("猫.png")] == cached(copied_before)
    assert path.exists()


def test_earlier_pictures_that_oss_has_move_to_the_cache_at_the_start(
    copied_before: Harness, oss: FakeOss
) -> None:
    machine, path = copied_before, copied_before.settings.output_dir / "猫.png"
    key, stored = images_in(oss)[0], oss.objects.pop(images_in(oss)[0])
    assert machine.worker.maintenance.settle_earlier_pictures(machine.db)
    assert (path.exists(), cached(machine)) == (True, [])
    oss.put(key, stored.content)
    oss.fail_next("reset", operation="list", times=3)
    assert not machine.worker.maintenance.settle_earlier_pictures(machine.db)
    assert machine.worker.maintenance.settle_earlier_pictures(machine.db)
    assert (path.exists(), len(cached(machine))) == (False, 1)


def test_the_check_compares_records_with_the_bucket(machine: Harness, oss: FakeOss) -> None:
    for prompt in ("猫", "狗", "鸟"):
        machine.make(prompt)
    other = another(machine)
    assert cli.check(other.settings).is_clean
    cat, dog, _ = images_in(oss)
    oss.objects[cat].content += b"x"
    del oss.objects[dog]
    oss.put(f"{PREFIX}山-0123456789ab.png", b"without a record")
    report = cli.check(other.settings)
    assert [stored.key for stored in report.altered] == [cat]
    assert [stored.key for stored in report.missing] == [dog]
    assert report.orphaned == [f"{PREFIX}山-0123456789ab.png"]


def test_a_picture_that_is_made_during_the_check_is_not_missing(
    machine: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.make("猫")
    list_stored_files = database.list_stored_files

    def make_and_list(db: database.Connection) -> Iterator[database.StoredFile]:
        machine.make("狗")
        return list_stored_files(db)

    monkeypatch.setattr(database, "list_stored_files", make_and_list)
    report = cli.check(another(machine).settings)
    assert (report.records, report.is_clean) == (2, True)


def test_an_earlier_picture_that_is_not_copied_yet_is_not_missing(before_and_after: Harness) -> None:
    before_and_after.worker.maintenance.note_earlier_pictures(before_and_after.db)
    assert cli.check(before_and_after.settings).is_clean
    assert len(cli.check(another(before_and_after).settings).missing) == 1


def test_the_database_is_rebuilt_from_the_bucket(machine: Harness, tmp_path: Path) -> None:
    made = [machine.make(prompt) for prompt in ("猫", "狗")]
    target = tmp_path / "rebuilt.db"
    settings = another(machine).settings
    assert cli.rebuild(settings, target) == (2, [])
    rebuilt = replace(settings, database_path=target, database_url="")
    with closing(database.connect(target)) as db:
        found = [database.get_record(db, record.id) for record in made]
        assert [(record.filename, record.sha256) for record in found] == [
            (record.filename, record.sha256) for record in made
        ]
    status, _, content = shown(create_app(rebuilt).test_client(), made[0].image_path)
    assert (status, sha256(content).hexdigest()) == (200, made[0].sha256)
    assert cli.check(rebuilt).is_clean


def test_a_backup_has_what_oss_does_not_have_and_no_cache(
    machine: Harness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.make("狗")
    crash(machine, monkeypatch, where=machine.worker.outputs, name="upload")
    machine.settings.samples_dir.mkdir()
    assert cli.back_up(machine.settings, tmp_path / "copy") == 1
    assert (tmp_path / "copy/output" / SAVING / saving(machine)[0]).is_file()


def test_the_threads_of_a_worker_store_what_was_left(
    byte_machine: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    died = crash(byte_machine, monkeypatch, where=byte_machine.worker.outputs, name="upload")
    byte_machine.worker.start()
    try:
        wait_until(lambda: byte_machine.record(died.id).status is Status.SUCCESS)
    finally:
        assert byte_machine.worker.stop(10)


@pytest.mark.parametrize("values", [{"OUTPUT_STORE": "oss"}, {"OUTPUT_STORE": "nas"}])
def test_the_setting_needs_a_bucket(values: dict[str, str]) -> None:
    with pytest.raises(SettingError) as caught:
        read_settings(values)
    assert caught.value.variable == "OUTPUT_STORE"
    assert read_settings({}).output_store == "local"
