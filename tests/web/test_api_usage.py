"""The ledger: sums, unresolved charges, and manual resolutions."""

from dataclasses import replace
from decimal import Decimal

import pytest
from flask.testing import FlaskClient

import database
from app.config import Settings
from app.domain import BatchStatus, ImageRequest, Models, ModelSpec, Record, SavedImage, Status
from app.errors import Billed, Conflict, ModelError
from tests.web.harness import get
from web_app import create_app

NOW = 1_000_000.0
PRICE = Decimal("0.22")
KEPT = SavedImage(filename="猫.png", width=2048, height=2048, format="png", file_size=9, sha256="ab")
MODEL = "test-1"
EVER = ("2000-01-01", "2100-01-01")


class Ledger:
    """A database whose records are queued, submitted and ended as the test says."""

    def __init__(self, db: database.Connection, spec: ModelSpec) -> None:
        self.db = db
        self.spec = spec

    def queue(self, number: int = 1, name: str = "") -> tuple[str, list[int]]:
        requests = [ImageRequest(prompt=f"猫 {n}") for n in range(number)]
        return database.add_batch(
            self.db,
            database.Submission(
                requests=requests,
                models=Models([self.spec]),
                stems=["猫"] * number,
                is_taken=lambda stem: False,
                name=name,
            ),
        )[:2]

    def claim(self, now: float = NOW) -> Record | None:
        return database.claim_record(self.db, model=MODEL, owner="me", now=now, lease=20.0)

    def claimed(self) -> Record:
        """The next record, which there has to be."""
        record = self.claim()
        assert record is not None
        return record

    def charge_next(self, task_id: str = "") -> Record:
        """Claim the next record and open its charge."""
        record = self.claimed()
        database.open_charge(self.db, record, price=PRICE, budget=None)
        if task_id:
            database.save_task_id(self.db, record, task_id)
        return record

    def lose(self, record: Record, *, ticket_usable: bool = False) -> None:
        error = ModelError("断了", cause="network", billed=Billed.UNKNOWN, task_valid=ticket_usable)
        assert database.fail_record(self.db, record, error)

    def finish(self, record: Record) -> None:
        assert database.finish_record(self.db, record, KEPT)

    def unknown_record(self, *, task_id: str = "") -> tuple[str, int]:
        """A record of unknown outcome -> its batch and its id."""
        batch_id, ids = self.queue()
        self.lose(self.charge_next(task_id), ticket_usable=bool(task_id))
        return batch_id, ids[0]

    def record(self, record_id: int) -> Record:
        return database.get_record(self.db, record_id)

    def outcomes(self) -> list[str]:
        return [row["outcome"] for row in self.db.execute("SELECT outcome FROM charges ORDER BY id")]


@pytest.fixture
def ledger(db: database.Connection, spec: ModelSpec) -> Ledger:
    return Ledger(db, spec)


def test_confirmed_and_possible_charges_are_separate(ledger: Ledger) -> None:
    ledger.queue(4)
    ledger.finish(ledger.charge_next())
    ledger.lose(ledger.charge_next())
    refused = ModelError("违规", cause="moderation", billed=Billed.NO)
    database.fail_record(ledger.db, ledger.charge_next(), refused)
    ledger.charge_next()
    spent = database.total_spend(ledger.db)
    assert (spent.billed, spent.unknown, spent.open) == (PRICE, PRICE, PRICE)
    assert (spent.pictures, spent.unknown_charges, spent.open_charges, spent.unpaid_charges) == (1, 1, 1, 1)
    assert database.committed_spend(ledger.db) == 3 * PRICE


@pytest.mark.parametrize("clock", ["16:00:00", "18:30:00"], ids=["whole hours", "half hours, as in India"])
def test_costs_are_summed_by_period_and_model(ledger: Ledger, clock: str) -> None:
    ledger.queue(3)
    times = ("2026-03-01 15:59:59.999", f"2026-03-01 {clock}.000", f"2026-03-02 {clock}.000")
    for moment in times:
        ledger.finish(ledger.charge_next())
        ledger.db.execute(
            "UPDATE charges SET opened_at = ? WHERE id = (SELECT max(id) FROM charges)", [moment]
        )
    days = [f"2026-{day} {clock}" for day in ("02-28", "03-01", "03-02", "03-03")]
    spans = database.spend_by_span(ledger.db, days)
    assert [span[MODEL].pictures for span in spans] == [1, 1, 1]
    assert spans[0][MODEL].billed == PRICE


