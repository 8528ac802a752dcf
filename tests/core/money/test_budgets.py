"""Budgets: none is exceeded, whichever threads and processes submit; those of the page supersede BUDGET."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

import database
from app.config import Settings
from app.core.money import budgets as db_budgets
from app.domain import BudgetScope
from app.errors import Billed, ModelError
from tests.core.queue import queue
from tests.core.queue.queue import CAT, LOST, MODELS, PRICE, REFUSED, claim

SCOPES = list(BudgetScope)
ROOT = Path(__file__).parents[3]


def batch_of(db: database.Connection, number: int) -> str:
    return queue.add(db, *[CAT] * number)[0]


def budget_of(db: database.Connection, scope: BudgetScope, batch_id: str | None = None) -> tuple[str, str]:
    """(limit, spent) of a budget."""
    budget = database.list_budgets(db, default=None, batch_id=batch_id)[scope]
    return str(budget.limit), str(budget.spent)


@pytest.mark.parametrize("scope", SCOPES)
def test_the_reason_names_the_budget_and_what_is_left(db: database.Connection, scope: BudgetScope) -> None:
    batch_of(db, 3)
    database.set_budgets(db, {scope: Decimal("0.50")})
    queue.charged(db)
    queue.charged(db)
    label = {"total": "总预算", "month": "本月预算", "batch": "每批预算"}[scope]
    with pytest.raises(database.BudgetReached, match=f"^{label} ¥0.50 只剩 ¥0.06，.*调高预算"):
        queue.charged(db)
    assert queue.spent(db) == 2 * PRICE


def test_the_budget_with_the_least_left_is_named(db: database.Connection) -> None:
    batch_of(db, 2)
    database.set_budgets(db, {BudgetScope.TOTAL: Decimal("0.40"), BudgetScope.MONTH: Decimal("0.30")})
    queue.charged(db)
    with pytest.raises(database.BudgetReached, match=r"^本月预算"):
        queue.charged(db)


def test_each_batch_has_its_own_budget(db: database.Connection) -> None:
    database.set_budgets(db, {BudgetScope.BATCH: Decimal("0.25")})
    first, second = batch_of(db, 1), batch_of(db, 1)
    queue.charged(db)
    queue.charged(db)
    assert {budget_of(db, BudgetScope.BATCH, each) for each in (first, second)} == {("0.25", "0.22")}


@pytest.mark.parametrize(
    ("offset", "before"), [("2026-10-31 16:00", "2026-10-31 15:59"), ("2026-10-31 18:30", "2026-10-31 18:29")]
)
def test_only_what_was_submitted_this_month_counts_against_its_budget(
    db: database.Connection, monkeypatch: pytest.MonkeyPatch, offset: str, before: str
) -> None:
    start = datetime.strptime(offset, "%Y-%m-%d %H:%M").replace(tzinfo=UTC)
    monkeypatch.setattr(db_budgets, "month_start", lambda: start)
    batch_of(db, 4)
    for opened_at in (
        *(f"{before}:59.999", f"{offset}:00.000"),
        *("2026-10-31 18:59:59.999", "2026-11-30 10:00:00.000"),
    ):
        record = queue.charged(db)
        db.execute("UPDATE charges SET opened_at = ? WHERE record_id = ?", [opened_at, record.id])
    assert budget_of(db, BudgetScope.MONTH) == ("None", "0.66")


def test_the_month_is_that_of_the_time_zone_of_this_machine() -> None:
    local = db_budgets.month_start().astimezone()
    assert (local.day, local.hour, local.minute, local.month) == (1, 0, 0, datetime.now().astimezone().month)


def test_a_limit_of_the_page_supersedes_the_setting_also_none(db: database.Connection) -> None:
    batch_of(db, 3)
    queue.charged(db, budget=Decimal("0.30"))
    record = queue.claimed(db)
    with pytest.raises(database.BudgetReached):
        queue.charge(db, record, budget=Decimal("0.30"))
    database.set_budgets(db, {BudgetScope.TOTAL: Decimal("0.50")})
    queue.charge(db, record, budget=Decimal("0.30"))
    database.set_budgets(db, {BudgetScope.TOTAL: None})
    queue.charged(db, budget=Decimal("0.30"))


@pytest.mark.parametrize(
    ("limits", "default", "expected"),
    [
        ({}, None, False),
        ({}, PRICE, True),
        ({BudgetScope.TOTAL: None}, PRICE, False),
        ({BudgetScope.MONTH: PRICE}, None, True),
    ],
)
def test_an_unknown_price_is_refused_where_a_charge_counts_against_a_limit(
    db: database.Connection,
    limits: dict[BudgetScope, Decimal | None],
    default: Decimal | None,
    expected: bool,
) -> None:
    database.set_budgets(db, limits)
    assert db_budgets.has_limits(db, person_id=None, default=default) is expected
    with pytest.raises(database.BudgetReached) if expected else nullcontext():
        db_budgets.require_affordable(db, None, batch_id=None, person_id=None, default=default)


def test_what_was_not_charged_is_available_again(db: database.Connection) -> None:
    batch_of(db, 2)
    database.set_budgets(db, dict.fromkeys(SCOPES, PRICE))
    record = queue.charged(db)
    with pytest.raises(database.BudgetReached):
        queue.charged(db)
    db.execute("UPDATE generation_records SET status = 'queued' WHERE id <> :id", {"id": record.id})
    database.fail_record(db, record, REFUSED)
    queue.charged(db)
    assert {budget_of(db, scope, record.batch_id)[1] for scope in SCOPES} == {"0.22"}


def test_what_may_have_been_charged_counts_against_every_budget(db: database.Connection) -> None:
    batch_of(db, 2)
    database.set_budgets(db, dict.fromkeys(SCOPES, PRICE))
    record = queue.charged(db)
    database.fail_record(db, record, LOST)
    assert {budget_of(db, scope, record.batch_id)[1] for scope in SCOPES} == {"0.22"}
    with pytest.raises(database.BudgetReached):
        queue.charged(db)


@pytest.mark.parametrize("sent", [0, 1])
def test_a_batch_is_resumed_without_budget_while_there_is_something_to_fetch(
    db: database.Connection, sent: int
) -> None:
    batch_id = batch_of(db, 2)
    records = [queue.claimed(db), queue.claimed(db)]
    queue.charge(db, records[sent])
    database.save_task_id(db, records[sent], "t-1")
    wrong_key = ModelError("密钥不对", cause="key", billed=Billed.NO, pauses_batch=True, task_valid=True)
    for record, error in ((records[sent], wrong_key), (records[1 - sent], None)):
        database.requeue_record(db, record, not_before=0.0, error=error)
    database.pause_batch(db, batch_id, "密钥不对", stops_fetching=True)
    database.set_budgets(db, {BudgetScope.TOTAL: PRICE})
    database.check_affordable(db, batch_id, models=MODELS, budget=None)
    queue.set_fields(db, "status = 'failed'", records[sent].id)
    with pytest.raises(database.BudgetReached):
        database.check_affordable(db, batch_id, models=MODELS, budget=None)


SUBMIT = """
import sys, threading
from contextlib import closing
from decimal import Decimal
from pathlib import Path
import database

