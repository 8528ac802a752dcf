"""The worker, turn by turn against the fake Jimeng: every outcome and its charge."""

import itertools
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from decimal import Decimal
from typing import Any, NoReturn

import pytest

import database
import generator
from app.config import Settings
from app.domain import ASPECT_RATIOS, RESOLUTIONS, BatchStatus, ImageRequest, Record, SampleImage, Status
from app.errors import Billed, DatabaseError, DiskError, ModelError, StorageError
from app.images import metadata, store
from app.images.filenames import is_taken, stem_from_prompt
from app.worker.concurrency import AdaptiveLimit
from app.worker.disk_space import DiskSpace
from app.worker.pipeline import MAX_RETRIES, seconds_before_retry
from app.worker.worker import Worker
from tests.fakes.jimeng import FakeJimeng
from tests.fakes.openai_images import FakeOpenAIImages
from tests.fakes.service import Call, FakeService
from tests.waiting import wait_until


class Studio:
    """A worker with a fake service, and what tests ask of both."""

    def __init__(self, settings: Settings, service: FakeService, db: database.Connection) -> None:
        self.settings = settings
        self.service = service
        self.db = db
        self.restart()

    def restart(self, *, disk: DiskSpace | None = None, **changes: Any) -> None:
        """A new worker with changed settings or another disk."""
        settings = replace(self.settings, **changes)
        self.worker = Worker(settings, generator.open_provider(settings), disk=disk)

    def ask(self, *prompts: str, **fields: object) -> tuple[str, list[int]]:
        requests = [ImageRequest(prompt=prompt, **fields) for prompt in prompts]  # type: ignore[arg-type]
        return database.add_batch(
            self.db,
            requests,
            spec=self.worker.model.spec,
            stems=[stem_from_prompt(prompt) for prompt in prompts],
            is_taken=lambda stem: is_taken(self.settings.output_dir, stem),
        )

    def step(self) -> bool:
        return self.worker.run_once(self.db)

    def record(self, record_id: int) -> Record:
        return database.get_record(self.db, record_id)

    def make(self, prompt: str, **fields: object) -> Record:
        _, ids = self.ask(prompt, **fields)
        assert self.step()
        return self.record(ids[0])

    def make_too_slowly(self, prompt: str) -> Record:
        """A record that times out, whose task is finished later."""
        self.restart(model_timeout=2)
        self.service.latency = 60.0
        record = self.make(prompt)
        self.service.latency = 0.0
        return record

    def hurry(self) -> None:
        """Start delayed retries now."""
        self.db.execute("UPDATE generation_records SET not_before = 0")

    def outcomes(self) -> list[str]:
        return [row["outcome"] for row in self.db.execute("SELECT outcome FROM charges ORDER BY id")]

    def files(self) -> list[str]:
        return sorted(path.name for path in self.settings.output_dir.glob("*") if path.is_file())


@pytest.fixture
def service() -> Iterator[FakeJimeng]:
    with FakeJimeng() as fake:
        yield fake


@pytest.fixture
def studio(settings: Settings, service: FakeJimeng, db: database.Connection) -> Studio:
    settings.output_dir.mkdir()
    return Studio(replace(settings, **service.settings(model_timeout=60)), service, db)


@pytest.fixture
def byte_studio(settings: Settings, db: database.Connection) -> Iterator[Studio]:
    """A worker with a service that returns the image itself, without a task id."""
    settings.output_dir.mkdir()
    with FakeOpenAIImages() as fake:
        yield Studio(replace(settings, **fake.settings(model_timeout=3)), fake, db)


def test_images_of_all_ratios_and_resolutions_are_saved_and_charged_once(studio: Studio) -> None:
    wanted = [(ratio, resolution) for ratio in ASPECT_RATIOS for resolution in RESOLUTIONS]
    for ratio, resolution in wanted:
        record = studio.make(f"{ratio} 的山 {resolution}", aspect_ratio=ratio, resolution=resolution)
        size = studio.worker.model.spec.sizes[ratio, resolution]
        assert (record.status, str(record.error)) == (Status.SUCCESS, "")
        assert (record.width, record.height) == (size.width, size.height)
        assert (studio.settings.output_dir / record.filename).is_file()
        assert store.thumbnail_path(studio.settings.output_dir, record.id).is_file()
        assert record.cost == Decimal("0.22")
    assert studio.service.charges == len(wanted)
    assert studio.outcomes() == ["billed"] * len(wanted)