def test_a_batch_has_its_totals(ledger: Ledger) -> None:
    first, _ = ledger.queue(2, name="春季")
    ledger.finish(ledger.charge_next())
    ledger.lose(ledger.charge_next())
    second, _ = ledger.queue()
    found = database.spend_by_batch(ledger.db, *EVER, limit=9)
    assert [(b.id, b.name, b.spent.billed, b.spent.unknown) for b in found] == [
        (second, "", Decimal(0), Decimal(0)),
        (first, "春季", PRICE, PRICE),
    ]
    assert database.spend_by_batch(ledger.db, EVER[1], EVER[1], limit=9) == []


def test_failures_are_counted_by_cause(ledger: Ledger) -> None:
    ledger.queue(3)
    for cause in ("moderation", "network", "moderation"):
        error = ModelError("坏了", cause=cause, billed=Billed.NO)
        database.fail_record(ledger.db, ledger.charge_next(), error)
    assert database.count_failures(ledger.db, *EVER) == {"moderation": 2, "network": 1}


def test_ledger_lines_include_purged_records(ledger: Ledger) -> None:
    batch_id, ids = ledger.queue(2, name="春季")
    ledger.finish(ledger.charge_next("t-1"))
    ledger.lose(ledger.charge_next())
    ledger.db.execute("DELETE FROM generation_records WHERE id = ?", [ids[1]])
    lines = list(database.list_charges(ledger.db, *EVER))
    assert [(line.record_id, line.task_id, line.billed, line.at_stake) for line in lines] == [
        (ids[0], "t-1", PRICE, Decimal(0)),
        (ids[1], "", Decimal(0), PRICE),
    ]
    assert [(line.prompt, line.row_number, line.batch_name) for line in lines] == [
        ("猫 0", 1, "春季"),
        ("", None, "春季"),
    ]
    assert lines[0].batch_id == batch_id


def test_unresolved_charges_are_listed_newest_first_even_for_purged_records(ledger: Ledger) -> None:
    _, old = ledger.unknown_record(task_id="t-1")
    _, new = ledger.unknown_record()
    ledger.db.execute("DELETE FROM generation_records WHERE id = ?", [new])
    unresolved = database.list_unresolved(ledger.db, limit=9)
    assert [(d.record_id, d.at_stake, d.collectable, d.orderable) for d in unresolved] == [
        (new, PRICE, False, False),
        (old, PRICE, True, True),
    ]
    counts = database.count_unresolved(ledger.db, models=[MODEL])
    assert (counts.records, counts.at_stake, counts.collectable, counts.orderable) == (2, 2 * PRICE, 1, 0)


def test_fetching_submits_nothing_and_resolves_the_charge(ledger: Ledger) -> None:
    batch_id, record_id = ledger.unknown_record(task_id="t-1")
    assert database.refetch(ledger.db, [record_id], models=Models([ledger.spec])).records == 1
    record = ledger.claimed()
    assert record.task_id == "t-1"
    ledger.finish(record)
    assert ledger.outcomes() == ["billed"]
    assert database.get_batch(ledger.db, batch_id).status is BatchStatus.FINISHED
    assert database.list_unresolved(ledger.db, limit=9) == []


@pytest.mark.parametrize("state", ["paused", "cancelled"])
def test_fetching_starts_nothing_else_of_a_paused_batch(ledger: Ledger, state: str) -> None:
    batch_id, ids = ledger.queue(2)
    ledger.lose(ledger.charge_next("t-1"), ticket_usable=True)
    if state == "paused":
        database.pause_batch(ledger.db, batch_id, "预算已到")
    else:
        database.cancel_batch(ledger.db, batch_id)
    database.refetch(ledger.db, None, models=Models([ledger.spec]))
    assert database.has_claimable(ledger.db, model=MODEL, now=NOW)
    record = ledger.claimed()
    assert record.id == ids[0]
    assert ledger.claim() is None


def test_a_fetch_that_pauses_its_batch_waits_with_it(ledger: Ledger) -> None:
    batch_id, _ = ledger.unknown_record(task_id="t-1")
    database.resume_batch(ledger.db, batch_id, models=[MODEL])
    ledger.db.execute("UPDATE batches SET state = 'paused'")
    database.refetch(ledger.db, None, models=Models([ledger.spec]))
    record = ledger.claimed()
    trouble = ModelError("断网", cause="network", billed=Billed.NO, task_valid=True)
    database.requeue_record(ledger.db, record, not_before=NOW, error=trouble)
    database.pause_batch(ledger.db, batch_id, "断网", stops_fetching=True)
    assert ledger.claim() is None


def test_records_without_a_task_id_or_of_another_model_cannot_be_fetched(ledger: Ledger) -> None:
    _, without = ledger.unknown_record()
    _, other = ledger.unknown_record(task_id="t-1")
    another = replace(ledger.spec, model_id="another")
    with pytest.raises(Conflict):
        database.refetch(ledger.db, [without], models=Models([ledger.spec]))
    with pytest.raises(Conflict):
        database.refetch(ledger.db, [other], models=Models([another]))
    assert database.refetch(ledger.db, None, models=Models([another])).records == 0


