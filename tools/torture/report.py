"""The report of the rounds: faults, crashes and disruptions, and the outcomes of their records."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from tools.torture.chaos import Crash
from tools.torture.plan import (
    AT_RANDOM,
    CLUSTER_DISRUPTIONS,
    DISRUPTIONS,
    KILLED,
    OLDER_COPIES,
    SERVER_POINTS,
    SERVICE_POINTS,
    SIGTERM,
    STORED_POINT,
)
from tools.torture.round import Outcome

Rows = list[tuple[object, ...]]
_ENDS = ("success", "failed", "unknown")
_STEPS = {"submit": "submission", "poll": "poll", "download": "download", "prompt": "word in the prompt"}
CRASH_POINTS = (*SERVER_POINTS, STORED_POINT, *SERVICE_POINTS, AT_RANDOM, SIGTERM)
WITH_TASK_ID = ("jimeng", "seedream", "tokenhub", "openai-url")


def render_report(outcomes: Sequence[Outcome], *, seed: int, seconds: float) -> str:
    """The report as Markdown."""
    parts = [
        _head(outcomes, seed=seed, seconds=seconds),
        "## Faults of the service and the outcomes of their images",
        _markdown(("fault", "images", *_ENDS), fault_rows(outcomes)),
        "## Crashes of the server (kill -9) and the outcomes of the records it had claimed",
        _CRASHES_EXPLAINED,
        _markdown(
            ("point", "crashes", "victim unknown", "other claimed records", "unknown", "adopted", "fetched"),
            crash_rows(outcomes),
        ),
        _unknown_victims(outcomes),
        "## Records claimed at a crash, by progress",
        _markdown(
            ("model", "progress", "records", *_ENDS, "unknown by the service"), progress_rows(outcomes)
        ),
        "## Disruptions of the machine",
        _markdown(
            ("disruption", "rounds", "records", *_ENDS, "cancelled unpaid", "not possible here"),
            disruption_rows(outcomes),
        ),
        "## Steps of the user",
        _markdown(("step", "times"), step_rows(outcomes)),
        "## Promises",
        _promises(outcomes),
    ]
    return "\n\n".join(parts) + "\n"


_MACHINES = "each with three workers and two web processes that share nothing but PostgreSQL and OSS;"
_CRASHES_EXPLAINED = (
    "The victim is the record at whose step the server crashed. *Adopted*: its charge was open, but its "
    "complete file was there and was adopted. *Fetched*: its task id was stored, and its image was fetched "
    "after the restart (or found on disk), not submitted again."
)


_PROMISES = """
Every record ended; every billed image is saved or `unknown`; none was billed twice; every success has a
complete file of its own; every file belongs to a record; no partial file; no duplicate name; the ledger
agrees with the service, and the sums that triggers keep with the rows. No budget was exceeded, and no monthly
limit of a person; no repaired row was billed before; a release or repair that was sent several times was done
once. From an older copy of the database nothing was ordered again that was billed.
"""
_OF_ONE_MACHINE = """
While the database was missing or replaced, only work under way was submitted; where it was deleted, every
submission is in the deleted file, none was repeated, and saved files are complete. A locked ledger did not
count as a crash.
"""
_OF_MACHINES = """
OSS has every saved image, and a web process with an empty cache shows it; searches find exactly at both; no
page answered 500; deleted records were restored. Where the service could not go on with an order after its
record had ended, all workers together kept to MODEL_CONCURRENCY. No process or thread ended by itself; no
log has a key.
"""


def fault_rows(outcomes: Iterable[Outcome]) -> Rows:
    """A row for each fault: the images it hit and their outcomes."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for outcome in outcomes:
        for kind, end in outcome.faults:
            counts[kind][end] += 1
    return [
        (f"{_STEPS[kind.partition(': ')[0]]}: {kind.partition(': ')[2]}", ends.total(), *_by_end(ends))
        for kind, ends in sorted(counts.items())
    ]


def crash_rows(outcomes: Iterable[Outcome]) -> Rows:
    """A row for each crash point."""
    crashes = [each for outcome in outcomes for each in outcome.crashes]
    rows: Rows = [_crash_row(point, [f for f in crashes if f.point == point]) for point in CRASH_POINTS]
    rows = [row for row in rows if row[0] != STORED_POINT or row[1]]
    return [*rows, _crash_row("all", crashes)]


def _unknown_victims(outcomes: Iterable[Outcome]) -> str:
    """The crash points that left their victim unknown, in a sentence."""
    text = [
        f"{row[0]} {row[2]}" for row in crash_rows(outcomes)[:-1] if not str(row[2]).startswith(("–", "0 "))
    ]
    return f"Points that left the victim `unknown`: {', '.join(text) or 'none'}."


