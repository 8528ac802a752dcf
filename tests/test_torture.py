"""A few rounds of torture, and the judge of all rounds: that it can say no."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

import database
from app.config import Settings
from app.domain import GeneratedImage, ImageRequest, ModelSpec, Record
from app.errors import Billed, ModelError
from app.images import store
from tests.fakes.images import make_image
from tests.torture import table
from tests.torture.__main__ import play
from tests.torture.judge import Ordered, judge, judge_deleted
from tests.torture.plan import SERVER_MOMENTS, SERVICE_MOMENTS, TROUBLES, make_plan
from tests.torture.round import Fallen, Outcome, surprises_in

SEED = 7
# A full disk under two servers, two servers and three deaths, three more deaths, a batch that is cancelled, a
# locked database, a folder that is read-only, a service out of reach, a clock that jumps; the database gone
# for a while, replaced, deleted; a request sent twice; a database locked at the line of the ledger.
SHORT = (64, 8, 12, 33, 22, 16, 169, 98, 51, 82, 81, 162, 179)


@pytest.mark.parametrize("number", SHORT)
def test_every_promise_holds_in_a_round(number: int) -> None:
    outcome = play(SEED, number)
    assert outcome.breaches == []
    assert len(outcome.ends) == outcome.plan.rows


def test_a_plan_follows_from_its_seed_and_number_alone() -> None:
    assert make_plan(SEED, 137) == make_plan(SEED, 137)
    assert len({make_plan(SEED, number) for number in range(200)}) == 200


def test_two_hundred_plans_cover_every_crash_point_fault_and_service() -> None:
    plans = [make_plan(1, number) for number in range(1, 201)]
    moments = {death.moment for plan in plans for death in plan.deaths}
    assert {*SERVER_MOMENTS, *SERVICE_MOMENTS} <= moments
    assert {plan.trouble.kind for plan in plans if plan.trouble} == set(TROUBLES)
    assert {plan.service for plan in plans} == {"jimeng", "seedream", "openai", "openai-url", "sdapi"}
    assert {plan.servers for plan in plans} == {1, 2}


class Scene:
    """What a round may leave: one picture kept, one refused, one that nobody knows of."""

    def __init__(self, settings: Settings, db: database.Connection, spec: ModelSpec) -> None:
        self.settings = settings
        self.db = db
        requests = [ImageRequest(prompt=f"第 {n} 张") for n in (1, 2, 3)]
        database.add_batch(db, requests, spec=spec, stems=["一", "二", "三"], is_taken=lambda _: False)
        kept, refused, unknown = (self._ordered() for _ in requests)
        self.keep(kept)
        database.fail_record(db, refused, ModelError("审核", cause="moderation", billed=Billed.NO))
        database.fail_record(db, unknown, ModelError("断线", cause="network", billed=Billed.UNKNOWN))
        self.orders = [
            Ordered(number=1, prompt="第 1 张", billed=True),
            Ordered(number=2, prompt="第 2 张", billed=False),
            Ordered(number=3, prompt="第 3 张", billed=True),
        ]

    def _ordered(self) -> Record:
        record = database.claim_record(self.db, model="test-1", owner="me", now=0.0, lease=20.0)
        assert record is not None
        database.open_charge(self.db, record, price=Decimal("0.22"), budget=None)
        return record

    def keep(self, record: Record) -> None:
        text = store.embed_parameters(record.request, None, record.model, record.id, None)
        kept = store.save_image(
            GeneratedImage(content=make_image(64, 64, number=1)),
            output_dir=self.settings.output_dir,
            stem=record.reserved_stem,
            record_id=record.id,
            embed=text,
        )
        database.finish_record(self.db, record, kept)

    @property
    def file(self) -> Path:
        return self.settings.output_dir / "一.png"

    def judged(self) -> str:
        return "\n".join(judge(self.settings.database_path, self.settings.output_dir, self.orders))

    def spoil(self, sql: str) -> None:
        with closing(sqlite3.connect(self.settings.database_path)) as db, db:
            db.execute(sql)


@pytest.fixture
def scene(settings: Settings, db: database.Connection, spec: ModelSpec) -> Scene:
    return Scene(settings, db, spec)


def test_the_verifier_finds_no_breach_in_a_correct_outcome(scene: Scene) -> None:
    assert scene.judged() == ""


def test_after_a_deleted_database_the_verifier_checks_only_the_ledger_and_the_files(scene: Scene) -> None:
    def judged() -> str:
        found = judge_deleted(scene.settings.database_path, scene.settings.output_dir, scene.orders)
        return "\n".join(found)

    scene.spoil("UPDATE generation_records SET status = 'running' WHERE id > 1")
    scene.spoil("UPDATE charges SET outcome = 'open'")
    assert judged() == ""
    scene.orders.append(replace(scene.orders[2], number=9))
    assert "billed 2 times" in judged()
    assert "more often than the ledger knows" in judged()
    cut(scene)
    assert "does not decode" in judged()


def bill_twice(scene: Scene) -> None:
    scene.orders.append(replace(scene.orders[0], number=9))


def bill_the_refused(scene: Scene) -> None:
    scene.orders[1] = replace(scene.orders[1], billed=True)


def bill_nobody(scene: Scene) -> None:
    scene.orders[0] = replace(scene.orders[0], billed=False)


def mix_up(scene: Scene) -> None:
    scene.orders[0], scene.orders[2] = (
        replace(scene.orders[0], number=3),
        replace(scene.orders[2], number=1),
    )


def order_for_nobody(scene: Scene) -> None:
    scene.orders.append(Ordered(number=9, prompt="第 9 张", billed=True))


def cut(scene: Scene) -> None:
    scene.file.write_bytes(scene.file.read_bytes()[:-60])


def orphan(scene: Scene) -> None:
    scene.file.with_name("二.png").write_bytes(scene.file.read_bytes())


def half_written(scene: Scene) -> None:
    scene.file.with_name(".0123456789abcdef.part").touch()


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (bill_twice, "billed 2 times"),
        (bill_the_refused, "billed and lost"),
        (bill_nobody, "knows nothing of"),
        (mix_up, "another order's picture"),
        (order_for_nobody, "no record wants"),
        (cut, "does not decode"),
        (orphan, "a file without a record: 二.png"),
        (half_written, "half-written"),
        (lambda scene: scene.file.unlink(), "success without a file"),
        (lambda scene: scene.spoil("UPDATE generation_records SET status = 'running'"), "never ended"),
        (lambda scene: scene.spoil("UPDATE charges SET outcome = 'open' WHERE id = 1"), "open line"),
        (lambda scene: scene.spoil("UPDATE charges SET outcome = 'not_billed'"), "the ledger says"),
        (lambda scene: scene.spoil("UPDATE charges SET outcome = 'unknown' WHERE id = 1"), "in doubt"),
        (lambda scene: scene.spoil("DELETE FROM charges"), "more often than the ledger knows"),
        (lambda scene: scene.spoil("UPDATE generation_records SET cost_micros = 0"), "costs 0"),
        (lambda scene: scene.spoil("UPDATE generation_records SET error = ''"), "without a reason"),
        (lambda scene: scene.spoil("UPDATE generation_records SET filename = '一.png'"), "names a file"),
        (
            lambda scene: scene.spoil(
                "UPDATE generation_records SET filename = '一.png', status = 'success'"
            ),
            "names given twice",
        ),
        (lambda scene: scene.spoil("UPDATE generation_records SET width = 65"), "says 65x64"),
        (
            lambda scene: scene.spoil("UPDATE generation_records SET sha256 = 'ab'"),
            "not the one that was kept",
        ),
    ],
)
def test_the_verifier_reports(scene: Scene, spoil: Callable[[Scene], None], complaint: str) -> None:
    spoil(scene)
    assert complaint in scene.judged()


def test_the_report_lists_each_crash_and_every_breach() -> None:
    fallen = Fallen(
        moment="ledger written",
        very=1,
        in_hand={1: "in doubt", 2: "ticket", 3: "in doubt"},
        ended={1: "unknown", 2: "success", 3: "success"},
    )
    plan = make_plan(1, 1)
    outcome = Outcome(plan=plan, breaches=["billed 2 times"], ends={1: "unknown"}, fallen=[fallen])
    text = table.report([outcome], seed=1, seconds=3.0)
    assert "| ledger written | 1 | 1 of 1 | 2 | 0 | 1 | 1 |" in text
    assert "left the very picture `unknown`: ledger written 1 of 1." in text
    assert "Broken in 1 of 1 rounds" in text
    assert "round 1: billed 2 times" in text
    assert "All held in all 1 rounds" in table.report([replace(outcome, breaches=[])], seed=1, seconds=3.0)


def test_an_unexpected_error_is_read_from_the_log() -> None:
    log = '… trace="Traceback…\\nerrors.StorageError: locked"\n… trace="Traceback…\\nKeyError: \'x\'"\n'
    assert surprises_in(log) == ["KeyError: 'x'"]
