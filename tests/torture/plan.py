"""What happens in a round: drawn from the seed and the round's number, from nothing else."""

from __future__ import annotations

import random
from dataclasses import dataclass

# Which step of which service can be told to go wrong, and how.
_ORDER = ("slow", "silent", "reset", "drop", "cut", "html", "500", "502", "busy", "key", "redirect")
_SPOILT = ("garbled", "half", "wrong_size")
_LOOK = ("slow", "reset", "drop", "cut", "html", "500", "502", "busy", "key")
_FETCH = ("slow", "reset", "drop", "cut", "502", "dead_url", *_SPOILT)
STEPS: dict[str, dict[str, tuple[str, ...]]] = {
    "jimeng": {"submit": _ORDER, "poll": _LOOK, "download": _FETCH},
    "seedream": {"submit": _ORDER, "download": _FETCH},
    "openai": {"submit": (*_ORDER, *_SPOILT)},
    "openai-url": {"submit": _ORDER, "download": _FETCH},
    "sdapi": {"submit": (*_ORDER, *_SPOILT)},
}
# Words in a prompt that the fake has an answer to.
WORDS = {
    "jimeng": ("违禁", "保护词", "审图", "必拒", "画崩", "失踪"),
    "seedream": ("违禁", "必拒"),
    "openai": ("违禁", "崩"),
    "openai-url": ("违禁", "崩"),
    "sdapi": ("校验", "崩"),
}

# A death by kill -9, in the words of the report. Of the first kind the launcher takes care, at a step of the
# server; the second are told by the service; the third by the clock.
SERVER_MOMENTS = (
    "claimed",
    "ledger written",
    "answer read",
    "ticket kept",
    "picture in hand",
    "file half written",
    "file written",
    "file named",
    "about to finish",
    "finished",
)
SERVICE_MOMENTS = ("order arrives", "billed, not answered", "asked", "mid download")
AT_RANDOM = "any time"
TOLD_TO_STOP = "told to stop"
_OF_TICKETS = ("answer read", "ticket kept", "asked", "mid download")

TROUBLES = (
    "full disk",
    "full disk, database too",
    "read-only folder",
    "folder gone",
    "locked database",
    "locked at the ledger",
    "database gone",
    "database replaced",
    "database deleted",
    "request sent twice",
    "clock jumps",
    "service out of reach",
    "batch cancelled",
)
# While one of these lasts, nobody else may open the file at the database's path.
OF_THE_FILE = ("database gone", "database replaced", "database deleted")
_JUMPS = (20.0, 600.0, 7_200.0, 200_000.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """The service goes wrong at a step of one row's picture, ``times`` in a row.

    Without a step it is a word in the prompt.
    """

    row: int
    step: str
    kind: str
    times: int = 1
    seconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Death:
    """The server is killed when a moment comes for the ``count``-th time; at "any time" after ``seconds``."""

    moment: str
    count: int
    seconds: float
    pause: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """What befalls the machine, once so many pictures were charged for, for so many seconds.

    ``jump`` is by how many seconds a clock jumps: there, and back at the end.
    """

    kind: str
    after: int
    seconds: float
    jump: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One round."""

    number: int
    service: str
    rows: int
    concurrency: int
    latency: float
    image_format: str
    busy_code: int
    servers: int
    faults: tuple[Fault, ...]
    deaths: tuple[Death, ...]
    trouble: Trouble | None

    @property
    def is_deleted(self) -> bool:
        """Whether the database goes and does not come back."""
        return self.trouble is not None and self.trouble.kind == "database deleted"

    def prompt(self, row: int) -> str:
        """What a row asks for; no two alike."""
        word = next((fault.kind for fault in self.faults if fault.row == row and not fault.step), "江南")
        return f"第 {row:03} 张 {word}"


def make_plan(seed: int, number: int) -> Plan:
    """The plan of a round."""
    dice = random.Random(f"{seed}/{number}")
    service = dice.choice(("jimeng",) * 6 + ("seedream", "openai", "openai-url", "sdapi"))
    rows = dice.randint(6, 14)
    servers = dice.choice((1, 1, 1, 2))
    trouble = _draw_trouble(dice, rows)
    return Plan(
        number=number,
        service=service,
        rows=rows,
        concurrency=dice.randint(2, 5),
        latency=dice.choice((0.02, 0.1, 0.3)),
        image_format=dice.choice(("png", "jpeg")),
        busy_code=dice.choice((50429, 50430)),
        servers=servers,
        faults=tuple(_draw_faults(dice, service, rows)),
        deaths=tuple(_draw_deaths(dice, service, rows, trouble)),
        trouble=trouble,
    )


def _draw_faults(dice: random.Random, service: str, rows: int) -> list[Fault]:
    faults = []
    for row in range(1, rows + 1):
        lot = dice.random()
        if lot < 0.12:
            faults.append(Fault(row=row, step="", kind=dice.choice(WORDS[service])))
        elif lot < 0.40:
            step = dice.choice(tuple(STEPS[service]))
            faults.append(_draw_fault(dice, row, step, dice.choice(STEPS[service][step])))
    return faults


def _draw_fault(dice: random.Random, row: int, step: str, kind: str) -> Fault:
    times = dice.choice((1, 1, 2, 8)) if kind == "busy" or step == "download" else 1
    return Fault(row=row, step=step, kind=kind, times=times, seconds=round(dice.uniform(0.1, 0.6), 2))


def _draw_deaths(dice: random.Random, service: str, rows: int, trouble: Trouble | None) -> list[Death]:
    number = dice.choice((0, 0, 1)) if trouble else dice.choice((0, 1, 1, 2, 3))
    moments = [AT_RANDOM, AT_RANDOM, AT_RANDOM, TOLD_TO_STOP, *SERVER_MOMENTS, *SERVICE_MOMENTS]
    if "ticket" not in _kinds_of(service):
        moments = [moment for moment in moments if moment not in _OF_TICKETS]
    if service != "jimeng":
        moments = [moment for moment in moments if moment != "asked"]
    return [
        Death(
            moment=dice.choice(moments),
            count=dice.randint(1, max(1, rows // (2 * number))),
            seconds=round(dice.uniform(0.0, 1.2), 2),
            pause=round(dice.uniform(0.0, 0.4), 2),
        )
        for _ in range(number)
    ]


def _kinds_of(service: str) -> tuple[str, ...]:
    return ("bytes",) if service in ("openai", "sdapi") else ("ticket",)


def _draw_trouble(dice: random.Random, rows: int) -> Trouble | None:
    if dice.random() < 0.55:
        return None
    return Trouble(
        kind=dice.choice(TROUBLES),
        after=dice.randint(0, rows // 2),
        seconds=round(dice.uniform(0.3, 2.5), 2),
        jump=dice.choice((-1, 1)) * dice.choice(_JUMPS),
    )
