"""Free submissions: lost or interrupted ones are repeated, a bounded number of times.

Nothing changes for submissions that may cost something; see ``test_worker`` and ``test_database``.
"""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from decimal import Decimal
from typing import NoReturn

import pytest

import database
import generator
from app.config import Settings
from app.domain import BatchStatus, GeneratedImage, Record, Status
from app.images import store
from app.images.parameters import format_parameters
from app.worker.worker import Worker
from tests.fakes.images import make_image
from tests.fakes.openai_images import FakeOpenAIImages
from tests.fakes.sdapi import FakeSdApi
from tests.fakes.service import FakeService
from tests.worker.test_worker import Studio, told_to_stop_by

LOST = ("reset", "drop", "cut", "html", "500", "502", "half", "garbled")


@pytest.fixture
def service() -> Iterator[FakeSdApi]:
    with FakeSdApi() as fake:
        yield fake


@pytest.fixture
def studio(settings: Settings, service: FakeSdApi, db: database.Connection) -> Studio:
    """A worker with a local server, which costs nothing."""
    return opened(settings, service, db)


def opened(settings: Settings, service: FakeService, db: database.Connection, **more: object) -> Studio:
    settings.output_dir.mkdir(exist_ok=True)
    return Studio(replace(settings, **service.settings(model_timeout=3, **more)), service, db)


def open_anew(studio: Studio, **changes: object) -> None:
    """Restart the server, optionally with other settings, once the leases have expired."""
    studio.db.execute("UPDATE generation_records SET lease_until = 0 WHERE status = 'running'")
    studio.settings = replace(studio.settings, **changes)  # type: ignore[arg-type]
    studio.worker = Worker(studio.settings, generator.open_provider(studio.settings))


def die(studio: Studio, monkeypatch: pytest.MonkeyPatch, *, where: object, name: str) -> None:
    """A turn in which the worker crashes at a call."""

    def dead(*_: object, **__: object) -> NoReturn:
        raise SystemExit

    with monkeypatch.context() as dying:
        dying.setattr(where, name, dead)
        with pytest.raises(SystemExit):
            studio.step()


def die_with_the_order_out(studio: Studio, monkeypatch: pytest.MonkeyPatch, **fields: object) -> Record:
    _, ids = studio.ask("猫", **fields)
    die(studio, monkeypatch, where=store, name="save_image")
    assert studio.outcomes() == ["open"]
    return studio.record(ids[0])