def test_the_file_carries_its_parameters(studio: Studio) -> None:
    record = studio.make("雪山下的小屋", negative_prompt="人物")
    text = metadata.extract((studio.settings.output_dir / record.filename).read_bytes())
    assert text is not None
    assert all(part in text for part in ("雪山下的小屋", "人物", "jimeng_t2i_v40", f"Record: {record.id}"))


def test_a_refused_prompt_says_why_and_costs_nothing(studio: Studio) -> None:
    record = studio.make("违禁的画面")
    assert record.status is Status.FAILED
    assert record.cause == "moderation"
    assert "50412" in str(record.error)
    assert (record.cost, record.at_stake) == (Decimal(0), Decimal(0))
    assert studio.outcomes() == ["not_billed"]


def test_an_image_refused_once_by_moderation_is_resubmitted(studio: Studio) -> None:
    record = studio.make("审图一次")
    assert record.status is Status.QUEUED
    assert record.not_before > time.time() - 1
    studio.hurry()
    assert studio.step()
    assert studio.record(record.id).status is Status.SUCCESS
    assert studio.outcomes() == ["not_billed", "billed"]


def test_an_image_refused_repeatedly_fails(studio: Studio) -> None:
    record = studio.make("必拒的画")
    for _ in range(MAX_RETRIES):
        studio.hurry()
        studio.step()
    assert studio.record(record.id).status is Status.FAILED
    assert set(studio.outcomes()) == {"not_billed"}


def test_the_charge_is_open_when_the_submission_arrives(studio: Studio) -> None:
    seen: list[tuple[int, str, int, str]] = []

    def look(_call: Call) -> bool:
        with closing(database.connect(studio.settings.database_path)) as db:
            rows = db.execute("SELECT record_id, model, price_micros, outcome FROM charges").fetchall()
        seen.extend(tuple(row) for row in rows)
        return False

    studio.service.fail_next("busy", when=look)
    record = studio.make("猫")
    assert seen == [(record.id, record.model, 220_000, "open")]


def test_the_task_id_is_stored_before_polling_begins(studio: Studio) -> None:
    seen: list[str] = []

    def look(_call: Call) -> bool:
        with closing(database.connect(studio.settings.database_path)) as db:
            seen.extend(row["task_id"] for row in db.execute("SELECT task_id FROM generation_records"))
        return False

    studio.service.fail_next("busy", step="poll", when=look)
    studio.make("猫")
    assert seen[0] == studio.service.submissions[0].task_id


def test_throttling_is_waited_out_and_halves_the_concurrency(studio: Studio) -> None:
    studio.worker.limit = AdaptiveLimit(8)
    studio.service.fail_next("busy", times=8)
    record = studio.make("猫")
    for _ in range(8):
        assert studio.record(record.id).status is Status.QUEUED
        studio.hurry()
        studio.step()
    assert studio.record(record.id).status is Status.SUCCESS
    assert studio.worker.limit.allowed < 8
    assert studio.service.charges == 1


def test_a_lost_response_is_unknown_and_never_resubmitted(studio: Studio) -> None:
    studio.service.fail_next("reset")
    record = studio.make("断线的猫")
    assert record.status is Status.UNKNOWN
    assert record.at_stake == Decimal("0.22")
    assert "可能已计费" in str(record.error)
    studio.hurry()
    assert not studio.step()
    assert len(studio.service.submissions) == 1


def test_a_wrong_key_pauses_the_batch_with_one_sentence_and_fails_no_record(studio: Studio) -> None:
    studio.service.fail_next("key", times=1)
    batch_id, ids = studio.ask("一", "二", "三")
    assert studio.step()
    assert not studio.step()
    batch = database.get_batch(studio.db, batch_id)
    assert batch.status is BatchStatus.PAUSED
    assert "VOLCENGINE_AK" in str(batch.paused_reason)
    assert [studio.record(i).status for i in ids] == [Status.QUEUED] * 3
    database.resume_batch(studio.db, batch_id, model="jimeng_t2i_v40")
    while studio.step():
        pass
    assert studio.service.charges == 3


