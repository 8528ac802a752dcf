"""``OUTPUT_STORE=oss``: machines that share a database and a bucket, each with its own OUTPUT_DIR."""

import io
import os
import re
import signal
import threading
import time
import zipfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from decimal import Decimal
from hashlib import sha256
from ipaddress import ip_network
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from flask.testing import FlaskClient
from PIL import Image

import database
from app import cli
from app.config import Settings, read_settings
from app.domain import BatchStatus, Record, SampleImage, Status
from app.errors import Billed, BucketError, DiskError, ModelError, NotFound, SettingError
from app.images import store
from app.library import outputs
from app.library.outputs import SAVING
from app.system import windows_files
from tests.harness import Harness, open_harness, restart_after_crash, running
from tests.specs import ANY
from tools import orders
from tools.fakes.clock import Clock
from tools.fakes.jimeng import FakeJimeng
from tools.fakes.oss import FakeOss
from tools.fakes.service import FakeService
from tools.marked_images import with_c2pa
from tools.waiting import TIMEOUT, wait_until
from web_app import create_app

PREFIX = "ai-images/output/"


class Machine(Harness):
    """A worker that stores its pictures in ``oss``."""

    def __init__(
        self, settings: Settings, service: FakeService, db: database.Connection, oss: FakeOss
    ) -> None:
        settings.output_dir.mkdir(exist_ok=True)
        fields = oss.settings(oss_output_prefix=PREFIX, output_store="oss")
        super().__init__(replace(settings, **service.settings(model_timeout=60), **fields), service, db)
        self.oss = oss

    def another(self) -> "Machine":
        """A machine with the same database, bucket and service, and empty folders."""
        folder = self.settings.output_dir.with_name("elsewhere")
        samples = folder.with_name("samples-elsewhere")
        settings = replace(self.settings, output_dir=folder, samples_dir=samples)
        return Machine(settings, self.service, self.db, self.oss)

    def pictures(self) -> list[str]:
        """The keys of the pictures in OSS."""
        return [key for key in self.oss.objects if not key.endswith((".webp", ".probe", ".txt"))]

    def stored(self) -> bytes:
        """The first of them."""
        return self.oss.objects[self.pictures()[0]].content

    def saving(self) -> list[Path]:
        """What OSS does not have yet."""
        return sorted((self.settings.output_dir / SAVING).glob("*"))

    def cached(self) -> list[Path]:
        return sorted((self.settings.output_dir / ".cache").glob("*"))

    def path(self, record: Record) -> Path:
        """The file of a finished record, from the cache or from OSS."""
        return self.runtime.outputs.path(record.filename)

    def limit(self, size: int) -> None:
        """Keep so many bytes in the cache."""
        self.runtime.outputs._limit = size

    def age(self) -> None:
        """No file was used for an hour."""
        for path in self.settings.output_dir.rglob("*"):
            os.utime(path, (path.stat().st_mtime - 3600, path.stat().st_mtime))

    def lose_oss(self) -> None:
        """OSS stops answering, and a call notices it."""
        self.oss.is_down = True
        path = self.settings.output_dir / "x.png"
        path.write_bytes(b"x")
        with pytest.raises(BucketError):
            self.runtime.outputs.upload(path, name="x.png", thumbnail=path)
        path.unlink()

    def die(self, where: object, name: str) -> Record:
        """A worker that crashes when it calls ``name``; its lease has expired."""
        died = self.crash(where, name)
        restart_after_crash(self)
        return died

    def die_before_upload(self) -> Record:
        return self.die(self.runtime.outputs, "upload")

    def adopt(self) -> bool:
        return self.maintenance.adopt_from_oss(self.db)

    def copy_output(self) -> bool:
        return self.maintenance.copy_output(self.db)

    def note_earlier_pictures(self) -> None:
        """As at a start."""
        self.maintenance.note_earlier_pictures(self.db)

    def empty_trash(self) -> int:
        return self.maintenance.empty_trash(self.db)


@pytest.fixture
def machine(settings: Settings, service: FakeJimeng, db: database.Connection, oss: FakeOss) -> Machine:
    return Machine(settings, service, db, oss)


@pytest.fixture
def byte_machine(byte_harness: Harness, oss: FakeOss) -> Machine:
    """One with a service that returns the image itself, without a task id."""
    return Machine(byte_harness.settings, byte_harness.service, byte_harness.db, oss)


@pytest.fixture(params=["machine", "byte_machine"])
def either(request: pytest.FixtureRequest) -> Machine:
    made: Machine = request.getfixturevalue(request.param)
    return made


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outputs, "_PROBE_SECONDS", 0.0)
    monkeypatch.setattr(outputs, "_PATIENCE_SECONDS", 0.0)
    monkeypatch.setattr(outputs, "_KEPT_FREE", 0)


def shown(client: FlaskClient, url: str, **headers: str) -> tuple[int, str, bytes]:
    """Status, type and content of an answer."""
    with client.get(url, headers=headers, buffered=True) as answer:
        return answer.status_code, answer.mimetype or "", answer.data