def _crash_row(point: str, crashes: Sequence[Crash]) -> tuple[object, ...]:
    victim = [each.ended.get(each.victim, "") for each in crashes if each.victim is not None]
    text = f"{victim.count('unknown')} of {len(victim)}" if victim else "–"
    others = [
        (progress, each.ended[record])
        for each in crashes
        for record, progress in each.claimed.items()
        if record != each.victim
    ]
    everything = [
        (progress, each.ended[record]) for each in crashes for record, progress in each.claimed.items()
    ]
    return (
        point,
        len(crashes),
        text,
        len(others),
        sum(end == "unknown" for _, end in others),
        sum(pair == ("charge open", "success") for pair in everything),
        sum(pair == ("task id stored", "success") for pair in everything),
    )


def progress_rows(outcomes: Iterable[Outcome]) -> Rows:
    """A row for each kind of model and each progress of a record."""
    counts: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for outcome in outcomes:
        kind = "returns task ids" if outcome.plan.service in WITH_TASK_ID else "returns bytes"
        for each in outcome.crashes:
            for record, progress in each.claimed.items():
                counts[kind, progress][each.ended[record]] += 1
    return [
        (*key, ends.total(), *_by_end(ends), ends["lost otherwise"]) for key, ends in sorted(counts.items())
    ]


def step_rows(outcomes: Iterable[Outcome]) -> Rows:
    """A row for each step of the users, and for each cause of a pause that they met."""
    counts: Counter[str] = Counter()
    for outcome in outcomes:
        counts += outcome.steps
    return sorted(counts.items())


def disruption_rows(outcomes: Sequence[Outcome]) -> Rows:
    """A row for each disruption of the machine."""
    rows: Rows = []
    kinds = (*CLUSTER_DISRUPTIONS, KILLED) if _is_cluster(outcomes) else (*DISRUPTIONS, *OLDER_COPIES)
    for kind in ("none", *kinds):
        met = [outcome for outcome in outcomes if kind in (outcome.disrupted or ["none"])]
        ends = Counter(end for outcome in met for end in outcome.ends.values())
        refused = sum(outcome.impossible == kind for outcome in outcomes)
        rows.append((kind, len(met), ends.total(), *_by_end(ends), ends["cancelled"], refused))
    return rows


def _is_cluster(outcomes: Sequence[Outcome]) -> bool:
    return any(outcome.plan.store == "postgres" for outcome in outcomes)


def _head(outcomes: Sequence[Outcome], *, seed: int, seconds: float) -> str:
    ends = Counter(end for outcome in outcomes for end in outcome.ends.values())
    cluster = _is_cluster(outcomes)
    command = f"make torture{' STORE=postgres' * cluster} ROUNDS={len(outcomes)} SEED={seed}"
    two = sum(outcome.plan.servers == 2 for outcome in outcomes)
    charges = sum(outcome.charges for outcome in outcomes)
    fetched = sum(outcome.fetched_by_hand for outcome in outcomes)
    crashes = sum(len(outcome.crashes) for outcome in outcomes)
    return "\n".join(
        (
            "# Torture test",
            "",
            f"`{command}`: {len(outcomes)} rounds,",
            _MACHINES if cluster else f"{two} of them with two servers on one database;",
            f"{ends.total()} images requested,",
            f"{charges} billed by the service; {crashes} crashes; {seconds:.0f} seconds.",
            "",
            f"Images: {ends['success']} saved, {ends['unknown']} `unknown`,",
            f"{ends['failed']} failed and {ends['cancelled']} cancelled without a charge.",
            f"{fetched} of the saved images were fetched by a manual retry with their task ids.",
        )
    )


def _promises(outcomes: Sequence[Outcome]) -> str:
    broken = [(outcome, breach) for outcome in outcomes for breach in outcome.breaches]
    text = (_PROMISES + (_OF_MACHINES if _is_cluster(outcomes) else _OF_ONE_MACHINE).lstrip()).strip()
    if not broken:
        return f"{text}\n\n**No breach in {len(outcomes)} rounds.**"
    lines = [f"- round {outcome.plan.number}: {breach}" for outcome, breach in broken]
    rounds = len({outcome.plan.number for outcome, _ in broken})
    return "\n".join([text, "", f"**Breaches in {rounds} of {len(outcomes)} rounds:**", "", *lines])


def _by_end(ends: Counter[str]) -> tuple[int, ...]:
    return tuple(ends[end] for end in _ENDS)


def _markdown(head: Sequence[str], rows: Rows) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    return "\n".join([*lines, *("| " + " | ".join(map(str, row)) + " |" for row in rows)])