def test_failed_fetches_of_a_cancelled_batch_are_repeated_with_delays(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> NoReturn:
        raise ModelError("密钥不对", cause="key", billed=Billed.NO, pauses_batch=True, task_valid=True)

    monkeypatch.setattr(studio.worker.model, "fetch", refuse)
    batch_id, ids = studio.ask("猫")
    studio.step()
    database.cancel_batch(studio.db, batch_id)
    studio.hurry()
    assert studio.step()
    assert not studio.step()
    assert studio.record(ids[0]).task_id
    assert len(studio.service.submissions) == 1


def test_an_unreachable_service_pauses_instead_of_failing_every_record(studio: Studio) -> None:
    studio.service.stop()
    batch_id, _ = studio.ask("一", "二")
    for _ in range(20):
        studio.hurry()
        studio.step()
    batch = database.get_batch(studio.db, batch_id)
    assert (batch.status, batch.counts[Status.FAILED]) == (BatchStatus.PAUSED, 0)
    assert set(studio.outcomes()) == {"not_billed"}


def test_the_budget_pauses_the_batch_and_is_not_exceeded(studio: Studio) -> None:
    studio.restart(budget=Decimal("0.50"))
    batch_id, _ = studio.ask("一", "二", "三")
    for _ in range(5):
        studio.step()
    batch = database.get_batch(studio.db, batch_id)
    assert (batch.status, batch.cost) == (BatchStatus.PAUSED, Decimal("0.44"))
    assert "BUDGET" in str(batch.paused_reason)
    assert studio.service.charges == 2


def test_an_expired_url_is_requested_anew_and_not_resubmitted(studio: Studio) -> None:
    studio.service.fail_next("dead_url", step="download")
    record = studio.make("猫")
    for _ in range(3):
        studio.hurry()
        studio.step()
    assert studio.record(record.id).status is Status.SUCCESS
    assert len(studio.service.submissions) == 1


@pytest.mark.parametrize("kind", ["half", "garbled"])
def test_a_corrupt_image_is_fetched_again_and_not_resubmitted(studio: Studio, kind: str) -> None:
    studio.service.fail_next(kind, step="download")
    record = studio.make("猫")
    for _ in range(3):
        studio.hurry()
        studio.step()
    assert studio.record(record.id).status is Status.SUCCESS
    assert len(studio.service.submissions) == 1
    assert studio.outcomes() == ["billed"]
    assert not list(studio.settings.output_dir.glob("**/*.part"))


def test_a_permanently_corrupt_image_keeps_its_task_id_so_a_retry_fetches_it(studio: Studio) -> None:
    studio.service.fail_next("half", step="download", times=MAX_RETRIES + 1)
    record = studio.make("猫")
    for _ in range(MAX_RETRIES):
        studio.hurry()
        studio.step()
    failed = studio.record(record.id)
    assert (failed.status, failed.cost) == (Status.FAILED, Decimal("0.22"))
    assert failed.batch_id is not None
    database.retry_records(studio.db, failed.batch_id, spec=studio.worker.model.spec)
    studio.step()
    assert studio.record(record.id).status is Status.SUCCESS
    assert len(studio.service.submissions) == 1


def test_an_unsupported_size_is_never_submitted(studio: Studio) -> None:
    _, ids = studio.ask("猫")
    studio.db.execute("UPDATE generation_records SET resolution = '8K'")  # queued when it had one
    studio.step()
    record = studio.record(ids[0])
    assert (record.status, record.cause) == (Status.FAILED, "request")
    assert "没有 1:1 的 8K" in str(record.error)
    assert (studio.outcomes(), studio.service.submissions) == ([], [])


@pytest.mark.parametrize("kind", ["half", "garbled"])
def test_a_corrupt_image_that_cannot_be_fetched_again_is_unknown_and_not_resubmitted(
    byte_studio: Studio, kind: str
) -> None:
    byte_studio.service.fail_next(kind)
    record = byte_studio.make("猫")
    assert (record.status, record.cause) == (Status.UNKNOWN, "broken")
    assert "可能已计费" in str(record.error)
    byte_studio.hurry()
    assert not byte_studio.step()
    assert len(byte_studio.service.submissions) == 1
    assert byte_studio.outcomes() == ["unknown"]


@pytest.mark.parametrize(("place", "status"), [("studio", Status.FAILED), ("byte_studio", Status.UNKNOWN)])
def test_a_paid_image_in_an_unsupported_format_is_quarantined_and_not_resubmitted(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, place: str, status: Status
) -> None:
    monkeypatch.setattr(store, "MAX_PIXELS", 10)
    used: Studio = request.getfixturevalue(place)
    record = used.make("猫")
    assert (record.status, record.cause) == (status, "broken")
    name = re.search(r"原文件已放在「output/unopened/(\d+\.\w+)」", str(record.error))
    assert name
    assert (used.settings.output_dir / "unopened" / name[1]).stat().st_size > 1000
    used.hurry()
    assert not used.step()
    assert len(used.service.submissions) == 1


def die_before_the_end(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> Record:
    """The worker crashes when the image is on disk."""

    def dead(*_: object, **__: object) -> NoReturn:
        raise SystemExit

    _, ids = studio.ask("猫")
    with monkeypatch.context() as dying:
        dying.setattr(database, "finish_record", dead)
        with pytest.raises(SystemExit):
            studio.step()
    studio.db.execute("UPDATE generation_records SET lease_until = 0")
    studio.worker = Worker(studio.settings, generator.open_provider(studio.settings))
    return studio.record(ids[0])


def test_an_image_saved_by_a_crashed_worker_is_adopted(
    byte_studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    died = die_before_the_end(byte_studio, monkeypatch)
    assert died.status is Status.RUNNING
    byte_studio.worker.reap_expired_leases(byte_studio.db)
    record = byte_studio.record(died.id)
    assert (record.status, byte_studio.files()) == (Status.SUCCESS, [record.filename])
    assert byte_studio.outcomes() == ["billed"]
    path = byte_studio.settings.output_dir / record.filename
    assert (record.sha256, record.file_size) == (store.sha256_of(path), path.stat().st_size)


def test_a_record_whose_worker_crashed_before_saving_is_unknown(
    byte_studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    died = die_before_the_end(byte_studio, monkeypatch)
    (byte_studio.settings.output_dir / byte_studio.files()[0]).unlink()
    byte_studio.worker.reap_expired_leases(byte_studio.db)
    assert byte_studio.record(died.id).status is Status.UNKNOWN


@pytest.mark.parametrize("has_ticket", [True, False])
def test_partial_files_of_a_crashed_worker_are_removed_when_its_lease_is_reaped(
    studio: Studio, has_ticket: bool
) -> None:
    _, ids = studio.ask("猫")
    dead = database.claim_record(studio.db, model="jimeng_t2i_v40", owner="dead", now=0.0, lease=12.0)
    assert dead
    studio.worker.clean_up_after_crash()
    database.open_charge(studio.db, dead, price=Decimal("0.22"), budget=None)
    if has_ticket:
        database.save_task_id(studio.db, dead, "14790660436661235288")
    part = studio.settings.output_dir / ".0123456789abcdef.part"
    part.parent.mkdir(exist_ok=True)
    part.write_bytes(b"half")
    assert not studio.worker.clean_up_after_crash()
    if has_ticket:
        assert studio.step()
    else:
        assert studio.worker.reap_expired_leases(studio.db) == 1
    assert studio.worker.clean_up_after_crash()
    assert not part.exists()
    assert studio.record(ids[0]).status is Status.UNKNOWN


@pytest.mark.parametrize("task_id", ["", "147"])
def test_a_record_left_by_a_crashed_worker_of_another_model_waits_for_that_model(
    studio: Studio, task_id: str
) -> None:
    batch_id, ids = studio.ask("猫")
    studio.db.execute("UPDATE generation_records SET model = 'another'")
    dead = database.claim_record(studio.db, model="another", owner="dead", now=0.0, lease=12.0)
    assert dead
    if task_id:
        database.open_charge(studio.db, dead, price=Decimal("0.22"), budget=None)
        database.save_task_id(studio.db, dead, task_id)
    studio.worker.reap_expired_leases(studio.db)
    record, batch = studio.record(ids[0]), database.get_batch(studio.db, batch_id)
    assert (record.status, record.task_id or "") == (Status.QUEUED, task_id)
    assert (batch.status, "another" in str(batch.paused_reason)) == (BatchStatus.PAUSED, True)


def test_no_record_is_given_up_while_the_output_folder_is_missing(
    byte_studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    died = die_before_the_end(byte_studio, monkeypatch)
    away = byte_studio.settings.output_dir.rename(byte_studio.settings.output_dir.with_name("away"))
    with pytest.raises(StorageError):
        byte_studio.worker.reap_expired_leases(byte_studio.db)
    assert byte_studio.record(died.id).status is Status.RUNNING
    away.rename(byte_studio.settings.output_dir)
    byte_studio.worker.reap_expired_leases(byte_studio.db)
    assert byte_studio.record(died.id).status is Status.SUCCESS


def test_while_the_output_folder_is_missing_the_task_id_is_kept_and_the_batch_pauses(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    died = die_before_the_end(studio, monkeypatch)
    studio.settings.output_dir.rename(studio.settings.output_dir.with_name("away"))
    studio.settings.output_dir.write_text("a file in its place")
    monkeypatch.setattr("app.worker.pipeline._DISK_RETRY_SECONDS", -1.0)
    assert studio.step()
    record = studio.record(died.id)
    assert (record.status, record.task_id) == (Status.QUEUED, died.task_id)
    assert record.batch_id is not None
    assert database.get_batch(studio.db, record.batch_id).status is BatchStatus.PAUSED


def test_an_image_saved_before_a_crash_is_not_fetched_again(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    died = die_before_the_end(studio, monkeypatch)
    asked = len(studio.service.calls)
    assert studio.step()
    assert studio.record(died.id).status is Status.SUCCESS
    assert len(studio.service.calls) == asked
    assert len(studio.files()) == 1


def test_the_record_stores_the_real_size_of_the_delivered_image(studio: Studio) -> None:
    studio.service.fail_next("wrong_size", step="download")
    record = studio.make("猫")
    assert (record.width, record.height) == (64, 64)


def test_a_timed_out_record_is_unknown_and_can_be_fetched_later(studio: Studio) -> None:
    record = studio.make_too_slowly("慢慢画的猫")
    assert (record.status, record.cause) == (Status.UNKNOWN, "timeout")
    assert record.task_id
    assert record.batch_id is not None
    database.retry_records(studio.db, record.batch_id, [record.id], spec=studio.worker.model.spec)
    studio.step()
    after = studio.record(record.id)
    assert (after.status, after.at_stake, after.cost) == (Status.SUCCESS, Decimal(0), Decimal("0.22"))
    assert len(studio.service.submissions) == 1


def test_a_file_that_appeared_meanwhile_is_never_overwritten(studio: Studio) -> None:
    _, ids = studio.ask("猫")
    stem = studio.record(ids[0]).reserved_stem
    other = studio.settings.output_dir / f"{stem}.png"
    other.write_bytes(b"somebody else's")
    studio.step()
    assert other.read_bytes() == b"somebody else's"
    assert studio.record(ids[0]).filename == f"{stem}-2.png"


def test_a_full_disk_pauses_and_the_paid_image_is_saved_once_there_is_space(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep, refusals = store.save_image, iter(["磁盘已满"])

    def full_once(*args: object, **kwargs: object) -> object:
        for text in refusals:
            (studio.settings.output_dir / f".{'0a' * 8}.part").touch()
            raise DiskError(text)
        return keep(*args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(store, "save_image", full_once)
    batch_id, ids = studio.ask("一", "二")
    studio.step()
    assert studio.record(ids[0]).status is Status.SUCCESS
    assert studio.files() == [studio.record(ids[0]).filename]
    assert str(database.get_batch(studio.db, batch_id).paused_reason) == "磁盘已满"
    assert studio.service.charges == 1


def test_low_disk_space_pauses_every_batch_before_anything_is_submitted(studio: Studio) -> None:
    studio.restart(disk=DiskSpace([studio.settings.output_dir], free=lambda _: 123_456_789))
    batches = [studio.ask("一", "二")[0], studio.ask("三")[0]]
    for _ in range(4):
        studio.step()
    shown = [database.get_batch(studio.db, batch_id) for batch_id in batches]
    assert {batch.status for batch in shown} == {BatchStatus.PAUSED}
    assert {str(batch.paused_reason).split("，")[0] for batch in shown} == {"磁盘只剩 123 MB"}
    assert (studio.service.submissions, studio.outcomes()) == ([], [])


def test_with_space_again_a_batch_is_resumed_and_finished(studio: Studio) -> None:
    free = 0
    studio.restart(disk=DiskSpace([studio.settings.output_dir], free=lambda _: free))
    batch_id, _ = studio.ask("一", "二")
    studio.step()
    free = 10**12
    studio.worker.disk.invalidate()
    database.resume_batch(studio.db, batch_id, model="jimeng_t2i_v40")
    while studio.step():
        pass
    assert database.get_batch(studio.db, batch_id).status is BatchStatus.FINISHED
    assert studio.service.charges == 2


def test_submitted_records_are_fetched_despite_low_disk_space(studio: Studio) -> None:
    record = studio.make_too_slowly("慢慢画的猫")
    studio.restart(disk=DiskSpace([studio.settings.output_dir], free=lambda _: 0))
    assert record.batch_id is not None
    database.retry_records(studio.db, record.batch_id, [record.id], spec=studio.worker.model.spec)
    studio.step()
    assert studio.record(record.id).status is Status.SUCCESS


def always_full(*_: object, **__: object) -> NoReturn:
    raise DiskError("磁盘已满")


def locked(*_: object, **__: object) -> NoReturn:
    raise DatabaseError("locked")


def test_a_paid_image_is_buffered_when_not_even_the_pause_can_be_written(
    byte_studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep, refusals = store.save_image, iter(["磁盘已满"])

    def full_once(*args: object, **kwargs: object) -> object:
        for _ in refusals:
            always_full()
        return keep(*args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(store, "save_image", full_once)
    monkeypatch.setattr(database, "pause_batch", locked)
    assert byte_studio.make("猫").status is Status.SUCCESS


def told_to_stop_by(studio: Studio) -> Callable[..., NoReturn]:
    """The disk is full, and the worker is stopped at that time."""

    def full_and_stopping(*_: object, **__: object) -> NoReturn:
        studio.worker.stop()
        always_full()

    return full_and_stopping


def test_stopping_on_a_full_disk_requeues_the_record_with_its_task_id(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch_id, ids = studio.ask("猫")
    with monkeypatch.context() as full:
        full.setattr(store, "save_image", told_to_stop_by(studio))
        studio.step()
    assert studio.record(ids[0]).status is Status.QUEUED
    assert "磁盘已满" in str(database.get_batch(studio.db, batch_id).paused_reason)
    studio.worker = Worker(studio.settings, generator.open_provider(studio.settings))
    database.resume_batch(studio.db, batch_id, model="jimeng_t2i_v40")
    studio.step()
    assert studio.record(ids[0]).status is Status.SUCCESS
    assert len(studio.service.submissions) == 1


def test_stopping_on_a_full_disk_never_resubmits_a_record_without_a_task_id(
    byte_studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "save_image", told_to_stop_by(byte_studio))
    record = byte_studio.make("猫")
    assert (record.status, record.cause) == (Status.UNKNOWN, "storage")
    assert byte_studio.outcomes() == ["unknown"]


def test_a_requeue_is_written_however_long_the_database_is_locked(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    requeue, refusals = database.requeue_record, iter(["locked"])

    def locked_once(*args: object, **kwargs: object) -> None:
        for text in refusals:
            raise DatabaseError(text)
        requeue(*args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(database, "requeue_record", locked_once)
    studio.service.fail_next("busy")
    assert studio.make("猫").status is Status.QUEUED
    assert studio.outcomes() == ["not_billed"]


def test_a_missing_reference_fails_the_record_before_submission(studio: Studio) -> None:
    _, ids = studio.ask("猫")
    image = SampleImage(url="/samples/files/没有了.png", filename="没有了.png")
    text = f'[{{"url": "{image.url}", "filename": "{image.filename}"}}]'
    studio.db.execute("UPDATE generation_records SET sample_images = ?", (text,))
    studio.step()
    record = studio.record(ids[0])
    assert (record.status, record.cause) == (Status.FAILED, "request")
    assert studio.outcomes() == []


def test_threads_finish_a_batch_and_stop_on_request(studio: Studio) -> None:
    studio.service.latency = 0.05
    batch_id, ids = studio.ask(*[f"猫 {n}" for n in range(12)])
    studio.worker.start()
    wait_until(lambda: database.get_batch(studio.db, batch_id).status is BatchStatus.FINISHED)
    assert studio.worker.stop(10)
    assert [studio.record(i).status for i in ids] == [Status.SUCCESS] * 12
    assert studio.service.charges == 12
    assert len(studio.files()) == 12
    assert studio.service.peak_concurrency <= studio.settings.model_concurrency


def test_stopping_finishes_what_it_can_in_time_and_starts_nothing_new(studio: Studio) -> None:
    studio.service.latency = 0.8
    studio.worker.limit = AdaptiveLimit(1)
    _, ids = studio.ask("一", "二")
    studio.worker.start()
    wait_until(lambda: studio.record(ids[0]).task_id is not None)
    assert studio.worker.stop(10)
    assert [studio.record(i).status for i in ids] == [Status.SUCCESS, Status.QUEUED]
    assert len(studio.service.submissions) == 1


def test_stopping_releases_slow_records_and_the_next_worker_fetches_them(studio: Studio) -> None:
    studio.service.latency = 1.5
    batch_id, ids = studio.ask("一", "二")
    studio.worker.start()
    wait_until(lambda: all(studio.record(i).task_id for i in ids))
    assert studio.worker.stop(0.1)
    assert [studio.record(i).status for i in ids] == [Status.QUEUED] * 2
    studio.worker = Worker(studio.settings, generator.open_provider(studio.settings))
    while studio.step():
        pass
    assert database.get_batch(studio.db, batch_id).status is BatchStatus.FINISHED
    assert studio.service.charges == 2


def test_two_workers_on_one_file_never_submit_the_same_record(studio: Studio) -> None:
    studio.ask(*[f"猫 {n}" for n in range(20)])

    def run() -> None:
        worker = Worker(studio.settings, generator.open_provider(studio.settings))
        with closing(database.connect(studio.settings.database_path)) as db:
            while worker.run_once(db):
                pass

    threads = [threading.Thread(target=run) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert studio.service.charges == 20
    assert len(studio.files()) == 20


def test_no_record_is_claimed_while_every_slot_is_taken(studio: Studio) -> None:
    _, ids = studio.ask("猫")
    studio.worker.limit = AdaptiveLimit(1)
    assert studio.worker.limit.acquire()
    assert not studio.step()
    assert studio.record(ids[0]).status is Status.QUEUED
    studio.worker.limit.release()
    assert studio.step()
    assert studio.record(ids[0]).status is Status.SUCCESS
    assert studio.worker.limit.under_way == 0


def test_concurrency_is_halved_once_per_burst_and_raised_slowly() -> None:
    pace = AdaptiveLimit(8)
    for _ in range(5):
        pace.on_throttled()
    assert pace.allowed == 4.0
    for _ in range(8):
        pace.on_success()
    assert 4.5 < pace.allowed < 6.0
    for _ in range(200):
        pace.on_success()
    assert pace.allowed == 8.0


def test_concurrency_never_falls_below_one() -> None:
    pace = AdaptiveLimit(1)
    pace.on_throttled()
    assert pace.acquire()
    assert not pace.acquire()
    pace.release()
    assert pace.acquire()


def test_retry_delays_grow_and_end() -> None:
    error = ModelError("稍后", cause="service", billed=Billed.NO, retryable=True)
    waits = [seconds_before_retry(error, retries=n, throttled=0) or 0.0 for n in range(6)]
    assert waits[5] == 0.0
    assert all(earlier < later for earlier, later in itertools.pairwise(waits[:5]))


def test_a_retry_after_of_days_is_honoured() -> None:
    error = ModelError("稍后", cause="limit", billed=Billed.NO, retryable=True, throttled=True)
    assert 40 < (seconds_before_retry(error, retries=0, throttled=5_000) or 0.0) < 80
