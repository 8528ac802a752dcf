"""Free submissions: lost or interrupted ones are repeated, a bounded number of times.

Nothing changes for submissions that may cost something; see ``test_worker`` and ``test_database``.
"""

from contextlib import closing
from decimal import Decimal
from typing import Any

import pytest

import database
import generator
from app.config import Settings
from app.domain import BatchStatus, GeneratedImage, Record, Status
from app.images import store
from app.images.metadata import format_parameters
from app.usage.sql import total_spend
from tests.harness import Harness, crash_at, restart_after_crash
from tests.worker.conftest import OpenFor
from tests.worker.test_worker import stop_on_full_disk
from tools.fakes.images import make_image
from tools.fakes.openai_images import FakeOpenAIImages
from tools.fakes.sdapi import FakeSdApi

LOSSES = ("reset", "drop", "cut", "html", "500", "502", "half", "garbled")


@pytest.fixture
def harness(open_for: OpenFor) -> Harness:
    """A worker with a local server, which costs nothing."""
    return open_for(FakeSdApi)


def crash_after_submission(harness: Harness, **fields: Any) -> Record:
    died = harness.crash(store, "save_image", **fields)
    assert harness.outcomes() == ["open"]
    return died


def crash_before_finish(harness: Harness) -> Record:
    """The worker crashes with the image on disk."""
    died = harness.crash(database, "finish_record")
    assert len(harness.files()) == 1
    return died


def test_only_self_hosted_models_are_free() -> None:
    specs = generator.list_specs(Settings(price_per_image=Decimal(0)))
    assert {spec.name for spec in specs if spec.self_hosted} == {"demo", "sdapi"}


@pytest.mark.sqlite
@pytest.mark.parametrize("fault", LOSSES)
def test_a_lost_free_response_is_resubmitted_with_the_same_seed(harness: Harness, fault: str) -> None:
    harness.service.fail_next(fault)
    record = harness.make("猫", seed=7)
    assert record.status is Status.QUEUED
    assert "计费" not in str(record.error)
    assert not harness.step()
    harness.hurry()
    assert harness.step()
    record = harness.record(record.id)
    assert (record.status, str(record.error), record.seed) == (Status.SUCCESS, "", 7)
    assert {order.body["seed"] for order in harness.service.submissions} == {7}
    assert harness.files() == [record.filename]
    assert harness.outcomes() == ["not_billed", "billed"]


def test_a_lost_response_of_a_cancelled_batch_is_not_resubmitted(harness: Harness) -> None:
    batch_id, ids = harness.ask("猫")
    harness.service.fail_next("reset")

    def cancel(moment: str, _: object) -> None:
        if moment == "arrived":
            with closing(database.connect(harness.settings.database)) as own:
                database.cancel_batch(own, batch_id)

    harness.service.observer = cancel
    assert harness.step()
    assert harness.record(ids[0]).status is Status.CANCELLED
    assert harness.outcomes() == ["not_billed"]


def test_with_a_price_set_a_lost_response_of_a_local_server_is_unknown(open_for: OpenFor) -> None:
    harness = open_for(FakeSdApi, price_per_image=Decimal("0.22"))
    harness.service.fail_next("reset")
    record = harness.make("猫")
    assert (record.status, record.at_stake) == (Status.UNKNOWN, Decimal("0.22"))
    harness.hurry()
    assert not harness.step()
    assert len(harness.service.submissions) == 1


def test_a_price_of_zero_alone_does_not_make_a_model_free(open_for: OpenFor) -> None:
    harness = open_for(FakeOpenAIImages, price_per_image=Decimal(0), openai_image_model="sdapi")
    harness.service.fail_next("reset")
    assert harness.make("猫").status is Status.UNKNOWN
    harness.hurry()
    assert not harness.step()


def test_a_free_record_interrupted_by_a_crash_is_redone_with_the_same_seed(harness: Harness) -> None:
    died = crash_after_submission(harness, seed=7)
    restart_after_crash(harness)
    assert harness.reap() == 0
    assert harness.step()
    record = harness.record(died.id)
    assert (record.status, record.seed, harness.files()) == (Status.SUCCESS, 7, [record.filename])
    assert [order.body["seed"] for order in harness.service.submissions] == [7, 7]
    assert harness.outcomes() == ["not_billed", "billed"]
    spent = total_spend(harness.db)
    assert (spent.pictures, spent.unpaid_charges, spent.open_charges, spent.unknown_charges) == (1, 1, 0, 0)
    assert spent.billed == record.cost == record.at_stake == Decimal(0)


