"""``python -m tests.torture``: play the rounds, several at a time, and tell what became of them."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.torture.plan import make_plan
from tests.torture.round import Outcome, Round
from tests.torture.table import report


def main(arguments: Sequence[str] | None = None) -> int:
    """-> exit code: 0 when every promise was kept; 1 when not, or not all could be tried and it is strict."""
    asked = _parser().parse_args(arguments)
    numbers = [asked.only] if asked.only else range(1, asked.rounds + 1)
    started = time.monotonic()
    with ThreadPoolExecutor(asked.at_once) as pool:
        outcomes = list(pool.map(lambda number: play(asked.seed, number, keep=bool(asked.only)), numbers))
    text = report(outcomes, seed=asked.seed, seconds=time.monotonic() - started)
    sys.stdout.write(text)
    if asked.write:
        asked.write.write_text(text, "utf-8")
    _tell_odd(outcomes)
    impossible = any(outcome.impossible for outcome in outcomes)
    return int(any(outcome.breaches for outcome in outcomes) or (asked.strict and impossible))


def play(seed: int, number: int, *, keep: bool = False) -> Outcome:
    """One round in a folder of its own, which stays when a promise was broken or it is asked for."""
    folder = Path(tempfile.mkdtemp(prefix=f"torture-{seed}-{number}-"))
    plan = make_plan(seed, number)
    try:
        outcome = Round(plan, folder).play()
    except Exception:
        outcome = Outcome(plan=plan, breaches=[f"the round itself broke: {traceback.format_exc()}"])
    if outcome.breaches or keep:
        sys.stderr.write(f"round {number}: {outcome.breaches or 'all held'} ({folder})\n")
    else:
        shutil.rmtree(folder)
    return outcome


def _tell_odd(outcomes: Sequence[Outcome]) -> None:
    """What is no broken promise, but nobody foresaw."""
    for outcome in outcomes:
        for line in outcome.surprises:
            sys.stderr.write(f"round {outcome.plan.number} logged: {line}\n")
    slow = sorted(outcomes, key=lambda outcome: -outcome.seconds)[:5]
    told = ", ".join(f"{outcome.plan.number} ({outcome.seconds:.0f} s)" for outcome in slow)
    sys.stderr.write(f"slowest rounds: {told}\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="torture", description=__doc__)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", type=int, help="play this round alone and keep what it leaves")
    parser.add_argument("--at-once", type=int, default=4, help="rounds at a time")
    parser.add_argument("--strict", action="store_true", help="fail when a trouble is not possible here")
    parser.add_argument("--write", type=Path, help="write the report to this file as well")
    return parser


if __name__ == "__main__":
    sys.exit(main())
