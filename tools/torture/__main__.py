"""``python -m tools.torture``: run the rounds, several at a time, and print a report."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from queue import Queue

from tools.fakes.service import FakeService
from tools.postgres_server import PostgresServer
from tools.torture.cluster import Cluster, postgres_servers
from tools.torture.plan import Plan, make_plan
from tools.torture.report import render_report
from tools.torture.round import Outcome, Round
from tools.torture.site import OneMachine, Site


def main(arguments: Sequence[str] | None = None) -> int:
    """-> exit code: 1 if a check failed, or, with --strict, if a disruption is not possible here."""
    options = _parser().parse_args(arguments)
    numbers = [options.only] if options.only else range(1, options.rounds + 1)
    started = time.monotonic()
    with _servers(options.store, options.at_once) as servers, ThreadPoolExecutor(options.at_once) as pool:
        outcomes = list(
            pool.map(
                lambda number: run_round(options.seed, number, servers, keep=bool(options.only)), numbers
            )
        )
    text = render_report(outcomes, seed=options.seed, seconds=time.monotonic() - started)
    sys.stdout.write(text)
    if options.write:
        options.write.write_text(text, "utf-8")
    _print_unexpected(outcomes)
    impossible = any(outcome.impossible for outcome in outcomes)
    return int(any(outcome.breaches for outcome in outcomes) or (options.strict and impossible))


def _servers(store: str, number: int) -> AbstractContextManager[Queue[PostgresServer] | None]:
    """The PostgreSQL servers for so many rounds at once; None for SQLite."""
    return postgres_servers(number) if store == "postgres" else nullcontext()


def run_round(
    seed: int, number: int, servers: Queue[PostgresServer] | None = None, *, keep: bool = False
) -> Outcome:
    """Run one round in its own folder, which is kept after a breach or with ``keep``.

    With ``servers`` one of them is taken for the round, whose processes share it and OSS only.
    """
    folder = Path(tempfile.mkdtemp(prefix=f"torture-{seed}-{number}-"))
    plan = make_plan(seed, number, "postgres" if servers else "sqlite")
    try:
        with _lent(servers) as open_site:
            outcome = Round(plan, folder, open_site).run()
    except Exception:
        outcome = Outcome(plan=plan, breaches=[f"the round itself failed: {traceback.format_exc()}"])
    if outcome.breaches or keep:
        sys.stderr.write(f"round {number}: {outcome.breaches or 'no breach'} ({folder})\n")
    else:
        shutil.rmtree(folder)
    return outcome


@contextmanager
def _lent(servers: Queue[PostgresServer] | None) -> Iterator[Callable[[Plan, Path, FakeService], Site]]:
    """What opens the processes of a round."""
    if servers is None:
        yield OneMachine
        return
    server = servers.get()
    try:
        yield partial(Cluster, postgres=server)
    finally:
        servers.put(server)


def _print_unexpected(outcomes: Sequence[Outcome]) -> None:
    """Print unexpected errors that broke no promise, and the slowest rounds."""
    for outcome in outcomes:
        for line in outcome.unexpected_errors:
            sys.stderr.write(f"round {outcome.plan.number} logged: {line}\n")
    slow = sorted(outcomes, key=lambda outcome: -outcome.seconds)[:5]
    listed = ", ".join(f"{outcome.plan.number} ({outcome.seconds:.0f} s)" for outcome in slow)
    sys.stderr.write(f"slowest rounds: {listed}\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="torture", description=__doc__)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--store", choices=("sqlite", "postgres"), default="sqlite")
    parser.add_argument("--only", type=int, help="run only this round and keep its folder")
    parser.add_argument("--at-once", type=int, default=4, help="rounds at a time")
    parser.add_argument("--strict", action="store_true", help="fail when a disruption is not possible here")
    parser.add_argument("--write", type=Path, help="write the report to this file as well")
    return parser


if __name__ == "__main__":
    sys.exit(main())
