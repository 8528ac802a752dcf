"""What a service reports of a submission is stored with its charge; what differs from the order is said."""

import json
from contextlib import closing
from dataclasses import replace
from decimal import Decimal
from typing import Any, NoReturn

import pytest

import database
import generator
from app.domain import SampleImage, Status
from app.domain.ledger import ReportedUsage
from app.errors import WriteRefused
from app.providers.kit import reported_usage
from tests.harness import Harness, restart_after_crash
from tests.worker.conftest import OpenFor
from tools.fakes.seedream import FakeSeedream

REFERENCE = SampleImage(url="https://example.com/a.png", filename="a.png")
ORDERED = {"input_images": 0, "generated_images": 1, "output_tokens": 17424, "total_tokens": 17424}


@pytest.fixture
def harness(open_for: OpenFor) -> Harness:
    return open_for(FakeSeedream)


@pytest.fixture
def seedream(harness: Harness) -> FakeSeedream:
    assert isinstance(harness.service, FakeSeedream)
    return harness.service


def charges(db: database.Connection) -> list[tuple[dict[str, int], bool]]:
    rows = db.execute("SELECT usage, usage_differs FROM charges ORDER BY id").fetchall()
    return [(json.loads(row["usage"] or "{}"), bool(row["usage_differs"])) for row in rows]


def warnings(harness: Harness, batch_id: str | None) -> list[str]:
    log = database.list_log(harness.db, batch_id or "")
    return [str(line.text) for line in log if line.level == "warning"]


def test_what_is_reported_is_stored_with_the_charge(harness: Harness) -> None:
    record = harness.make("猫", aspect_ratio="16:9")
    assert record.status is Status.SUCCESS
    assert charges(harness.db) == [(ORDERED, False)]
    assert warnings(harness, record.batch_id) == []


def test_a_crash_after_the_submission_loses_neither_the_task_id_nor_the_usage(harness: Harness) -> None:
    died = harness.crash(generator, "fetch", aspect_ratio="16:9")
    assert charges(harness.db) == [(ORDERED, False)]
    restart_after_crash(harness)
    assert harness.step()
    assert harness.record(died.id).status is Status.SUCCESS
    assert (charges(harness.db), harness.service.charges) == ([(ORDERED, False)], 1)


@pytest.mark.sqlite
@pytest.mark.parametrize(
    ("reported", "differs"),
    [
        ({"generated_images": 2, "input_images": 1}, True),
        ({"generated_images": 0, "input_images": 1}, True),
        ({"generated_images": 2}, True),
        ({"generated_images": 1, "input_images": 3}, True),
        ({"generated_images": 1, "input_images": 1}, False),
        ({"generated_images": 1}, False),
        ({"output_tokens": 5}, False),
    ],
)
def test_other_numbers_than_ordered_are_said_in_the_log(
    harness: Harness, seedream: FakeSeedream, reported: dict[str, int], differs: bool
) -> None:
    seedream.usage = reported
    record = harness.make("猫", sample_images=(REFERENCE,))
    assert record.status is Status.SUCCESS
    assert charges(harness.db) == [(reported, differs)]
    said = warnings(harness, record.batch_id)
    assert len(said) == differs
    assert not said or ("第 1 行" in said[0] and "1 张参考图" in said[0])
    assert len(database.list_differing_usage(harness.db, record.id)) == differs


@pytest.mark.sqlite
@pytest.mark.parametrize(
    "nonsense",
    [
        *("many", 7, [], [1], {}, {"generated_images": "2"}, {"generated_images": -1}),
        *({"generated_images": 1e9}, {"generated_images": True}, {"generated_images": {"a": 1}}),
        *({"generated_images": 10**30}, {"数": 1}, {"a" * 5000: 1}, {"a b": 1}, {"": 1}),
    ],
)
def test_nonsense_is_ignored(harness: Harness, seedream: FakeSeedream, nonsense: Any) -> None:
    seedream.usage = nonsense
    record = harness.make("猫")
    assert (record.status, charges(harness.db)) == (Status.SUCCESS, [({}, False)])
    assert warnings(harness, record.batch_id) == []


def test_only_counts_with_plain_names_are_taken() -> None:
    assert reported_usage({"\ud800": 1, "a": 2, "b": None}) == {"a": 2}
    assert len(reported_usage({f"n{number}": 1 for number in range(10_000)})) == 20


def test_the_usage_of_an_image_that_comes_at_once_is_stored(byte_harness: Harness) -> None:
    assert byte_harness.make("猫").status is Status.SUCCESS
    (found,) = charges(byte_harness.db)
    assert found[0].keys() == {"input_tokens", "output_tokens", "total_tokens"}


def test_a_cost_without_counts_is_booked(byte_harness: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    submit = generator.submit
    stated: dict[str, Any] = {"usage": {}, "cost": Decimal("0.123456")}
    monkeypatch.setattr(generator, "submit", lambda *args: replace(submit(*args), **stated))
    assert byte_harness.make("猫").cost == Decimal("0.123456")
    assert charges(byte_harness.db) == [({}, False)]


def test_an_image_is_kept_when_its_usage_cannot_be_stored(
    byte_harness: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> NoReturn:
        raise WriteRefused("locked")

    monkeypatch.setattr(database, "save_usage", refuse)
    assert byte_harness.make("猫").status is Status.SUCCESS
    assert charges(byte_harness.db) == [({}, False)]


def test_the_usage_of_a_lost_claim_stays_with_its_own_charge(harness: Harness) -> None:
    """Another worker has claimed the record since: its charge is the last one of the record."""
    harness.ask("猫")
    model = harness.engine.model_id
    first = database.claim_record(harness.db, model=model, owner="a", now=1.0, lease=1.0)
    assert first
    charge = database.open_charge(harness.db, first, price=None, budget=None)
    harness.db.execute("UPDATE generation_records SET attempts = attempts + 1")
    with closing(database.connect(harness.settings.database)) as other:
        later = replace(first, attempts=first.attempts + 1)
        database.open_charge(other, later, price=None, budget=None)
    usage = ReportedUsage(charge_id=charge, counts={"generated_images": 2}, references=0)
    database.save_task_id(harness.db, first, "lost", usage)
    assert charges(harness.db) == [({"generated_images": 2}, True), ({}, False)]
    assert harness.record(first.id).task_id is None


def test_differing_charges_are_counted_and_shown(harness: Harness, seedream: FakeSeedream) -> None:
    seedream.usage = {"generated_images": 2, "input_images": 0}
    record = harness.make("猫")
    seedream.usage = None
    harness.make("狗")
    client = harness.client()
    assert client.get("/api/usage").get_json()["usage"]["differing"] == 1
    page = client.get("/usage").text
    assert f">#{record.id}</a>" in page
    assert "服务报告画了 2 张" in client.get(f"/live/records/{record.id}/details").text
    assert "generated_images 2, input_images 0" in client.get("/api/usage/export.csv").text