def test_a_record_succeeds_when_oss_has_its_picture(machine: Machine) -> None:
    statuses: list[Status] = []

    def look() -> None:
        with closing(database.connect(machine.settings.database)) as db:
            statuses.append(database.get_record(db, 1).status)

    machine.oss.before_next("put", look)
    record = machine.make("猫")
    assert (statuses, record.status) == ([Status.RUNNING], Status.SUCCESS)
    (key,) = machine.pictures()
    assert key == f"{PREFIX}猫-{record.sha256[:12]}.{record.filename[-3:]}"
    assert database.find_output_copy(machine.db, record.filename) == key
    assert set(machine.oss.objects) == {key, f"{PREFIX}.thumbnails/{key.removeprefix(PREFIX)}.webp"}
    assert (machine.saving(), machine.files(), len(machine.cached())) == ([], [], 1)
    assert machine.cached()[0].read_bytes() == machine.oss.objects[key].content


def test_an_outage_pauses_and_the_picture_is_stored_afterwards_without_a_second_order(
    either: Machine,
) -> None:
    either.oss.fail_next("reset", operation="put")
    batch_id, ids = either.ask("猫", "狗")
    assert either.step()
    batch = either.batch(batch_id)
    assert (batch.status, "连不上 OSS" in str(batch.paused_reason)) == (BatchStatus.PAUSED, True)
    assert (either.record(ids[0]).status, len(either.pictures())) == (Status.SUCCESS, 1)
    assert (len(either.service.submissions), either.outcomes()) == (1, ["billed"])