def submit():
    with closing(database.connect(sys.argv[2] or Path(sys.argv[1]))) as db:
        while record := database.claim_record(db, model="test-1", owner="me", now=1e6, lease=20.0):
            try:
                database.open_charge(db, record, price=Decimal("0.22"), budget=None)
            except database.BudgetReached:
                pass

for _ in sys.stdin:
    threads = [threading.Thread(target=submit) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print("done", flush=True)
"""


@contextmanager
def submitting(settings: Settings) -> Iterator[Callable[[], None]]:
    """Two processes -> what lets them submit all that is queued, each with six threads."""
    command = [sys.executable, "-c", SUBMIT, str(settings.database_path), settings.database_url]
    pipe = subprocess.PIPE
    processes = [subprocess.Popen(command, stdin=pipe, stdout=pipe, cwd=ROOT, text=True) for _ in range(2)]

    def submit() -> None:
        for process in processes:
            assert process.stdin
            process.stdin.write("submit\n")
            process.stdin.flush()
        for process in processes:
            assert process.stdout
            assert process.stdout.readline() == "done\n"

    yield submit
    for process in processes:
        process.communicate(timeout=60)
        assert process.returncode == 0


def test_threads_of_two_processes_exceed_no_budget(settings: Settings, db: database.Connection) -> None:
    with submitting(settings) as submit:
        for scope in SCOPES:
            db.execute("DELETE FROM charges")
            batch_id = batch_of(db, 40)
            database.set_budgets(db, {each: Decimal(5) if each is scope else None for each in SCOPES})
            submit()
            assert budget_of(db, scope, batch_id) == ("5", "4.84")
            assert claim(db) is None


def test_what_was_not_charged_in_the_first_minutes_of_a_month_does_not_count(
    db: database.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = datetime(2026, 10, 31, 18, 30, tzinfo=UTC)
    monkeypatch.setattr(db_budgets, "month_start", lambda: start)
    batch_of(db, 2)
    record = queue.charged(db)
    database.fail_record(db, record, ModelError("没有做", cause="service", billed=Billed.NO))
    queue.charged(db)
    db.execute("UPDATE charges SET opened_at = '2026-10-31 18:40:00.000'")
    assert budget_of(db, BudgetScope.MONTH) == ("None", "0.22")