def test_resubmitting_leaves_the_earlier_charge_unresolved(ledger: Ledger) -> None:
    _, record_id = ledger.unknown_record(task_id="t-1")
    assert database.resubmit(ledger.db, [record_id], models=Models([ledger.spec])).records == 1
    record = ledger.charge_next("t-2")
    assert record.task_id is None
    ledger.finish(record)
    assert ledger.outcomes() == ["unknown", "billed"]
    [charge] = database.list_unresolved(ledger.db, limit=9)
    assert (charge.at_stake, charge.is_unknown, charge.collectable) == (PRICE, False, False)


def test_resubmitting_all_takes_only_records_that_cannot_be_fetched(ledger: Ledger) -> None:
    ledger.unknown_record(task_id="t-1")
    _, without = ledger.unknown_record()
    assert database.resubmit(ledger.db, None, models=Models([ledger.spec])).records == 1
    assert ledger.record(without).status is Status.QUEUED


def test_resubmitting_does_not_resume_a_paused_batch(ledger: Ledger) -> None:
    batch_id, ids = ledger.queue(2)
    ledger.lose(ledger.charge_next())
    database.pause_batch(ledger.db, batch_id)
    done = database.resubmit(ledger.db, ids[:1], models=Models([ledger.spec]))
    assert (done.records, done.waiting) == (1, 1)
    assert ledger.claim() is None


@pytest.mark.parametrize(("billed", "outcome"), [(True, "billed"), (False, "not_billed")])
def test_a_written_off_charge_counts_as_the_user_states(ledger: Ledger, billed: bool, outcome: str) -> None:
    batch_id, record_id = ledger.unknown_record(task_id="t-1")
    settled = database.resolve_charges(ledger.db, [record_id], billed=billed)
    assert (settled.records, settled.amount) == (1, PRICE)
    record = ledger.record(record_id)
    assert (record.status, record.cause) == (Status.CANCELLED, "dropped")
    assert (record.cost, record.at_stake) == (PRICE if billed else Decimal(0), Decimal(0))
    assert database.committed_spend(ledger.db) == (PRICE if billed else 0)
    [line] = database.list_charges(ledger.db, *EVER)
    assert line.outcome == outcome
    assert line.resolved_at
    assert "放弃 1 张" in str(database.list_log(ledger.db, batch_id)[-1].text)


def test_a_written_off_record_is_never_resubmitted_automatically(ledger: Ledger) -> None:
    batch_id, record_id = ledger.unknown_record()
    database.resolve_charges(ledger.db, None, billed=False)
    assert database.retry_records(ledger.db, batch_id, models=Models([ledger.spec])).number == 0
    assert ledger.claim() is None
    with pytest.raises(Conflict):
        database.resubmit(ledger.db, [record_id], models=Models([ledger.spec]))


def test_writing_off_can_be_undone(ledger: Ledger) -> None:
    _, record_id = ledger.unknown_record(task_id="t-1")
    before = ledger.record(record_id)
    settled = database.resolve_charges(ledger.db, None, billed=True)
    assert database.undo_resolution(ledger.db, settled.undo) == 1
    after = ledger.record(record_id)
    assert (after.status, after.error, after.cause) == (Status.UNKNOWN, before.error, before.cause)
    assert (after.cost, after.at_stake) == (Decimal(0), PRICE)
    assert database.refetch(ledger.db, [record_id], models=Models([ledger.spec])).records == 1
    assert database.undo_resolution(ledger.db, settled.undo) == 0


def test_a_charge_of_a_finished_record_is_resolved_without_changing_the_image(ledger: Ledger) -> None:
    _, record_id = ledger.unknown_record()
    database.resubmit(ledger.db, None, models=Models([ledger.spec]))
    ledger.finish(ledger.charge_next())
    database.resolve_charges(ledger.db, [record_id], billed=False)
    record = ledger.record(record_id)
    assert (record.status, record.cost, record.at_stake) == (Status.SUCCESS, PRICE, Decimal(0))
    with pytest.raises(Conflict):
        database.resolve_charges(ledger.db, [record_id], billed=False)


def test_an_image_that_arrives_late_overrides_a_manual_resolution(ledger: Ledger) -> None:
    batch_id, record_id = ledger.unknown_record(task_id="t-1")
    database.resolve_charges(ledger.db, None, billed=False)
    database.retry_records(ledger.db, batch_id, [record_id], models=Models([ledger.spec]))
    ledger.finish(ledger.claimed())
    assert ledger.outcomes() == ["billed"]
    assert ledger.record(record_id).cost == PRICE


