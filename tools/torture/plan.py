"""What happens in a round, drawn only from the seed and the number of the round."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace

# The faults that each step of each service can have.
_SUBMIT = ("slow", "silent", "reset", "drop", "cut", "html", "500", "502", "busy", "key", "redirect")
_CORRUPT = ("garbled", "half", "wrong_size")
_POLL = ("slow", "reset", "drop", "cut", "html", "500", "502", "busy", "key")
_DOWNLOAD = ("slow", "reset", "drop", "cut", "502", "dead_url", *_CORRUPT)
STEPS: dict[str, dict[str, tuple[str, ...]]] = {
    "jimeng": {"submit": _SUBMIT, "poll": _POLL, "download": _DOWNLOAD},
    "seedream": {"submit": _SUBMIT, "download": _DOWNLOAD},
    "gemini": {"submit": (*_SUBMIT, *_CORRUPT)},
    "tokenhub": {"submit": _SUBMIT, "download": _DOWNLOAD},
    "openai": {"submit": (*_SUBMIT, *_CORRUPT)},
    "openai-url": {"submit": _SUBMIT, "download": _DOWNLOAD},
    "sdapi": {"submit": (*_SUBMIT, *_CORRUPT)},
}
# Words in a prompt that trigger an error of the fake.
WORDS = {
    "jimeng": ("违禁", "保护词", "审图", "必拒", "画崩", "失踪"),
    "seedream": ("违禁", "必拒"),
    "gemini": ("违禁", "崩"),
    "tokenhub": ("违禁", "上游"),
    "openai": ("违禁", "崩"),
    "openai-url": ("违禁", "崩"),
    "sdapi": ("校验", "崩"),
}

# The services that change a place, and the model where that is another.
CHANGING = {"jimeng": "jimeng_image2image_dream_inpaint", "openai": "", "openai-url": "", "sdapi": ""}
RAISED = 2
FIRST_CHANGE = 900  # the prompts of changes go on from this number of a row

# Points at which the server is killed (kill -9): by the launcher at a step of the server, by an observer of
# the fake service, or by the clock.
SERVER_POINTS = (
    "claimed",
    "charge opened",
    "response read",
    "task id stored",
    "image received",
    "file half written",
    "file written",
    "file published",
    "before finishing",
    "finished",
)
STORED_POINT = "stored in OSS"  # with OSS only
CRASH_POINTS = (*SERVER_POINTS, STORED_POINT)
SERVICE_POINTS = ("submission arrives", "billed, no response", "polled", "mid download")
AT_RANDOM = "any time"
SIGTERM = "SIGTERM"
_TASK_ID_POINTS = ("response read", "task id stored", "polled", "mid download")

DISRUPTIONS = (
    "full disk",
    "full disk, database too",
    "read-only folder",
    "folder missing",
    "locked database",
    "locked at the ledger",
    "database missing",
    "database replaced",
    "database deleted",
    "request sent twice",
    "clock jumps",
    "service out of reach",
    "batch cancelled",
)
# Drawn separately: an earlier copy replaces the database, after all processes were stopped or killed, or
# while they run. The round ends with it.
STOPPED, KILLED, RUNNING = OLDER_COPIES = ("older copy, stopped", "older copy, killed", "older copy, running")
# During these the file at the database's path must not be opened from outside.
MISSING_DATABASE = ("database missing", "database replaced", "database deleted")
# Of machines that share PostgreSQL and OSS; those of one process are done to ``process``.
CLUSTER_DISRUPTIONS = (
    "PostgreSQL killed",
    "power cut",
    "PostgreSQL out of reach",
    "PostgreSQL silent",
    "connections silent for good",
    "cut at COMMIT",
    "OSS out of reach",
    "OSS fails",
    "OSS slow",
    "worker suspended",
    "clock jumps",
    "service out of reach",
    "request sent twice",
    "batch cancelled",
    "settings differ",
    "program upgraded",
    "older program shut out",
)
_OFTEN = (*CLUSTER_DISRUPTIONS[:6], *CLUSTER_DISRUPTIONS[-3:])  # drawn twice
_CALM = ("OSS fails", "OSS slow", "request sent twice")
_OF_A_WORKER = ("worker suspended", "settings differ")
_OF_A_WEB = ("older program shut out",)
_LONG = (*_OF_A_WORKER, "PostgreSQL silent", "program upgraded")
PROCESSES = ("worker 1", "worker 2", "worker 3", "web 1", "web 2")
_WORKERS, _WEBS = (0, 1, 2), (3, 4)
_CLOCK_JUMPS = (20.0, 600.0, 7_200.0, 200_000.0)
_WRONG_CLOCKS = (12.0, 3_600.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A fault of the service at a step of one row, ``times`` over; without a step, a word in its prompt."""

    row: int
    step: str
    kind: str
    times: int = 1
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedCrash:
    """Kill a process when a point is reached for the ``count``-th time, or after ``seconds``."""

    point: str
    count: int
    seconds: float
    pause: float
    process: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedDisruption:
    """A disruption of the machine after ``after`` charges, for ``seconds``.

    ``jump`` is the number of seconds by which the clock jumps, and jumps back at the end. ``process``: whose.
    """

    kind: str
    after: int
    seconds: float
    jump: float
    process: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class UserSteps:
    """What the user does besides submitting.

    sample       the number of rows tried first; 0: none
    ratio        the aspect ratio that the others get when they are released; empty: their own
    budget       the budget of the batch in images, removed when it is reached; 0: none
    is_strict    whether the batch pauses itself after few failures; else it never does
    is_repaired  whether the words of refused rows are changed, and these retried
    killed_at    the step (submit, release, repair) while which the server that got it is killed; empty: none
    killed_after  seconds from the start of that step
    changes      how many pictures are changed in a place, beside the rows
    limit        the monthly limit of the person who orders, in images; raised by RAISED images each time it
                 is reached. 0: one person, who has none
    """

    sample: int
    ratio: str
    budget: int
    is_strict: bool
    is_repaired: bool
    killed_at: str
    killed_after: float
    changes: int = 0
    limit: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One round. In a calm one, no order goes on at the service after its record has ended.

    ``clocks``: by how many seconds the clock of each process is wrong from its start on; empty: none is.
    """

    number: int
    service: str
    rows: int
    concurrency: int
    latency: float
    image_format: str
    busy_code: int
    servers: int
    faults: tuple[Fault, ...]
    crashes: tuple[PlannedCrash, ...]
    disruptions: tuple[PlannedDisruption, ...]
    steps: UserSteps
    store: str = "sqlite"
    password: str = ""
    is_calm: bool = False
    clocks: tuple[float, ...] = ()

    @property
    def is_database_deleted(self) -> bool:
        """Whether the database is deleted for good."""
        return any(each.kind == "database deleted" for each in self.disruptions)

    @property
    def has_older_copy(self) -> bool:
        """Whether the database is replaced by an earlier copy for good."""
        return any(each.kind in OLDER_COPIES for each in self.disruptions)

    @property
    def loses_database(self) -> bool:
        """Whether the round ends with its disruption, as the database is not the same from then on."""
        return self.is_database_deleted or self.has_older_copy

    def prompt(self, row: int) -> str:
        """The unique prompt of a row."""
        word = next((fault.kind for fault in self.faults if fault.row == row and not fault.step), "江南")
        return f"第 {row:03} 张 {word}"


def make_plan(seed: int, number: int, store: str = "sqlite") -> Plan:
    """The plan of a round."""
    plan = _machine_plan(seed, number) if store == "sqlite" else _cluster_plan(seed, number)
    plan = _with_older_copy(plan, random.Random(f"{seed}/{number}/copy"))
    plan = _with_people(plan, random.Random(f"{seed}/{number}/people"))
    return _with_changes(plan, random.Random(f"{seed}/{number}/changes"))


def _machine_plan(seed: int, number: int) -> Plan:
    rng = random.Random(f"{seed}/{number}")
    service = rng.choice(
        ("jimeng",) * 6 + ("seedream", "gemini", "tokenhub", "openai", "openai-url", "sdapi")
    )
    rows = rng.randint(6, 14)
    servers = rng.choice((1, 1, 1, 2))
    disruption = _draw_disruption(rng, rows)
    return Plan(
        number=number,
        service=service,
        rows=rows,
        concurrency=rng.randint(2, 5),
        latency=rng.choice((0.02, 0.1, 0.3)),
        image_format=rng.choice(("png", "jpeg")),
        busy_code=rng.choice((50429, 50430)),
        servers=servers,
        faults=tuple(_draw_faults(rng, service, rows)),
        crashes=tuple(_draw_crashes(rng, service, rows, disruption)),
        disruptions=(disruption,) if disruption else (),
        steps=_draw_steps(random.Random(f"{seed}/{number}/user"), rows),
    )


def _draw_steps(rng: random.Random, rows: int) -> UserSteps:
    """Drawn from a generator of its own: the rest of a plan does not depend on it."""
    return UserSteps(
        sample=rng.choice((0, rng.randint(1, rows - 1))),
        ratio=rng.choice(("", "3:4")),
        budget=rng.choice((0, 0, rng.randint(1, rows))),
        is_strict=rng.random() < 0.4,
        is_repaired=rng.choice((True, False)),
        killed_at=rng.choice(("", "", "submit", "release", "release", "repair", "repair")),
        killed_after=round(rng.uniform(0.0, 0.06), 3),
    )


def _with_older_copy(plan: Plan, rng: random.Random) -> Plan:
    """The plan, or one in fifteen times the same with an earlier copy as its only disruption."""
    if rng.random() > 1 / 15 or plan.is_calm:
        return plan
    disruption = PlannedDisruption(
        kind=rng.choice(OLDER_COPIES) if plan.store == "sqlite" else KILLED,
        after=rng.randint(0, plan.rows // 3),
        seconds=round(rng.uniform(0.2, 2.0), 2),
        jump=0.0,
    )
    return replace(plan, disruptions=(disruption,))


def _with_people(plan: Plan, rng: random.Random) -> Plan:
    """The plan, or one of one machine in three with a password, people, a limit and more servers."""
    if rng.random() > 1 / 3 or plan.store != "sqlite" or plan.loses_database:
        return plan
    steps = replace(plan.steps, limit=rng.randint(1, plan.rows))
    return replace(plan, steps=steps, servers=rng.choice((2, 3)), password="let-me-in-please")


def _with_changes(plan: Plan, rng: random.Random) -> Plan:
    """The plan with pictures that are changed, and faults of these, where the service can."""
    changes = rng.choice((0, 1, 2, 3))
    if plan.service not in CHANGING or plan.is_calm or plan.loses_database or not changes:
        return plan
    faults = [
        replace(fault, row=fault.row + FIRST_CHANGE)
        for fault in _draw_faults(rng, plan.service, changes)
        if fault.step
    ]
    return replace(plan, faults=(*plan.faults, *faults), steps=replace(plan.steps, changes=changes))


def _draw_faults(rng: random.Random, service: str, rows: int) -> list[Fault]:
    faults = []
    for row in range(1, rows + 1):
        draw = rng.random()
        if draw < 0.12:
            faults.append(Fault(row=row, step="", kind=rng.choice(WORDS[service])))
        elif draw < 0.40:
            step = rng.choice(tuple(STEPS[service]))
            faults.append(_draw_fault(rng, row, step, rng.choice(STEPS[service][step])))
    return faults


def _draw_fault(rng: random.Random, row: int, step: str, kind: str) -> Fault:
    times = rng.choice((1, 1, 2, 8)) if kind == "busy" or step == "download" else 1
    return Fault(row=row, step=step, kind=kind, times=times, seconds=round(rng.uniform(0.1, 0.6), 2))


def _draw_crashes(
    rng: random.Random, service: str, rows: int, disruption: PlannedDisruption | None
) -> list[PlannedCrash]:
    number = rng.choice((0, 0, 1)) if disruption else rng.choice((0, 1, 1, 2, 3))
    points = [AT_RANDOM, AT_RANDOM, AT_RANDOM, SIGTERM, *_points_of(service)]
    return [
        PlannedCrash(
            point=rng.choice(points),
            count=rng.randint(1, max(1, rows // (2 * number))),
            seconds=round(rng.uniform(0.0, 1.2), 2),
            pause=round(rng.uniform(0.0, 0.4), 2),
        )
        for _ in range(number)
    ]


def _points_of(service: str) -> list[str]:
    """The points that a record of this service passes."""
    points = [*SERVER_POINTS, *SERVICE_POINTS]
    if "task id" not in _kinds_of(service):
        points = [point for point in points if point not in _TASK_ID_POINTS]
    return [point for point in points if point != "polled" or service == "jimeng"]


def _kinds_of(service: str) -> tuple[str, ...]:
    return ("bytes",) if service in ("gemini", "openai", "sdapi") else ("task id",)


def _draw_disruption(rng: random.Random, rows: int) -> PlannedDisruption | None:
    if rng.random() < 0.55:
        return None
    return PlannedDisruption(
        kind=rng.choice(DISRUPTIONS),
        after=rng.randint(0, rows // 2),
        seconds=round(rng.uniform(0.3, 2.5), 2),
        jump=rng.choice((-1, 1)) * rng.choice(_CLOCK_JUMPS),
    )


def _cluster_plan(seed: int, number: int) -> Plan:
    """Three workers and two web processes; several disruptions may follow each other."""
    rng = random.Random(f"{seed}/{number}/postgres")
    is_calm = rng.random() < 0.15
    service = rng.choice(
        ("jimeng",) * 4 + ("seedream", "gemini", "tokenhub", "openai", "openai-url", "sdapi")
    )
    rows = rng.randint(8, 16)
    steps = _draw_steps(rng, rows)
    return Plan(
        number=number,
        service=service,
        rows=rows,
        concurrency=rng.randint(2, 6),
        latency=0.5 if is_calm else rng.choice((0.1, 0.3, 0.8)),
        image_format=rng.choice(("png", "jpeg")),
        busy_code=rng.choice((50429, 50430)),
        servers=len(PROCESSES),
        faults=() if is_calm else tuple(_draw_faults(rng, service, rows)),
        crashes=() if is_calm else tuple(_cluster_crashes(rng, service, rows)),
        disruptions=tuple(_cluster_disruptions(rng, rows, _CALM if is_calm else CLUSTER_DISRUPTIONS)),
        steps=replace(steps, killed_at="") if is_calm else steps,
        store="postgres",
        password=rng.choice(("", "", "let-me-in-please")),
        is_calm=is_calm,
        clocks=tuple(_draw_clocks(random.Random(f"{seed}/{number}/clocks"))),
    )


def _draw_clocks(rng: random.Random) -> list[float]:
    """One process in every third round has a wrong clock."""
    wrong = rng.choice((-1, 1)) * rng.choice(_WRONG_CLOCKS) * (rng.random() < 1 / 3)
    process = rng.randrange(len(PROCESSES))
    return [wrong * (number == process) for number in range(len(PROCESSES))]


def _cluster_crashes(rng: random.Random, service: str, rows: int) -> Iterator[PlannedCrash]:
    for _ in range(rng.choice((0, 1, 1, 2, 3))):
        point = rng.choice([*(AT_RANDOM,) * 5, SIGTERM, *_points_of(service), STORED_POINT])
        is_any = point in (AT_RANDOM, SIGTERM)
        yield PlannedCrash(
            point=point,
            count=rng.randint(1, max(1, rows // 4)),
            seconds=round(rng.uniform(0.0, 1.2), 2),
            pause=round(rng.uniform(0.0, 0.4), 2),
            process=rng.randrange(len(PROCESSES)) if is_any else rng.choice(_WORKERS),
        )


def _cluster_disruptions(
    rng: random.Random, rows: int, kinds: tuple[str, ...]
) -> Iterator[PlannedDisruption]:
    for _ in range(rng.choice((0, 1, 1, 2, 2, 3))):
        kind = rng.choice([*kinds, *(kind for kind in kinds if kind in _OFTEN)])
        yield PlannedDisruption(
            kind=kind,
            after=rng.randint(0, rows // 3),
            seconds=round(rng.uniform(2.0, 4.5) if kind in _LONG else rng.uniform(0.3, 2.5), 2),
            jump=rng.choice((-1, 1)) * rng.choice(_CLOCK_JUMPS),
            process=rng.choice(
                _WORKERS if kind in _OF_A_WORKER else _WEBS if kind in _OF_A_WEB else range(len(PROCESSES))
            ),
        )
