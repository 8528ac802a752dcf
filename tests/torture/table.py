"""The rounds in figures: what went wrong and how it ended, who died when and what that cost."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from tests.torture.plan import AT_RANDOM, SERVER_MOMENTS, SERVICE_MOMENTS, TOLD_TO_STOP, TROUBLES
from tests.torture.round import Fallen, Outcome

Rows = list[tuple[object, ...]]
_ENDS = ("success", "failed", "unknown")
_STEPS = {
    "submit": "the order",
    "poll": "asking whether it is done",
    "download": "the download",
    "prompt": "the picture itself (a word in the prompt)",
}
MOMENTS = (*SERVER_MOMENTS, *SERVICE_MOMENTS, AT_RANDOM, TOLD_TO_STOP)
WITH_TICKET = ("jimeng", "seedream", "openai-url")


def report(outcomes: Sequence[Outcome], *, seed: int, seconds: float) -> str:
    """All of it, as Markdown."""
    parts = [
        _head(outcomes, seed=seed, seconds=seconds),
        "## Faults of the service and how their pictures ended",
        _markdown(("fault", "pictures", *_ENDS), faults(outcomes)),
        "## Deaths of the server (kill -9) and what became of the pictures it had in hand",
        _DEATHS_EXPLAINED,
        _markdown(
            (
                "moment",
                "deaths",
                "the very picture: unknown",
                "others in hand",
                "unknown",
                "adopted",
                "collected",
            ),
            deaths(outcomes),
        ),
        _doubtful(outcomes),
        "## Pictures in hand at a death, by how far they were",
        _markdown(("model", "how far", "pictures", *_ENDS, "unknown by the service"), how_far(outcomes)),
        "## Troubles of the machine",
        _markdown(
            ("trouble", "rounds", "pictures", *_ENDS, "cancelled unpaid", "not possible here"),
            troubles(outcomes),
        ),
        "## Promises",
        _promises(outcomes),
    ]
    return "\n\n".join(parts) + "\n"


_DEATHS_EXPLAINED = (
    "“The very picture” is the one at whose step the server died. *Adopted*: its order was in doubt, but its "
    "whole file was there, and the record took it. *Collected*: its ticket was kept, and it was fetched "
    "after the restart (or found on the disk), not ordered again."
)


def faults(outcomes: Iterable[Outcome]) -> Rows:
    """A row for each fault: how many pictures it met, how they ended."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for outcome in outcomes:
        for kind, end in outcome.faults:
            counts[kind][end] += 1
    return [
        (f"{_STEPS[kind.partition(': ')[0]]}: {kind.partition(': ')[2]}", ends.total(), *_by_end(ends))
        for kind, ends in sorted(counts.items())
    ]


def deaths(outcomes: Iterable[Outcome]) -> Rows:
    """A row for each moment of death."""
    fallen = [each for outcome in outcomes for each in outcome.fallen]
    rows: Rows = [_death_row(moment, [f for f in fallen if f.moment == moment]) for moment in MOMENTS]
    return [*rows, _death_row("all", fallen)]


def _doubtful(outcomes: Iterable[Outcome]) -> str:
    """Which moments leave the very picture unknown, in a sentence."""
    told = [f"{row[0]} {row[2]}" for row in deaths(outcomes)[:-1] if not str(row[2]).startswith(("–", "0 "))]
    return f"Moments that left the very picture `unknown`: {', '.join(told) or 'none'}."


def _death_row(moment: str, fallen: Sequence[Fallen]) -> tuple[object, ...]:
    very = [each.ended.get(each.very, "") for each in fallen if each.very is not None]
    told = f"{very.count('unknown')} of {len(very)}" if very else "–"
    others = [
        (how, each.ended[record])
        for each in fallen
        for record, how in each.in_hand.items()
        if record != each.very
    ]
    everybody = [(how, each.ended[record]) for each in fallen for record, how in each.in_hand.items()]
    return (
        moment,
        len(fallen),
        told,
        len(others),
        sum(end == "unknown" for _, end in others),
        sum(pair == ("in doubt", "success") for pair in everybody),
        sum(pair == ("ticket", "success") for pair in everybody),
    )


def how_far(outcomes: Iterable[Outcome]) -> Rows:
    """A row for each kind of model and each stage of a picture."""
    counts: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for outcome in outcomes:
        kind = "gives tickets" if outcome.plan.service in WITH_TICKET else "answers with the bytes"
        for each in outcome.fallen:
            for record, how in each.in_hand.items():
                counts[kind, how][each.ended[record]] += 1
    return [
        (*key, ends.total(), *_by_end(ends), ends["lost otherwise"]) for key, ends in sorted(counts.items())
    ]


def troubles(outcomes: Sequence[Outcome]) -> Rows:
    """A row for each trouble of the machine."""
    rows: Rows = []
    for kind in ("none", *TROUBLES):
        met = [
            o for o in outcomes if (o.plan.trouble.kind if o.troubled and o.plan.trouble else "none") == kind
        ]
        ends = Counter(end for outcome in met for end in outcome.ends.values())
        refused = sum(outcome.impossible == kind for outcome in outcomes)
        rows.append((kind, len(met), ends.total(), *_by_end(ends), ends["cancelled"], refused))
    return rows


def _head(outcomes: Sequence[Outcome], *, seed: int, seconds: float) -> str:
    ends = Counter(end for outcome in outcomes for end in outcome.ends.values())
    two = sum(outcome.plan.servers == 2 for outcome in outcomes)
    charges = sum(outcome.charges for outcome in outcomes)
    collected = sum(outcome.recollected for outcome in outcomes)
    died = sum(len(outcome.fallen) for outcome in outcomes)
    return "\n".join(
        (
            "# Torture",
            "",
            f"`make torture ROUNDS={len(outcomes)} SEED={seed}`: {len(outcomes)} rounds,",
            f"{two} of them with two servers on one database; {ends.total()} pictures asked for,",
            f"{charges} billed by the service; {died} deaths; {seconds:.0f} seconds.",
            "",
            f"Pictures: {ends['success']} kept, {ends['failed']} failed and {ends['cancelled']} cancelled,",
            f"both unpaid, {ends['unknown']} `unknown`;",
            f"{collected} of the kept were collected by hand with the ticket they had.",
        )
    )


def _promises(outcomes: Sequence[Outcome]) -> str:
    broken = [(outcome, breach) for outcome in outcomes for breach in outcome.breaches]
    text = (
        "Every record ended; every billed picture is kept or `unknown`; none was billed twice; no success "
        "without a whole file of its own; no file without a record; nothing half-written; no name twice; the "
        "ledger is the service's own count. While the database was gone or replaced, nothing was ordered but "
        "what was under way; where it was deleted for good, every order stands in what was deleted, none was "
        "made twice, and what is kept is whole. A ledger that was locked left no record behind."
    )
    if not broken:
        return f"{text}\n\n**All held in all {len(outcomes)} rounds.**"
    lines = [f"- round {outcome.plan.number}: {breach}" for outcome, breach in broken]
    rounds = len({outcome.plan.number for outcome, _ in broken})
    return "\n".join([text, "", f"**Broken in {rounds} of {len(outcomes)} rounds:**", "", *lines])


def _by_end(ends: Counter[str]) -> tuple[int, ...]:
    return tuple(ends[end] for end in _ENDS)


def _markdown(head: Sequence[str], rows: Rows) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    return "\n".join([*lines, *("| " + " | ".join(map(str, row)) + " |" for row in rows)])