def test_a_resolution_that_an_image_has_overridden_is_not_undone(ledger: Ledger) -> None:
    batch_id, record_id = ledger.unknown_record(task_id="t-1")
    settled = database.resolve_charges(ledger.db, None, billed=False)
    database.retry_records(ledger.db, batch_id, [record_id], models=Models([ledger.spec]))
    ledger.finish(ledger.claimed())
    assert database.undo_resolution(ledger.db, settled.undo) == 0
    assert ledger.outcomes() == ["billed"]


def test_a_failure_does_not_override_a_manual_resolution(ledger: Ledger) -> None:
    batch_id, record_id = ledger.unknown_record(task_id="t-1")
    database.resolve_charges(ledger.db, None, billed=True)
    database.retry_records(ledger.db, batch_id, [record_id], models=Models([ledger.spec]))
    record = ledger.claimed()
    database.fail_record(ledger.db, record, ModelError("违规", cause="moderation", billed=Billed.NO))
    assert ledger.outcomes() == ["billed"]


@pytest.mark.sqlite  # PostgreSQL chooses by the size of the table
@pytest.mark.parametrize(
    "sql",
    [
        "SELECT outcome, count(*), sum(price_micros) FROM charges WHERE batch_id = 'a' GROUP BY outcome",
        "SELECT count(DISTINCT record_id) FROM charges WHERE outcome = 'unknown'",
    ],
)
def test_sums_are_read_from_an_index_alone(db: database.Connection, sql: str) -> None:
    plan = " ".join(row["detail"] for row in db.execute(f"EXPLAIN QUERY PLAN {sql}"))
    assert "COVERING INDEX" in plan


def test_totals_follow_every_change_of_the_ledger(ledger: Ledger) -> None:
    ledger.queue(3)
    ledger.finish(ledger.charge_next())
    ledger.lose(ledger.charge_next())
    ledger.charge_next()
    database.resolve_charges(ledger.db, None, billed=True)
    ledger.db.execute("DELETE FROM charges WHERE outcome = 'open'")
    [by_hour] = database.spend_by_span(ledger.db, ["2000-01-01 00:00:00", "2100-01-01 00:00:00"])
    [by_line] = database.spend_by_span(ledger.db, ["2000-01-01 00:00:01", "2100-01-01 00:00:00"])
    assert by_hour == by_line == {MODEL: database.total_spend(ledger.db)}


def test_budgets_are_set_one_by_one_and_removed(settings: Settings) -> None:
    client = create_app(replace(settings, budget=Decimal(50))).test_client()
    assert get(client, "/api/budgets")["budgets"] == {"total": 50.0, "month": None, "batch": None}
    client.put("/api/budgets", json={"month": 20.5, "batch": 3})
    client.put("/api/budgets", json={"total": None})
    answer = get(client, "/api/budgets")
    assert answer["budgets"] == {"total": None, "month": 20.5, "batch": 3.0}
    assert (answer["spent"], answer["unresolved"]) == ({"total": 0.0, "month": 0.0}, 0.0)
    assert get(client, "/api/models")["budget"] is None


@pytest.mark.parametrize("wrong", [-1, 10_000_001, 0.005, "20", True, [], float("nan"), float("inf")])
def test_a_wrong_budget_is_refused_with_one_sentence(client: FlaskClient, wrong: object) -> None:
    refused = client.put("/api/budgets", json={"total": 7, "month": wrong})
    assert refused.status_code == 400
    assert refused.get_json()["field"] == "month"
    assert "本月预算应为 0–10000000 的金额（元）" in refused.get_json()["error"]
    assert get(client, "/api/budgets")["budgets"]["total"] is None


def test_a_budget_is_refused_while_the_price_is_unknown(settings: Settings) -> None:
    settings = replace(settings, image_model="openai", openai_base_url="http://127.0.0.1:9/v1")
    client = create_app(settings).test_client()
    refused = client.put("/api/budgets", json={"batch": 5})
    assert (refused.status_code, "先在「模型与密钥」里填价格" in refused.get_json()["error"]) == (409, True)
    assert client.put("/api/budgets", json={"batch": None}).status_code == 200


def test_what_a_batch_used_is_told_with_its_id(ledger: Ledger, settings: Settings) -> None:
    batch_id, _ = ledger.unknown_record()
    ledger.queue()
    ledger.charge_next()
    answer = get(create_app(settings).test_client(), f"/api/budgets?batch_id={batch_id}")
    assert answer["spent"] == {"total": 0.44, "month": 0.44, "batch": 0.22}
    assert answer["unresolved"] == 0.22
