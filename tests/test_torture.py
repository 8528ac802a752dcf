"""A few rounds of torture, and proof that its checks find every kind of breach."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from functools import partial
from pathlib import Path
from queue import Queue
from typing import Any
from unittest.mock import Mock

import pytest
import requests

import database
import oss_client
from app.config import Settings
from app.domain import GeneratedImage, ImageRequest, Models, ModelSpec, Record, SavedImage
from app.errors import Billed, ModelError
from app.images import metadata, sidecar, store
from app.images.metadata import format_parameters
from tools import orders
from tools.fakes.images import make_image, with_manifest
from tools.fakes.oss import FakeOss
from tools.postgres_server import PostgresServer, is_installed
from tools.torture import report
from tools.torture.__main__ import run_round
from tools.torture.chaos import Crash
from tools.torture.checks import FinalState, Submission, find_breaches, find_breaches_after_deletion
from tools.torture.cluster import postgres_servers
from tools.torture.plan import (
    CLUSTER_DISRUPTIONS,
    CRASH_POINTS,
    DISRUPTIONS,
    KILLED,
    OLDER_COPIES,
    PROCESSES,
    SERVER_POINTS,
    SERVICE_POINTS,
    STEPS,
    make_plan,
)
from tools.torture.round import Outcome, unexpected_errors_in
from tools.torture.site import PREFIX, read_file, state_in_oss, state_of_files
from tools.torture.visitor import Visitor

pytestmark = pytest.mark.sqlite  # the rounds on PostgreSQL start a server of their own
SEED = 7
# A full disk under two servers, three crashes, an unreachable service; a person's limit with a read-only
# folder, with a clock that jumps under three servers, with the database missing for a while and replaced; the
# database deleted; a request sent twice; a database locked when a charge is opened; an older copy put back
# after kill -9, with two servers and crashes (tests/worker/test_older_store.py: under the running server).
SHORT = (64, 12, 82, 7)
LONG = [pytest.param(number, marks=pytest.mark.rest) for number in (16, 169, 250, 51, 81, 162, 179)]
# PostgreSQL killed, then a worker with another BUDGET; the clock of another an hour wrong, a crash.
OF_MACHINES = (33,)


@pytest.mark.parametrize("number", [*SHORT, *LONG])
def test_every_promise_holds_in_a_round(number: int) -> None:
    outcome = run_round(SEED, number)
    assert outcome.breaches == []


@pytest.fixture(scope="module")
def servers() -> Iterator[Queue[PostgresServer]]:
    with postgres_servers(1) as opened:
        yield opened


@pytest.mark.rest
@pytest.mark.skipif(not is_installed(), reason="PostgreSQL is not installed here")
@pytest.mark.parametrize("number", OF_MACHINES)
def test_every_promise_holds_in_a_round_of_several_machines(
    number: int, servers: Queue[PostgresServer]
) -> None:
    outcome = run_round(SEED, number, servers)
    assert outcome.breaches == []


def test_a_plan_follows_from_its_seed_and_number_alone() -> None:
    assert make_plan(SEED, 137) == make_plan(SEED, 137)
    assert len({make_plan(SEED, number) for number in range(200)}) == 200


def test_two_hundred_plans_cover_every_crash_point_fault_and_service() -> None:
    plans = [make_plan(1, number) for number in range(1, 201)]
    points = {planned_crash.point for plan in plans for planned_crash in plan.crashes}
    assert {*SERVER_POINTS, *SERVICE_POINTS} <= points
    assert {each.kind for plan in plans for each in plan.disruptions} == {*DISRUPTIONS, *OLDER_COPIES}
    assert {plan.service for plan in plans} == STEPS.keys()
    assert {plan.servers for plan in plans} == {1, 2, 3}
    assert {plan.servers for plan in plans if plan.steps.limit} == {2, 3}


def test_two_hundred_plans_of_several_machines_cover_every_crash_point_and_disruption() -> None:
    plans = [make_plan(1, number, "postgres") for number in range(1, 201)]
    crashes = [planned_crash for plan in plans for planned_crash in plan.crashes]
    assert {*CRASH_POINTS, *SERVICE_POINTS} <= {each.point for each in crashes}
    assert {each.process for each in crashes} == set(range(len(PROCESSES)))
    assert {each.kind for plan in plans for each in plan.disruptions} == {*CLUSTER_DISRUPTIONS, KILLED}
    assert any(plan.is_calm for plan in plans)
    assert {clock for plan in plans for clock in plan.clocks} == {0.0, 12.0, -12.0, 3_600.0, -3_600.0}


class Scenario:
    """A finished round: one success, one refusal, one unknown."""

    def __init__(self, settings: Settings, db: database.Connection, spec: ModelSpec) -> None:
        self.settings = settings
        self.db = db
        self.at_once = (2, 2)
        self.seen = {f"第 {n} 张" for n in (1, 2, 3)}
        self.limits: dict[int, int | None] = {}
        requests = [ImageRequest(prompt=f"第 {n} 张") for n in (1, 2, 3)]
        orders.add_batch(
            db, requests, models=Models([spec]), stems=["一", "二", "三"], is_taken=lambda _: False
        )
        saved, refused, unknown = (self._submitted() for _ in requests)
        self.save(saved)
        database.fail_record(db, refused, ModelError("审核", cause="moderation", billed=Billed.NO))
        database.fail_record(db, unknown, ModelError("断线", cause="network", billed=Billed.UNKNOWN))
        self.submissions = [
            Submission(number=1, prompt="第 1 张", billed=True),
            Submission(number=2, prompt="第 2 张", billed=False),
            Submission(number=3, prompt="第 3 张", billed=True),
        ]

    def _submitted(self) -> Record:
        record = database.claim_record(self.db, model="test-1", owner="me", now=0.0, lease=20.0)
        assert record is not None
        database.open_charge(self.db, record, price=Decimal("0.22"), budget=None)
        return record

    def save(self, record: Record) -> None:
        text = format_parameters(record.request, None, record.model, record.id, None)
        saved = store.save_image(
            GeneratedImage(content=with_manifest(make_image(64, 64, number=1))),
            output_dir=self.settings.output_dir,
            stem=record.reserved_stem,
            record_id=record.id,
            embed=text,
        )
        database.finish_record(self.db, record, self.stored(saved))

    def stored(self, saved: SavedImage) -> SavedImage:
        """The image where it belongs."""
        return saved

    @property
    def file(self) -> Path:
        return self.settings.output_dir / "一.png"

    @property
    def state(self) -> FinalState:
        return state_of_files(self.settings.database_path, self.settings.output_dir, self.submissions)

    def breaches(self, find: Callable[[FinalState], list[str]] = find_breaches) -> str:
        state = self.state
        state.rows, state.at_once = 3, self.at_once
        state.seen, state.limits = self.seen, self.limits
        return "\n".join(find(state))

    def corrupt(self, how: str | Callable[[Any], None]) -> None:
        """Run a statement, or a function of this file on the scenario."""
        self.db.execute(how) if isinstance(how, str) else how(self)


class ScenarioInOss(Scenario):
    """The same with the image in OSS."""

    key = f"{PREFIX}一-0123456789ab.png"

    def stored(self, saved: SavedImage) -> SavedImage:
        names = (self.key, f"{PREFIX}.thumbnails/一-0123456789ab.png.webp", f"{PREFIX}.probe")
        (text,) = sidecar.files(self.file.parent, saved.sha256)
        self.objects = dict.fromkeys(names, self.file.read_bytes())
        self.objects[f"{PREFIX}.parameters/{text.name}"] = text.read_bytes()
        self.file.unlink()
        return replace(saved, oss_key=self.key)

    @property
    def state(self) -> FinalState:
        read = partial(read_file, self.settings.database_path)
        return state_in_oss(read, self.objects, [self.settings.output_dir], self.submissions)


@pytest.fixture
def scenario(settings: Settings, db: database.Connection, spec: ModelSpec) -> Scenario:
    return Scenario(settings, db, spec)


@pytest.fixture
def in_oss(settings: Settings, db: database.Connection, spec: ModelSpec) -> ScenarioInOss:
    return ScenarioInOss(settings, db, spec)


@pytest.mark.parametrize("place", ["scenario", "in_oss"])
def test_the_verifier_finds_no_breach_in_a_correct_outcome(
    request: pytest.FixtureRequest, place: str
) -> None:
    assert request.getfixturevalue(place).breaches() == ""


def test_after_a_deleted_database_the_verifier_checks_only_the_ledger_and_the_files(
    scenario: Scenario,
) -> None:
    breaches = partial(scenario.breaches, find_breaches_after_deletion)
    scenario.corrupt("UPDATE generation_records SET status = 'running' WHERE id > 1")
    scenario.corrupt("UPDATE charges SET outcome = 'open'")
    assert breaches() == ""
    scenario.submissions.append(replace(scenario.submissions[2], number=9))
    assert "billed 2 times" in breaches()
    assert "more often than the ledger says" in breaches()
    cut(scenario)
    assert "does not decode" in breaches()


def bill_twice(scenario: Scenario) -> None:
    scenario.submissions.append(replace(scenario.submissions[0], number=9))


def bill_refused(scenario: Scenario) -> None:
    scenario.submissions[1] = replace(scenario.submissions[1], billed=True)


def bill_none(scenario: Scenario) -> None:
    scenario.submissions[0] = replace(scenario.submissions[0], billed=False)


def mix_up(scenario: Scenario) -> None:
    scenario.submissions[0], scenario.submissions[2] = (
        replace(scenario.submissions[0], number=3),
        replace(scenario.submissions[2], number=1),
    )


def submit_without_record(scenario: Scenario) -> None:
    scenario.submissions.append(Submission(number=9, prompt="第 9 张", billed=True))


def cut(scenario: Scenario) -> None:
    scenario.file.write_bytes(scenario.file.read_bytes()[:-60])


def orphan(scenario: Scenario) -> None:
    scenario.file.with_name("二.png").write_bytes(scenario.file.read_bytes())


def half_written(scenario: Scenario) -> None:
    scenario.file.with_name(".0123456789abcdef.part").touch()


def parameters_in(scenario: Scenario) -> Path:
    """What lies beside the picture."""
    return next(scenario.file.parent.glob(".parameters/*/*.txt"))


def limit_to(scenario: Scenario, limit: int, person: str) -> None:
    scenario.db.execute(f"UPDATE charges SET person_id = {person}")
    scenario.limits = {7: limit}


def embed_too(scenario: Scenario) -> None:
    scenario.file.write_bytes(b"".join(metadata.embed(scenario.file.read_bytes(), "png", "Seed: 1")))


@pytest.mark.parametrize(
    ("corrupt", "breach"),
    [
        (bill_twice, "billed 2 times"),
        (bill_refused, "billed and lost"),
        (bill_none, "without a charged submission"),
        (mix_up, "another submission's image"),
        (submit_without_record, "without a record"),
        (lambda scenario: limit_to(scenario, 439_999, "7"), "440000 micro-yuan are of person 7"),
        (lambda scenario: limit_to(scenario, 440_000, "NULL"), "a charge of record 1 is of nobody"),
        (lambda scenario: setattr(scenario, "at_once", (3, 2)), "3 were under way at once, not 2"),
        ("DELETE FROM generation_records WHERE id = 2", "3 rows were ordered, there are 2 records"),
        ("UPDATE generation_records SET fingerprint = 'f'", "3 records have the fingerprint 'f'"),
        (cut, "does not decode"),
        (orphan, "a file without a record: 二.png"),
        (half_written, "partial file"),
        (lambda scenario: parameters_in(scenario).unlink(), "of record None"),
        (embed_too, "is signed and was changed"),
        (
            lambda scenario: parameters_in(scenario).rename(parameters_in(scenario).with_name("a-99.txt")),
            "parameters without a record",
        ),
        (lambda scenario: scenario.file.unlink(), "success without a file"),
        ("UPDATE generation_records SET status = 'running'", "did not end"),
        ("UPDATE charges SET outcome = 'open' WHERE id = 1", "open charge"),
        ("UPDATE charges SET outcome = 'not_billed'", "the ledger says"),
        ("UPDATE charges SET outcome = 'unknown' WHERE id = 1", "charge is unknown"),
        ("DELETE FROM charges", "more often than the ledger says"),
        ("UPDATE generation_records SET cost_micros = 0", "costs 0"),
        ("UPDATE charge_totals SET number = number + 1", "the rows give"),
        ("UPDATE charges_by_hour SET micros = 1", "the rows give"),
        ("UPDATE record_counts SET number = number + 1", "the rows give"),
        ("DELETE FROM counts_by_day", "the rows give"),
        ("UPDATE generation_records SET error = ''", "without a reason"),
        (lambda scenario: scenario.seen.discard("第 2 张"), "failed, and the service never saw it"),
        ("UPDATE generation_records SET filename = '一.png'", "names a file"),
        ("UPDATE generation_records SET filename = '一.png', status = 'success'", "duplicate names"),
        ("UPDATE generation_records SET width = 65", "says 65x64"),
        ("UPDATE generation_records SET sha256 = 'ab'", "not the one that was saved"),
    ],
)
def test_the_verifier_reports(
    scenario: Scenario, corrupt: str | Callable[[Scenario], None], breach: str
) -> None:
    scenario.corrupt(corrupt)
    assert breach in scenario.breaches()


def cut_object(scenario: ScenarioInOss) -> None:
    scenario.objects[scenario.key] = scenario.objects[scenario.key][:-60]


def orphan_object(scenario: ScenarioInOss) -> None:
    scenario.objects[f"{PREFIX}二-0123456789ab.png"] = b""


def lose_parameters(scenario: ScenarioInOss) -> None:
    del scenario.objects[next(key for key in scenario.objects if key.endswith(".txt"))]


def left_on_a_machine(scenario: ScenarioInOss) -> None:
    folder = scenario.settings.output_dir / ".saving"
    folder.mkdir()
    (folder / "3.png").touch()


@pytest.mark.parametrize(
    ("corrupt", "breach"),
    [
        (bill_twice, "billed 2 times"),
        (lambda scenario: scenario.objects.clear(), "success without a file"),
        ("DELETE FROM output_copies", "success without a file"),
        (cut_object, "does not decode"),
        (orphan_object, "a file without a record: made/二"),
        ("UPDATE generation_records SET status = 'failed' WHERE id = 1", "a file without a record: made/一"),
        (left_on_a_machine, "3.png"),
        (lose_parameters, "of record None"),
    ],
)
def test_the_verifier_reports_of_images_in_oss(
    in_oss: ScenarioInOss, corrupt: str | Callable[[ScenarioInOss], None], breach: str
) -> None:
    in_oss.corrupt(corrupt)
    assert breach in in_oss.breaches()


def test_the_report_lists_each_crash_and_every_breach() -> None:
    crashes = Crash(
        point="charge opened",
        victim=1,
        claimed={1: "charge open", 2: "task id stored", 3: "charge open"},
        ended={1: "unknown", 2: "success", 3: "success"},
    )
    plan = make_plan(1, 1)
    outcome = Outcome(plan=plan, breaches=["billed 2 times"], ends={1: "unknown"}, crashes=[crashes])
    text = report.render_report([outcome], seed=1, seconds=3.0)
    assert "| charge opened | 1 | 1 of 1 | 2 | 0 | 1 | 1 |" in text
    assert "left the victim `unknown`: charge opened 1 of 1." in text
    assert "Breaches in 1 of 1 rounds" in text
    assert "round 1: billed 2 times" in text
    assert "No breach in 1 rounds" in report.render_report(
        [replace(outcome, breaches=[])], seed=1, seconds=3.0
    )


def test_html_that_oss_answers_by_plan_is_no_breach_and_another_picture_is_one(
    oss: FakeOss, settings: Settings
) -> None:
    oss.put("一.png", b"another picture")
    oss.fail_next("html")
    to_oss = requests.Response()
    bucket = oss_client.Bucket(replace(settings, **oss.settings()))
    to_oss.headers["Location"] = bucket.signed_url("一.png", seconds=60)
    picture = {"filename": "一.png", "sha256": "ab"}
    visitor = Visitor(Mock(**{"read.return_value": [picture]}), log_in=lambda: None, seed="1")
    numbers = []
    for _ in range(2):
        visitor._download(Mock(**{"send.return_value": to_oss}))
        numbers.append(len(visitor.breaches))
    assert numbers == [0, 1]


def test_an_unexpected_error_is_read_from_the_log() -> None:
    log = '… trace="Traceback…\\napp.errors.DatabaseError: locked"\n… trace="Traceback…\\nKeyError: \'x\'"\n'
    assert unexpected_errors_in(log) == ["KeyError: 'x'"]