def test_a_picture_that_waits_for_oss_pauses_its_batch_once(
    byte_machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses, pause = list[str](), database.pause_batch

    def pause_batch(db: database.Connection, batch_id: str, *args: Any, **fields: Any) -> None:
        pauses.append(batch_id)
        pause(db, batch_id, *args, **fields)

    monkeypatch.setattr(database, "pause_batch", pause_batch)
    byte_machine.oss.fail_next("reset", operation="put", times=4)
    batch_id, ids = byte_machine.ask("猫")
    assert byte_machine.step()
    assert (byte_machine.record(ids[0]).status, pauses) == (Status.SUCCESS, [batch_id])


@pytest.mark.sqlite
def test_an_upload_is_given_up_after_a_while_only_if_the_picture_can_be_fetched_again(
    either: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.worker.saving._RETRY_SECONDS", -1.0)
    either.oss.fail_next("reset", operation="put")
    batch_id, ids = either.ask("猫")
    assert either.step()
    if isinstance(either.service, FakeJimeng):
        assert either.record(ids[0]).status is Status.QUEUED
        assert len(either.saving()) == 1
        either.resume(batch_id)
        assert either.step()
    assert (either.record(ids[0]).status, either.saving()) == (Status.SUCCESS, [])
    assert (len(either.service.submissions), either.outcomes()) == (1, ["billed"])


@pytest.mark.sqlite
def test_nothing_is_ordered_while_oss_is_lost(machine: Machine) -> None:
    machine.lose_oss()
    batch_id, ids = machine.ask("猫")
    machine.step()
    batch = machine.batch(batch_id)
    assert (batch.status, "连不上 OSS" in str(batch.paused_reason)) == (BatchStatus.PAUSED, True)
    client = machine.client()
    health = client.get("/healthz").get_json()
    assert (health["oss"], "OSS" in health["error"]) == (False, True)
    assert 'data-state="oss_lost"' in client.get("/live/status").text
    resumed = client.post(f"/api/batches/{batch_id}/resume")
    assert (resumed.status_code, "OSS" in resumed.get_json()["error"]) == (409, True)
    assert (machine.service.submissions, machine.outcomes()) == ([], [])
    machine.oss.is_down = False
    assert client.post(f"/api/batches/{batch_id}/resume").status_code == 200
    machine.step()
    assert machine.record(ids[0]).status is Status.SUCCESS
    assert client.get("/healthz").get_json()["oss"]


def test_a_failed_call_alone_pauses_nothing(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.lose_oss()
    machine.oss.is_down = False
    assert machine.make("猫").status is Status.SUCCESS
    monkeypatch.setattr(outputs, "_PATIENCE_SECONDS", 3600.0)
    machine.oss.fail_next("reset", operation="put")
    batch_id, ids = machine.ask("狗", "鸟")
    assert machine.step()
    assert machine.record(ids[0]).status is Status.SUCCESS
    assert machine.batch(batch_id).status is BatchStatus.RUNNING


def test_a_bucket_that_takes_no_uploads_pauses_orders_although_it_can_be_read(machine: Machine) -> None:
    record = machine.make("猫")
    machine.oss.denied.add("put")
    machine.lose_oss()
    machine.oss.is_down = False
    assert "PutObject" in str(machine.runtime.outputs.check())
    machine.cached()[0].unlink()
    assert machine.path(record)
    _, ids = machine.ask("狗")
    machine.step()
    assert (machine.record(ids[0]).status, len(machine.service.submissions)) == (Status.QUEUED, 1)


def test_after_a_crash_before_finishing_another_machine_adopts_the_picture_from_oss(machine: Machine) -> None:
    died = machine.die(database, "finish_record")
    other, calls = machine.another(), len(machine.service.calls)
    assert other.step()
    record = other.record(died.id)
    assert (record.status, record.sha256) == (Status.SUCCESS, store.sha256_of(machine.saving()[0]))
    assert (record.width, record.marks) == (2048, machine.record(died.id).marks)
    assert len(other.service.calls) == calls
    assert (len(machine.pictures()), other.outcomes()) == (1, ["billed"])


def test_a_restored_batch_orders_only_what_oss_does_not_have(machine: Machine) -> None:
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
    other = machine.another()
    other.resume(batch_id)
    lists = machine.oss.count("list")
    for _ in ids:
        assert other.step()
    assert other.statuses(ids) == [Status.SUCCESS] * 3
    assert [order.body["prompt"] for order in machine.service.submissions] == ["猫", "狗", "鸟"]
    assert machine.oss.count("list") == lists + 3
    other.make("山")
    assert machine.oss.count("list") == lists + 3


def test_a_picture_that_was_uploaded_before_a_crash_is_never_unknown(byte_machine: Machine) -> None:
    died = byte_machine.die(database, "finish_record")
    other = byte_machine.another()
    other.adopt()
    assert (other.record(died.id).status, other.outcomes()) == (Status.SUCCESS, ["billed"])
    byte_machine.adopt()
    assert (byte_machine.saving(), len(byte_machine.cached())) == ([], 1)


def test_another_image_of_a_finished_record_does_not_replace_the_one_in_oss(machine: Machine) -> None:
    record, other = machine.make("猫"), machine.another()
    left = other.settings.output_dir / SAVING / f"{record.id}.png"
    left.parent.mkdir()
    left.write_bytes(b"made too, by a machine that lost its lease")
    assert other.adopt()
    assert shown(other.client(), record.image_path)[2] == machine.stored()
    assert left.is_file()


def test_a_picture_that_is_finished_while_it_is_adopted_disturbs_nothing(
    byte_machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lease of a record under way expires while PostgreSQL is away; its own thread may be faster."""
    died = byte_machine.die(database, "finish_record")
    other, upload = byte_machine.another(), byte_machine.runtime.outputs.upload

    def overtaken(*args: Any, **options: Any) -> str:
        other.adopt()
        byte_machine.saving()[0].unlink()
        return upload(*args, **options)

    monkeypatch.setattr(byte_machine.runtime.outputs, "upload", overtaken)
    assert byte_machine.adopt()
    assert (byte_machine.record(died.id).status, byte_machine.outcomes()) == (Status.SUCCESS, ["billed"])


def test_nothing_is_decided_on_an_expired_lease_while_oss_is_lost(byte_machine: Machine) -> None:
    died = byte_machine.die(database, "finish_record")
    other = byte_machine.another()
    assert not other.worker._extend_leases(other.db)  # which must not wait for OSS
    assert byte_machine.oss.count("list") == 0
    byte_machine.oss.is_down = True
    assert not other.adopt()
    assert other.record(died.id).status is Status.RUNNING
    byte_machine.oss.is_down = False
    assert other.adopt()
    assert other.record(died.id).status is Status.SUCCESS


def test_a_record_without_a_task_is_not_ordered_again_while_oss_cannot_be_asked(
    byte_machine: Machine,
) -> None:
    died = byte_machine.die_before_upload()
    other = byte_machine.another()
    other.reap()
    assert other.record(died.id).status is Status.UNKNOWN
    models = other.runtime.engines.models
    orders.retry(other.db, died.batch_id or "", [died.id], models=models)
    byte_machine.oss.fail_next("reset", operation="list", times=3)
    other.step()
    assert (other.record(died.id).status, len(other.service.submissions)) == (Status.QUEUED, 1)


def test_a_picture_that_only_a_crashed_machine_has_is_stored_when_it_starts_again(
    byte_machine: Machine,
) -> None:
    died = byte_machine.die_before_upload()
    other = byte_machine.another()
    other.adopt()
    assert (other.record(died.id).status, other.outcomes()) == (Status.UNKNOWN, ["unknown"])
    byte_machine.adopt()
    assert (other.record(died.id).status, other.outcomes()) == (Status.SUCCESS, ["billed"])
    assert (len(byte_machine.pictures()), byte_machine.saving()) == (1, [])
    assert len(byte_machine.service.submissions) == 1


@pytest.mark.parametrize("billed", [True, False])
def test_a_picture_that_was_written_off_is_stored_when_its_machine_starts_again(
    byte_machine: Machine, billed: bool
) -> None:
    died = byte_machine.die_before_upload()
    other = byte_machine.another()
    other.adopt()
    undo = database.resolve_charges(other.db, [died.id], billed=billed).undo
    assert other.record(died.id).status is Status.CANCELLED
    byte_machine.adopt()
    assert database.undo_resolution(other.db, undo) == 0
    assert (other.record(died.id).status, other.outcomes()) == (Status.SUCCESS, ["billed"])
    assert byte_machine.saving() == []


def test_a_file_that_is_not_the_picture_of_its_record_is_kept_and_compared_once(
    byte_machine: Machine,
) -> None:
    died = byte_machine.die_before_upload()
    byte_machine.another().adopt()
    byte_machine.db.execute("UPDATE generation_records SET prompt = '狗'")
    calls = byte_machine.oss.count("list")
    for _ in range(3):
        byte_machine.adopt()
    assert byte_machine.oss.count("list") == calls + 1
    assert (byte_machine.record(died.id).status, len(byte_machine.saving())) == (Status.UNKNOWN, 1)


def test_a_picture_is_not_lost_when_its_task_expires_before_its_machine_starts_again(
    machine: Machine,
) -> None:
    died = machine.die_before_upload()
    other = machine.another()
    record = database.claim_record(other.db, model=died.model, owner="b", now=time.time(), lease=12.0)
    assert record
    expired = ModelError("结果已过期", cause="expired", billed=Billed.YES)
    assert database.fail_record(other.db, record, expired)
    machine.adopt()
    after = machine.record(died.id)
    assert (after.status, machine.outcomes(), after.cost) == (Status.SUCCESS, ["billed"], Decimal("0.22"))
    assert len(machine.service.submissions) == 1


def test_a_worker_that_stops_during_an_outage_leaves_the_picture_to_its_next_start(either: Machine) -> None:
    either.oss.denied.add("put")
    _, ids = either.ask("猫")
    stopping = either.runtime.outputs.upload

    def stop(path: Path, **names: object) -> str:
        either.runtime.stop(0.0)
        return stopping(path, **names)  # type: ignore[arg-type]

    either.runtime.outputs.upload = stop  # type: ignore[method-assign]
    either.step()
    record, has_task = either.record(ids[0]), isinstance(either.service, FakeJimeng)
    assert record.status is (Status.QUEUED if has_task else Status.UNKNOWN)
    assert (bool(record.task_id), len(either.saving())) == (has_task, 1)
    either.oss.denied.clear()
    either.restart()
    if has_task:
        either.resume(record.batch_id)
        either.hurry()
        either.step()
    either.adopt()
    assert either.record(ids[0]).status is Status.SUCCESS
    assert (len(either.service.submissions), either.outcomes()) == (1, ["billed"])


def test_a_picture_of_another_installation_under_the_same_name_is_not_adopted(byte_machine: Machine) -> None:
    byte_machine.make("狗")
    content = byte_machine.stored()  # of another record, as one of another installation is
    for name in (sha256(content).hexdigest()[:12], "0123456789ab", "2-0123456789ab"):
        byte_machine.oss.put(f"{PREFIX}猫-{name}.png", content)
    died = byte_machine.die_before_upload()
    other = byte_machine.another()
    other.reap()
    assert other.record(died.id).status is Status.UNKNOWN
    assert byte_machine.oss.count("get") == 2  # not of 猫-2


def test_the_name_is_the_reserved_one_and_a_file_of_the_folder_is_neither_touched_nor_shown(
    machine: Machine,
) -> None:
    _, ids = machine.ask("猫")
    own = machine.settings.output_dir / "猫.png"
    own.write_bytes(b"somebody else's")
    machine.step()
    record = machine.record(ids[0])
    assert (record.filename, own.read_bytes()) == ("猫.png", b"somebody else's")
    elsewhere = machine.another()
    theirs = elsewhere.settings.output_dir / "猫.png"
    theirs.write_bytes(b"another one")
    for each in (machine, elsewhere):
        assert shown(each.client(), "/output/猫.png")[2] == machine.stored()
    assert theirs.read_bytes() == b"another one"
    machine.runtime.outputs.delete(record.id, record.filename)
    assert (own.exists(), machine.pictures()) == (True, [])


@pytest.mark.sqlite
def test_pages_show_pictures_on_a_machine_that_never_had_them(machine: Machine) -> None:
    record = machine.make("猫")
    other = machine.another()
    client = other.client()
    content = machine.stored()
    gets = machine.oss.count("get")
    status, kind, small = shown(client, f"/thumbnails/{record.id}")
    assert (status, kind, small[8:12]) == (200, "image/webp", b"WEBP")
    for _ in range(2):
        assert shown(client, record.image_path) == (200, "image/png", content)
    assert machine.oss.count("get") - gets == 2
    assert client.get("/records").status_code == 200


IN_PAGE = {"Accept": "image/avif,image/webp,*/*;q=0.8"}
BY_HTTPS = {**IN_PAGE, "X-Forwarded-Proto": "https"}
ADDRESSES = ("/output/{}", "/thumbnails/1", "/thumbnails/1?side=800")


@pytest.mark.sqlite
def test_a_page_loads_from_oss_for_minutes_what_this_machine_has_not_and_only_who_is_logged_in(
    machine: Machine, clock: Clock
) -> None:
    record, other = machine.make("猫"), machine.another()
    other.restart(access_password="开门")
    client, gets = other.client(), machine.oss.count("get")
    urls = [each.format(record.filename) for each in ADDRESSES]
    assert {client.get(url, headers=IN_PAGE).location.partition("?")[0] for url in urls} == {"/login"}
    client.post("/login", data={"password": "开门"})
    answers = [client.get(url, headers=IN_PAGE) for url in urls]
    assert {each.headers["Cache-Control"] for each in answers} == {"private, max-age=300"}
    assert all("Accept" in each.vary for each in answers)  # a download of the same URL is another answer
    whole, small, large = (requests.get(each.location, timeout=TIMEOUT) for each in answers)
    assert whole.content == machine.stored()
    assert [Image.open(io.BytesIO(each.content)).size for each in (small, large)] == [(320, 320), (800, 800)]
    assert (machine.oss.count("get") - gets, other.cached()) == (0, [])
    clock.sleep(601)
    assert requests.get(answers[0].location, timeout=TIMEOUT).status_code == 403
    assert shown(client, urls[0]) == (200, "image/png", machine.stored())  # a download keeps its name
    assert shown(client, urls[0], **IN_PAGE)[0] == 200  # now it is here


@pytest.mark.sqlite
@pytest.mark.parametrize(
    ("endpoint", "public_url", "headers", "status"),
    [
        ("oss-cn-hangzhou.aliyuncs.com", "", BY_HTTPS, 302),
        ("http://oss-cn-hangzhou.aliyuncs.com", "", IN_PAGE, 302),
        ("http://oss-cn-hangzhou.aliyuncs.com", "", BY_HTTPS, 502),
        ("oss-cn-hangzhou-internal.aliyuncs.com", "", IN_PAGE, 502),
        ("oss-cn-hangzhou-internal.aliyuncs.com", "https://img.example.com", IN_PAGE, 302),
    ],
)
def test_a_page_loads_from_a_bucket_only_where_its_browser_may_and_can(
    machine: Machine, endpoint: str, public_url: str, headers: dict[str, str], status: int
) -> None:
    record, other = machine.make("猫"), machine.another()
    proxies = (ip_network("127.0.0.1"),)
    other.restart(oss_endpoint=endpoint, oss_public_url=public_url, trusted_proxies=proxies)
    client = other.client()
    answer = client.get(record.image_path, headers=headers)
    assert answer.status_code == status  # 502: the bytes are asked for here, where no OSS is
    if status == 302:
        policy = client.get("/login").headers["Content-Security-Policy"]
        parts = urlsplit(answer.location)
        assert {"https:", f"{parts.scheme}://{parts.netloc}"} & set(re.split(r"[ ;]", policy))


def test_a_thumbnail_that_oss_lacks_is_made_again(machine: Machine) -> None:
    record = machine.make("猫")
    thumbnail = next(key for key in machine.oss.objects if key.endswith(".webp"))
    del machine.oss.objects[thumbnail]
    machine.oss.fail_next("denied", operation="get", times=1)
    found = machine.another().runtime.outputs.thumbnail(record.id, record.filename)
    assert found.read_bytes()[8:12] == b"WEBP"


@pytest.mark.sqlite
def test_zip_and_workbook_are_whole_on_a_machine_that_never_had_the_pictures(machine: Machine) -> None:
    batch_id, ids = machine.ask("猫", "狗", "鸟")
    machine.run()
    other = machine.another()
    client = other.client()
    answer = client.get(f"/api/records/archive.zip?ids={','.join(map(str, ids))}", buffered=True)
    with zipfile.ZipFile(io.BytesIO(answer.data)) as bundle:
        inside = {bundle.read(name) for name in bundle.namelist() if name.endswith(".png")}
        assert inside == {machine.oss.objects[key].content for key in machine.pictures()}
        assert len(bundle.namelist()) == 4  # and the workbook
    workbook = client.get(f"/api/batches/{batch_id}/results.xlsx", buffered=True).data
    with zipfile.ZipFile(io.BytesIO(workbook)) as parts:
        assert sum(name.startswith("xl/media/") for name in parts.namelist()) == 3


@pytest.mark.sqlite
def test_the_pictures_of_a_zip_are_read_from_oss_several_at_a_time(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, ids = machine.ask("猫", "狗", "鸟", "鱼")
    machine.run()
    other = machine.another()
    together, read = threading.Barrier(4), other.runtime.outputs.read

    def read_together(name: str, key: str) -> bytes:
        together.wait(TIMEOUT)
        return read(name, key)

    monkeypatch.setattr(other.runtime.outputs, "read", read_together)
    url = f"/api/records/archive.zip?ids={','.join(map(str, ids))}"
    with zipfile.ZipFile(io.BytesIO(shown(other.client(), url)[2])) as bundle:
        assert len(bundle.namelist()) == 5  # and the workbook


def test_a_picture_is_used_as_a_reference_on_a_machine_that_never_had_it(machine: Machine) -> None:
    record = machine.make("猫")
    library = machine.another().runtime.library
    image = SampleImage(url=record.image_path, filename=record.filename)
    gets = machine.oss.count("get")
    assert library.facts([image])[image.url].size == record.file_size
    assert library.identify([image])[image].sha256 == record.sha256[:12]
    assert machine.oss.count("get") == gets
    (reference,) = library.resolve([image], ANY)
    assert reference.content == machine.stored()


def test_references_of_many_rows_are_looked_up_over_one_connection(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = [machine.make(prompt) for prompt in ("猫", "狗", "鸟")]
    opened, connect = list[database.Target](), database.connect

    def count(target: database.Target, **options: Any) -> database.Connection:
        opened.append(target)
        return connect(target, **options)

    monkeypatch.setattr("app.engine.pool.connect", count)
    images = [SampleImage(url=each.image_path, filename=each.filename) for each in records]
    with machine.runtime.pool.keep_open():
        facts = machine.runtime.library.facts(images)
    assert [facts[each.image_path].size for each in records] == [each.file_size for each in records]
    assert len(opened) == 1


@pytest.mark.sqlite
def test_a_picture_that_oss_lacks_is_missing_and_an_outage_says_so(machine: Machine) -> None:
    record = machine.make("猫")
    client = machine.another().client()
    machine.oss.is_down = True
    answer = client.get(record.image_path)
    assert (answer.status_code, "OSS" in answer.get_json()["error"]) == (502, True)
    machine.oss.is_down = False
    stored = machine.oss.objects.pop(machine.pictures()[0])
    assert client.get(record.image_path).status_code == 404
    machine.oss.put(database.find_output_copy(machine.db, record.filename), stored.content[:-1])
    assert client.get(record.image_path).status_code == 502


def test_just_after_a_call_failed_no_page_waits_for_oss(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = machine.make("猫")
    client = machine.another().client()
    monkeypatch.setattr(outputs, "_PROBE_SECONDS", 3600.0)
    machine.oss.is_down = True
    assert client.get(record.image_path).status_code == 502
    asked = machine.oss.count("get")
    assert client.get(record.image_path).status_code == 502
    assert machine.oss.count("get") == asked


def test_a_process_that_serves_pages_notices_that_oss_is_back(machine: Machine) -> None:
    machine.restart(role="web")
    machine.lose_oss()
    assert machine.runtime.outputs.problem()
    machine.oss.is_down = False
    with running(machine.runtime):
        wait_until(lambda: not machine.runtime.outputs.problem())


def test_a_download_that_is_cut_off_leaves_no_file(machine: Machine) -> None:
    record = machine.make("猫")
    other = machine.another()
    machine.oss.fail_next("cut", operation="get", times=3)
    with pytest.raises(BucketError):
        other.path(record)
    assert list(other.settings.output_dir.rglob("*.png")) == []


@pytest.mark.sqlite
@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks a process and kills it")
def test_a_process_killed_while_it_writes_a_download_leaves_no_half_file(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = machine.make("猫")
    other = machine.another()
    child = os.fork()
    if child == 0:  # killed when the content is written, before the file has its name
        monkeypatch.setattr(windows_files, "replace", lambda *_: os.kill(os.getpid(), signal.SIGKILL))
        other.path(record)
        os._exit(0)
    assert os.waitpid(child, 0)[1] == signal.SIGKILL
    assert other.cached() == []
    assert len(list(other.settings.output_dir.glob(".*.part"))) == 1
    assert store.sha256_of(other.path(record)) == record.sha256
    assert other.maintenance.remove_part_files()


def use_order(machine: Machine, records: list[Record]) -> dict[int, Path]:
    """The cached files, used in this order, an hour apart."""
    paths = {record.id: machine.path(record) for record in records}
    for age, path in zip(range(len(records), 0, -1), paths.values(), strict=True):
        os.utime(path, (path.stat().st_mtime - 3600 * age, path.stat().st_mtime))
    return paths


@pytest.mark.sqlite
def test_the_cache_is_bounded_and_what_was_not_used_for_longest_goes_first(machine: Machine) -> None:
    records = [machine.make(prompt) for prompt in ("一", "二", "三", "四")]
    paths = use_order(machine, records)
    machine.path(records[0])  # so that it is the latest used
    total = sum(path.stat().st_size for path in machine.settings.output_dir.rglob("*") if path.is_file())
    machine.restart(output_cache_gb=(total - 1) / 10**9)
    machine.runtime.outputs.evict()
    assert [path.exists() for path in paths.values()] == [True, False, True, True]
    again = machine.path(records[1])
    assert store.sha256_of(again) == records[1].sha256


@pytest.mark.sqlite
@pytest.mark.parametrize("reason", ["beyond the limit", "little space left"])
def test_writing_beyond_the_limit_or_to_a_disk_with_little_space_left_evicts(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, reason: str
) -> None:
    (path,) = use_order(machine, [machine.make("一")]).values()
    assert machine.settings.output_cache_gb is None
    assert machine.make("二").status is Status.SUCCESS
    assert path.exists()
    if reason == "beyond the limit":
        machine.limit(path.stat().st_size + 100)
    else:
        monkeypatch.setattr(outputs, "_KEPT_FREE", 10**18)
    assert machine.make("三").status is Status.SUCCESS
    assert not path.exists()


@pytest.mark.sqlite
def test_what_oss_does_not_have_and_files_of_others_are_never_evicted(machine: Machine) -> None:
    machine.die_before_upload()
    folder = machine.settings.output_dir
    kept = [folder / name for name in ("自己的.png", ".0123456789abcdef.part", "unopened/1.heic")]
    for path in kept:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x")
    machine.limit(0)
    machine.age()
    machine.runtime.outputs.evict()
    assert all(path.exists() for path in kept)
    assert len(machine.saving()) == 1


@pytest.fixture
def emptied(machine: Machine) -> Record:
    """A record whose time in the trash is over."""
    record = machine.make("猫")
    database.delete_records(machine.db, [record.id])
    machine.db.execute("UPDATE generation_records SET deleted_at = '2020-01-01 00:00:00'")
    return record


def test_emptying_the_trash_deletes_its_objects_and_no_others(machine: Machine, emptied: Record) -> None:
    machine.oss.put(f"{PREFIX}猫-0123456789ab.png", b"of another installation")
    assert machine.another().empty_trash() == 1
    assert list(machine.oss.objects) == [f"{PREFIX}猫-0123456789ab.png"]
    assert database.get_record_or_none(machine.db, emptied.id) is None


def test_during_an_outage_the_trash_waits(machine: Machine, emptied: Record) -> None:
    assert len(machine.cached()) == 1
    machine.oss.is_down = True
    assert machine.empty_trash() == 0
    with pytest.raises(DiskError):
        machine.runtime.outputs.delete(emptied.id, emptied.filename)
    machine.oss.is_down = False
    machine.runtime.outputs.check()
    assert (machine.empty_trash(), machine.pictures()) == (1, [])
    assert [path for path in machine.settings.output_dir.rglob("*") if path.is_file()] == []


@pytest.fixture
def before_and_after(
    settings: Settings, service: FakeJimeng, db: database.Connection, oss: FakeOss
) -> Machine:
    """A machine that has one picture from before OUTPUT_STORE was set."""
    local = open_harness(settings, service, db, model_timeout=60)
    local.make("猫")
    return Machine(settings, service, db, oss)


def test_earlier_pictures_are_copied_and_then_part_of_the_cache(before_and_after: Machine) -> None:
    machine, record = before_and_after, before_and_after.record(1)
    client = machine.client()
    assert shown(client, record.image_path)[0] == 200
    machine.limit(0)
    machine.age()
    machine.runtime.outputs.evict()
    assert machine.files() == [record.filename]
    machine.note_earlier_pictures()
    assert machine.copy_output()
    assert (machine.files(), len(machine.cached())) == ([], 1)
    machine.age()
    machine.runtime.outputs.evict()
    assert machine.cached() == []
    assert shown(client, record.image_path)[2] == machine.stored()


def test_a_machine_without_the_earlier_pictures_does_not_give_them_up(before_and_after: Machine) -> None:
    machine, other = before_and_after, before_and_after.another()
    other.note_earlier_pictures()
    assert not other.copy_output()
    with pytest.raises(NotFound):
        other.runtime.outputs.path("猫.png")
    (other.settings.output_dir / "自己的.png").write_bytes(b"x")
    assert other.copy_output()
    assert not machine.copy_output()  # not yet
    machine.note_earlier_pictures()  # as after a start
    assert machine.copy_output()
    assert other.runtime.outputs.path("猫.png").is_file()


@pytest.fixture
def copied_before(settings: Settings, service: FakeJimeng, db: database.Connection, oss: FakeOss) -> Machine:
    """A machine that has one picture, whose copy was in OSS before OUTPUT_STORE was set."""
    local = replace(settings, **oss.settings(oss_output_prefix=PREFIX))
    machine = open_harness(local, service, db, model_timeout=60)
    machine.make("猫")
    assert machine.maintenance.copy_output(db)
    assert len(machine.files()) == 1
    return Machine(settings, service, db, oss)


def test_an_earlier_picture_that_oss_has_is_used_where_it_is(copied_before: Machine) -> None:
    path = copied_before.settings.output_dir / "猫.png"
    assert copied_before.runtime.outputs.path("猫.png") == path
    path.write_bytes(b"not what was copied")
    assert [copied_before.runtime.outputs.path("猫.png")] == copied_before.cached()
    assert path.exists()


def test_earlier_pictures_that_oss_has_move_to_the_cache_at_the_start(copied_before: Machine) -> None:
    machine, path = copied_before, copied_before.settings.output_dir / "猫.png"
    (key,) = machine.pictures()
    stored = machine.oss.objects.pop(key)
    assert machine.maintenance.settle_earlier_pictures(machine.db)
    assert (path.exists(), machine.cached()) == (True, [])
    machine.oss.put(key, stored.content)
    machine.oss.fail_next("reset", operation="list", times=3)
    assert not machine.maintenance.settle_earlier_pictures(machine.db)
    assert machine.maintenance.settle_earlier_pictures(machine.db)
    assert (path.exists(), len(machine.cached())) == (False, 1)


def test_the_check_compares_records_with_the_bucket(machine: Machine) -> None:
    for prompt in ("猫", "狗", "鸟"):
        machine.make(prompt)
    other = machine.another()
    assert cli.check(other.settings).is_clean
    cat, dog, _ = machine.pictures()
    machine.oss.objects[cat].content += b"x"
    del machine.oss.objects[dog]
    machine.oss.put(f"{PREFIX}山-0123456789ab.png", b"without a record")
    report = cli.check(other.settings)
    assert [stored.key for stored in report.altered] == [cat]
    assert [stored.key for stored in report.missing] == [dog]
    assert report.orphaned == [f"{PREFIX}山-0123456789ab.png"]


def test_a_picture_that_is_made_during_the_check_is_not_missing(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine.make("猫")
    list_stored_files = database.list_stored_files

    def make_and_list(db: database.Connection) -> Iterator[database.StoredFile]:
        machine.make("狗")
        return list_stored_files(db)

    monkeypatch.setattr(database, "list_stored_files", make_and_list)
    report = cli.check(machine.another().settings)
    assert (report.records, report.is_clean) == (2, True)


def test_an_earlier_picture_that_is_not_copied_yet_is_not_missing(before_and_after: Machine) -> None:
    before_and_after.note_earlier_pictures()
    assert cli.check(before_and_after.settings).is_clean
    assert len(cli.check(before_and_after.another().settings).missing) == 1


@pytest.fixture
def _signs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures have a C2PA manifest."""
    monkeypatch.setattr(FakeService, "image_of", lambda _service, _order: with_c2pa("png"))


@pytest.mark.usefixtures("_signs")
def test_another_machine_adopts_a_picture_with_a_c2pa_manifest_by_what_oss_has_beside_it(
    byte_machine: Machine, tmp_path: Path
) -> None:
    died = byte_machine.die(database, "finish_record")
    other = byte_machine.another()
    other.adopt()
    record = other.record(died.id)
    assert (record.status, record.marks["c2pa"], other.outcomes()) == (Status.SUCCESS, True, ["billed"])
    form = {"file": (io.BytesIO(byte_machine.stored()), "copied.png")}
    found = other.client().post("/api/records/find-by-file", data=form).json
    assert found
    assert (found["record"]["id"], found["parameters"]["prompt"]) == (record.id, record.prompt)
    byte_machine.adopt()
    assert [path for path in (byte_machine.settings.output_dir / SAVING).rglob("*") if path.is_file()] == []
    assert cli.check(other.settings).is_clean
    assert cli.rebuild(other.settings, tmp_path / "rebuilt.db") == (1, [])
    database.delete_records(other.db, [record.id])
    other.db.execute("UPDATE generation_records SET deleted_at = '2020-01-01 00:00:00'")
    assert (other.empty_trash(), [key for key in other.oss.objects if key != f"{PREFIX}.probe"]) == (1, [])


@pytest.mark.usefixtures("_signs")
def test_what_lies_beside_an_earlier_picture_is_copied_with_it(before_and_after: Machine) -> None:
    machine = before_and_after
    machine.note_earlier_pictures()
    assert machine.copy_output()
    (text,) = machine.another().runtime.outputs.texts(machine.stored())
    assert machine.record(1).prompt in text


@pytest.mark.sqlite
def test_the_database_is_rebuilt_from_the_bucket(machine: Machine, tmp_path: Path) -> None:
    made = [machine.make(prompt) for prompt in ("猫", "狗")]
    target = tmp_path / "rebuilt.db"
    settings = machine.another().settings
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


def test_a_backup_has_what_oss_does_not_have_and_no_cache(machine: Machine, tmp_path: Path) -> None:
    machine.make("狗")
    machine.die_before_upload()
    machine.settings.samples_dir.mkdir()
    assert cli.back_up(machine.settings, tmp_path / "copy") == 1
    assert (tmp_path / "copy/output" / SAVING / machine.saving()[0]).is_file()


def test_the_threads_of_a_worker_store_what_was_left(byte_machine: Machine) -> None:
    died = byte_machine.die_before_upload()
    with running(byte_machine.runtime):
        wait_until(lambda: byte_machine.record(died.id).status is Status.SUCCESS)


@pytest.mark.parametrize("values", [{"OUTPUT_STORE": "oss"}, {"OUTPUT_STORE": "nas"}])
def test_the_setting_needs_a_bucket(values: dict[str, str]) -> None:
    with pytest.raises(SettingError) as caught:
        read_settings(values)
    assert caught.value.variable == "OUTPUT_STORE"
    assert read_settings({}).output_store == "local"