def test_a_charge_opened_at_a_price_stays_unknown_when_the_price_is_removed(open_for: OpenFor) -> None:
    harness = open_for(FakeSdApi, price_per_image=Decimal("0.22"))
    died = crash_after_submission(harness)
    restart_after_crash(harness, price_per_image=None)
    assert not harness.step()
    assert harness.reap() == 1
    assert harness.record(died.id).status is Status.UNKNOWN
    assert not harness.step()


@pytest.mark.parametrize(("rest", "end"), [("pause", Status.QUEUED), ("cancel", Status.CANCELLED)])
def test_nothing_is_redone_for_an_inactive_batch(harness: Harness, rest: str, end: Status) -> None:
    died = crash_after_submission(harness)
    stop = database.pause_batch if rest == "pause" else database.cancel_batch
    stop(harness.db, str(died.batch_id))
    restart_after_crash(harness)
    assert not harness.step()
    assert harness.reap() == 1
    assert harness.record(died.id).status is end
    assert harness.outcomes() == ["not_billed"]
    assert not harness.step()


def test_a_complete_image_is_adopted_although_its_batch_was_cancelled(harness: Harness) -> None:
    died = crash_before_finish(harness)
    database.cancel_batch(harness.db, str(died.batch_id))
    restart_after_crash(harness)
    harness.reap()
    assert harness.record(died.id).status is Status.SUCCESS
    assert harness.outcomes() == ["billed"]


def test_another_model_does_not_redo_it_and_leaves_no_charge_open(harness: Harness) -> None:
    died = crash_before_finish(harness)
    url = harness.settings.sdapi_url
    restart_after_crash(harness, image_model="demo", sdapi_url="")
    assert not harness.step()
    harness.reap()
    assert (harness.record(died.id).status, harness.outcomes()) == (Status.QUEUED, ["not_billed"])
    restart_after_crash(harness, image_model="sdapi", sdapi_url=url)
    harness.resume(died.batch_id)
    assert harness.step()
    assert harness.record(died.id).status is Status.SUCCESS
    assert (harness.outcomes(), len(harness.service.submissions)) == (["billed"], 1)


def test_a_record_that_crashes_every_server_fails_with_that_reason(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    died = crash_after_submission(harness)
    for _ in range(20):
        restart_after_crash(harness)
        harness.reap()
        if harness.record(died.id).status is not Status.RUNNING:
            break
        crash_at(harness, monkeypatch, where=store, name="save_image")
    record = harness.record(died.id)
    assert (record.status, record.cause) == (Status.FAILED, "interrupted")
    assert "多次中断" in str(record.error)
    assert harness.outcomes() == ["not_billed"] * 6
    assert not harness.step()


def test_after_a_suspend_a_worker_does_not_reclaim_its_own_record(harness: Harness) -> None:
    _, ids = harness.ask("猫")
    seen: list[Record | None] = []

    def sleep(moment: str, _: object) -> None:
        if moment == "made":
            with closing(database.connect(harness.settings.database)) as own:
                own.execute("UPDATE generation_records SET lease_until = 0")
                seen.append(harness.worker._claim(own, harness.engine))

    harness.service.observer = sleep
    assert harness.step()
    assert seen == [None]
    assert harness.record(ids[0]).status is Status.SUCCESS
    assert harness.outcomes() == ["billed"]


def test_a_second_worker_adopts_the_file_and_seed_of_the_first(harness: Harness) -> None:
    died = crash_after_submission(harness)
    restart_after_crash(harness)
    first = GeneratedImage(content=make_image(2048, 2048), seed=5)
    text = format_parameters(died.request, None, died.model, died.id, 5)

    def sleeper_is_first(moment: str, _: object) -> None:
        if moment == "made":
            store.save_image(
                first,
                output_dir=harness.settings.output_dir,
                stem=died.reserved_stem,
                record_id=died.id,
                embed=text,
            )

    harness.service.observer = sleeper_is_first
    assert harness.step()
    record = harness.record(died.id)
    assert (record.status, record.seed, harness.files()) == (Status.SUCCESS, 5, [record.filename])


def test_stopping_on_a_full_disk_leaves_the_free_record_queued_in_its_paused_batch(
    harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch_id, ids = harness.ask("猫")
    monkeypatch.setattr(store, "save_image", stop_on_full_disk(harness))
    assert harness.step()
    assert harness.record(ids[0]).status is Status.QUEUED
    assert harness.batch(batch_id).status is BatchStatus.PAUSED
    assert harness.outcomes() == ["not_billed"]