def die_before_the_end(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> Record:
    """The worker crashes with the image on disk."""
    _, ids = studio.ask("猫")
    die(studio, monkeypatch, where=database, name="finish_record")
    assert len(studio.files()) == 1
    return studio.record(ids[0])


def test_only_self_hosted_models_are_free() -> None:
    specs = generator.list_specs(Settings(price_per_image=Decimal(0)))
    assert {spec.name for spec in specs if spec.self_hosted} == {"demo", "sdapi"}


@pytest.mark.parametrize("fault", LOST)
def test_a_lost_free_response_is_resubmitted_with_the_same_seed(studio: Studio, fault: str) -> None:
    studio.service.fail_next(fault)
    record = studio.make("猫", seed=7)
    assert record.status is Status.QUEUED
    assert "计费" not in str(record.error)
    assert not studio.step()
    studio.hurry()
    assert studio.step()
    record = studio.record(record.id)
    assert (record.status, str(record.error), record.seed) == (Status.SUCCESS, "", 7)
    assert {order.body["seed"] for order in studio.service.submissions} == {7}
    assert studio.files() == [record.filename]
    assert studio.outcomes() == ["not_billed", "billed"]


def test_a_free_record_lost_three_times_fails_and_the_rest_continue(studio: Studio) -> None:
    batch_id, ids = studio.ask("猫", "狗")
    studio.service.fail_next("reset", times=3, when=lambda call: call.fields["prompt"] == "猫")
    while studio.step():
        studio.hurry()
    record = studio.record(ids[0])
    assert (record.status, record.cause) == (Status.FAILED, "service")
    assert "图片服务没有答完" in str(record.error)
    assert studio.outcomes().count("not_billed") == 3
    assert studio.record(ids[1]).status is Status.SUCCESS
    assert database.get_batch(studio.db, batch_id).status is BatchStatus.FINISHED


def test_a_lost_response_of_a_cancelled_batch_is_not_resubmitted(studio: Studio) -> None:
    batch_id, ids = studio.ask("猫")
    studio.service.fail_next("reset")

    def cancel(moment: str, _: object) -> None:
        if moment == "arrived":
            with closing(database.connect(studio.settings.database_path)) as own:
                database.cancel_batch(own, batch_id)

    studio.service.observer = cancel
    assert studio.step()
    assert studio.record(ids[0]).status is Status.CANCELLED
    assert studio.outcomes() == ["not_billed"]


def test_with_a_price_set_a_lost_response_of_a_local_server_is_unknown(
    settings: Settings, service: FakeSdApi, db: database.Connection
) -> None:
    studio = opened(settings, service, db, price_per_image=Decimal("0.22"))
    service.fail_next("reset")
    record = studio.make("猫")
    assert (record.status, record.at_stake) == (Status.UNKNOWN, Decimal("0.22"))
    studio.hurry()
    assert not studio.step()
    assert len(service.submissions) == 1


def test_a_price_of_zero_alone_does_not_make_a_model_free(
    settings: Settings, db: database.Connection
) -> None:
    with FakeOpenAIImages() as service:
        studio = opened(settings, service, db, price_per_image=Decimal(0), openai_image_model="sdapi")
        service.fail_next("reset")
        assert studio.make("猫").status is Status.UNKNOWN
        studio.hurry()
        assert not studio.step()


def test_a_free_record_interrupted_by_a_crash_is_redone_with_the_same_seed(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    died = die_with_the_order_out(studio, monkeypatch, seed=7)
    open_anew(studio)
    assert studio.worker.reap_expired_leases(studio.db) == 0
    assert studio.step()
    record = studio.record(died.id)
    assert (record.status, record.seed, studio.files()) == (Status.SUCCESS, 7, [record.filename])
    assert [order.body["seed"] for order in studio.service.submissions] == [7, 7]
    assert studio.outcomes() == ["not_billed", "billed"]
    spent = database.total_spend(studio.db)
    assert (spent.pictures, spent.unpaid_charges, spent.open_charges, spent.unknown_charges) == (1, 1, 0, 0)
    assert spent.billed == record.cost == record.at_stake == Decimal(0)


def test_an_image_saved_before_the_crash_is_adopted(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> None:
    died = die_before_the_end(studio, monkeypatch)
    open_anew(studio)
    assert studio.step()
    record = studio.record(died.id)
    assert (record.status, studio.files()) == (Status.SUCCESS, [record.filename])
    assert len(studio.service.submissions) == 1
    assert studio.outcomes() == ["billed"]


def test_a_charge_opened_at_a_price_stays_unknown_when_the_price_is_removed(
    settings: Settings, service: FakeSdApi, db: database.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    studio = opened(settings, service, db, price_per_image=Decimal("0.22"))
    died = die_with_the_order_out(studio, monkeypatch)
    open_anew(studio, price_per_image=None)
    assert not studio.step()
    assert studio.worker.reap_expired_leases(studio.db) == 1
    assert studio.record(died.id).status is Status.UNKNOWN
    assert not studio.step()


@pytest.mark.parametrize(("rest", "end"), [("pause", Status.QUEUED), ("cancel", Status.CANCELLED)])
def test_nothing_is_redone_for_an_inactive_batch(
    studio: Studio, monkeypatch: pytest.MonkeyPatch, rest: str, end: Status
) -> None:
    died = die_with_the_order_out(studio, monkeypatch)
    assert died.batch_id
    (database.pause_batch if rest == "pause" else database.cancel_batch)(studio.db, died.batch_id)
    open_anew(studio)
    assert not studio.step()
    assert studio.worker.reap_expired_leases(studio.db) == 1
    assert studio.record(died.id).status is end
    assert studio.outcomes() == ["not_billed"]
    assert not studio.step()


def test_a_complete_image_is_adopted_although_its_batch_was_cancelled(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    died = die_before_the_end(studio, monkeypatch)
    assert died.batch_id
    database.cancel_batch(studio.db, died.batch_id)
    open_anew(studio)
    studio.worker.reap_expired_leases(studio.db)
    assert studio.record(died.id).status is Status.SUCCESS
    assert studio.outcomes() == ["billed"]


def test_another_model_does_not_redo_it_and_leaves_no_charge_open(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    died = die_before_the_end(studio, monkeypatch)
    assert died.batch_id
    open_anew(studio, image_model="demo")
    assert not studio.step()
    studio.worker.reap_expired_leases(studio.db)
    assert (studio.record(died.id).status, studio.outcomes()) == (Status.QUEUED, ["not_billed"])
    open_anew(studio, image_model="sdapi")
    database.resume_batch(studio.db, died.batch_id, model="sdapi")
    assert studio.step()
    assert studio.record(died.id).status is Status.SUCCESS
    assert (studio.outcomes(), len(studio.service.submissions)) == (["billed"], 1)


def test_a_record_that_crashes_every_server_fails_with_that_reason(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    died = die_with_the_order_out(studio, monkeypatch)
    for _ in range(20):
        open_anew(studio)
        studio.worker.reap_expired_leases(studio.db)
        if studio.record(died.id).status is not Status.RUNNING:
            break
        die(studio, monkeypatch, where=store, name="save_image")
    record = studio.record(died.id)
    assert (record.status, record.cause) == (Status.FAILED, "interrupted")
    assert "多次中断" in str(record.error)
    assert studio.outcomes() == ["not_billed"] * 6
    assert not studio.step()


def test_after_a_suspend_a_worker_does_not_reclaim_its_own_record(studio: Studio, service: FakeSdApi) -> None:
    _, ids = studio.ask("猫")
    seen: list[Record | None] = []

    def sleep(moment: str, _: object) -> None:
        if moment == "made":
            with closing(database.connect(studio.settings.database_path)) as own:
                own.execute("UPDATE generation_records SET lease_until = 0")
                seen.append(studio.worker._claim(own))

    service.observer = sleep
    assert studio.step()
    assert seen == [None]
    assert studio.record(ids[0]).status is Status.SUCCESS
    assert studio.outcomes() == ["billed"]


def test_a_second_worker_adopts_the_file_and_seed_of_the_first(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    died = die_with_the_order_out(studio, monkeypatch)
    open_anew(studio)
    first = GeneratedImage(content=make_image(2048, 2048), seed=5)
    text = format_parameters(died.request, None, died.model, died.id, 5)

    def sleeper_keeps_its_own(moment: str, _: object) -> None:
        if moment == "made":
            store.save_image(
                first,
                output_dir=studio.settings.output_dir,
                stem=died.reserved_stem,
                record_id=died.id,
                embed=text,
            )

    studio.service.observer = sleeper_keeps_its_own
    assert studio.step()
    record = studio.record(died.id)
    assert (record.status, record.seed, studio.files()) == (Status.SUCCESS, 5, [record.filename])


def test_stopping_on_a_full_disk_leaves_the_free_record_queued_in_its_paused_batch(
    studio: Studio, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch_id, ids = studio.ask("猫")
    monkeypatch.setattr(store, "save_image", told_to_stop_by(studio))
    assert studio.step()
    assert studio.record(ids[0]).status is Status.QUEUED
    assert database.get_batch(studio.db, batch_id).status is BatchStatus.PAUSED
    assert studio.outcomes() == ["not_billed"]
