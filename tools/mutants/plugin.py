"""A plugin of pytest that runs the collected tests once a mutant, each time in a fork of this process.

``--mutants`` is a file of ``tools.mutants.generate``; ``--results`` is where their results are written.
The tests of a function are those that call it, found by a first run of all. In the fork the functions have
the code of the mutant; one outside functions is imported by a process of its own (``--mutant``).
Before the mutants, two controls: unchanged code must survive, and functions that only raise must not. A fork
that ends without an answer is an error of this plugin, not a mutant that was noticed.
"""

import ast
import gc
import importlib.machinery
import importlib.util
import json
import os
import resource
import select
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import CodeType, FrameType, FunctionType
from typing import Any, NoReturn

import pytest

_SYNTAX_ERRORS = ("syntax error", "SyntaxError", "no such column")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--mutants", type=Path)
    parser.addoption("--results", type=Path)
    parser.addoption("--most", type=int, help="run so many tests a mutant at most, for a first look")
    parser.addoption("--mutant", type=int, help="run the tests with this mutant only")


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    options = early_config.known_args_namespace
    if options.mutant is not None:
        sys.meta_path.insert(0, _Importer(json.loads(options.mutants.read_text())[options.mutant]))


def pytest_configure(config: pytest.Config) -> None:
    if config.option.mutants and config.option.mutant is None:
        config.pluginmanager.register(_Runner(config))


class _Importer(importlib.machinery.SourceFileLoader):
    """Imports a mutant instead of its module."""

    def __init__(self, mutant: dict[str, Any]) -> None:
        super().__init__(
            mutant["file"].removesuffix(".py").replace("/", "."), str(Path(mutant["file"]).resolve())
        )
        self._source = mutant["source"]

    def find_spec(self, name: str, *_: object) -> importlib.machinery.ModuleSpec | None:
        return importlib.util.spec_from_loader(name, self) if name == self.name else None

    def get_code(self, fullname: str) -> CodeType:
        return compile(self._source, self.path, "exec")


class _Runner:
    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._mutants = json.loads(config.option.mutants.read_text())
        self._most = config.option.most
        self._failure = ""

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed and not self._failure:
            is_invalid = any(word in report.longreprtext + report.caplog for word in _SYNTAX_ERRORS)
            self._failure = "invalid" if is_invalid else report.nodeid

    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        path = Path(self._mutants[0]["file"]).resolve()
        gc.unfreeze()  # get_objects() leaves out what conftest.py has frozen
        functions = [
            item
            for item in gc.get_objects()
            if type(item) is FunctionType and item.__code__.co_filename == str(path)
        ]
        self._reporter = session.config.pluginmanager.unregister(name="terminalreporter")
        baseline, _ = _fork(partial(self._run_baseline, session.items, str(path)), 3000)
        if baseline is None or "failure" in baseline[-1]:
            self._stop(f"the tests fail without a mutant: {baseline and baseline[-1]}")
        ran = dict(zip(session.items, baseline, strict=True))
        kills: Counter[tuple[str | None, pytest.Item]] = Counter()  # what has noticed others is run first
        files = [Path(name).resolve() for name in session.config.args]  # the nearest first
        self._check_controls(path, ran, functions)
        results = []
        for index, mutant in enumerate(self._mutants):
            name = mutant["function"]
            own = [item for item in ran if name is None or name in ran[item]["calls"]]
            items = sorted(
                own, key=lambda each: (-kills[name, each], files.index(each.path), ran[each]["cpu"])
            )
            del items[self._most or len(items) :]
            limit = 10 * sum(ran[item]["seconds"] for item in items) + 60  # of tests that wait for ever
            cpu_limit = 3 * sum(ran[item]["cpu"] for item in items) + 5  # of those that never end
            began = time.monotonic()
            if not items:
                outcome = "no test"
            elif name is None:
                outcome = self._run_alone(index, items, limit, cpu_limit + 5)
            else:
                work = partial(self._run_mutant, mutant, items, functions)
                outcome, is_late = _fork(work, limit, cpu_limit)
                outcome = "timeout" if is_late else outcome
                if outcome is None:
                    self._stop(f"no answer for {mutant['before']} -> {mutant['after']}")
                kills.update((name, item) for item in items if item.nodeid == outcome)
            results.append(
                {key: value for key, value in mutant.items() if key != "source"}
                | {"outcome": outcome, "tests": len(items), "seconds": time.monotonic() - began}
            )
            self._config.option.results.write_text(json.dumps(results, ensure_ascii=False, indent=1))
        return True

    def _stop(self, why: str) -> NoReturn:
        self._config.pluginmanager.register(self._reporter, "terminalreporter")  # which prints the reason
        pytest.exit(why, 2)

    def _check_controls(
        self, path: Path, ran: dict[pytest.Item, dict[str, Any]], functions: list[FunctionType]
    ) -> None:
        """Exit unless the fastest test that calls the module passes with its code and fails without it."""
        calling = [item for item in ran if ran[item]["calls"]]
        if not functions or not calling:
            self._stop(f"no test calls a function of {path.name}")
        fastest = min(calling, key=lambda item: float(ran[item]["seconds"]))
        source = path.read_text("utf-8")
        for name, code in (("unchanged", source), ("raising", _raising(source))):
            outcome, _ = _fork(partial(self._run_mutant, {"source": code}, [fastest], functions), 120)
            if outcome is None or (outcome == "survived") != (name == "unchanged"):
                self._stop(f"the control with {name} code: {outcome} in {fastest.nodeid}")

    def _run_baseline(self, items: Sequence[pytest.Item], path: str) -> list[dict[str, Any]]:
        """Run all tests -> of each its seconds and which functions of the module it calls."""
        calls: set[str] = set()

        def note(frame: FrameType, event: str, _: object) -> None:
            if event == "call" and frame.f_code.co_filename == path:
                calls.add(frame.f_code.co_qualname.partition(".<locals>")[0])

        threading.setprofile(note)
        sys.setprofile(note)
        ran = []
        for item, following in zip(items, [*items[1:], None], strict=True):
            calls.clear()
            began, cpu = time.monotonic(), time.process_time()
            item.ihook.pytest_runtest_protocol(item=item, nextitem=following)
            seconds, cpu = time.monotonic() - began, time.process_time() - cpu
            ran.append({"seconds": seconds, "cpu": cpu, "calls": list(calls)})
            if self._failure:
                ran.append({"failure": self._failure})
                break
        sys.setprofile(None)
        return ran

    def _run_mutant(
        self, mutant: dict[str, Any], items: Sequence[pytest.Item], functions: list[FunctionType]
    ) -> str:
        """Run these tests with the mutant's code -> the first that fails; "survived"."""
        compiled = compile(mutant["source"], functions[0].__code__.co_filename, "exec")
        codes = {code.co_qualname: code for code in _codes(compiled)}
        for function in functions:
            function.__code__ = codes[function.__code__.co_qualname]
        for item, following in zip(items, [*items[1:], None], strict=True):
            item.ihook.pytest_runtest_protocol(item=item, nextitem=following)
            if self._failure:
                return self._failure
        return "survived"

    def _run_alone(self, index: int, items: Sequence[pytest.Item], limit: float, cpu_limit: float) -> str:
        """The same in a process that imports the mutant."""
        options = [
            "-p",
            "tools.mutants.plugin",
            "--mutants",
            self._config.option.mutants,
            "--mutant",
            str(index),
        ]
        ids = [item.nodeid for item in items]
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-n",
            "0",
            "-x",
            "-q",
            "-p",
            "no:cacheprovider",
            *options,
            *ids,
        ]
        try:
            done = subprocess.run(
                command,
                capture_output=True,
                text=True,
                timeout=limit,
                check=False,
                preexec_fn=partial(_limit_cpu, cpu_limit),
            )
        except subprocess.TimeoutExpired:
            return "timeout"
        if done.returncode == -signal.SIGXCPU:
            return "timeout"
        if any(word in done.stdout + done.stderr for word in _SYNTAX_ERRORS):
            return "invalid"
        failed = (
            line.split()[1] for line in done.stdout.splitlines() if line.startswith(("FAILED ", "ERROR "))
        )
        outcome = "survived" if done.returncode == 0 else next(failed, None)
        if outcome is None and "ImportError while loading" not in done.stderr:
            self._stop(f"no answer for mutant {index}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
        return outcome or "import"


def _fork(work: Callable[[], Any], limit: float, cpu_limit: float = 3000) -> tuple[Any, bool]:
    """Do it in a fork -> what it returns, None when it died; and whether it took longer than the limit."""
    reading, writing = os.pipe()
    pid = os.fork()
    if not pid:
        os.setsid()
        _limit_cpu(cpu_limit)
        sink = os.open(os.devnull, os.O_WRONLY)
        for descriptor in (1, 2):
            os.dup2(sink, descriptor)
        try:
            with os.fdopen(writing, "w") as pipe:
                json.dump(work(), pipe)
        finally:
            os._exit(0)
    os.close(writing)
    said, deadline = b"", time.monotonic() + limit
    while select.select([reading], [], [], max(deadline - time.monotonic(), 0))[0]:
        if not (more := os.read(reading, 65_536)):
            break
        said += more
    is_late = time.monotonic() >= deadline
    os.close(reading)
    with suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)  # with what the tests started
    _, status = os.waitpid(pid, 0)
    is_late = is_late or (os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGXCPU)
    return (json.loads(said) if said and not is_late else None), is_late


def _raising(source: str) -> str:
    """The source with functions that only raise."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            node.body.insert(0, *ast.parse("raise AssertionError").body)  # the rest keeps its free variables
    return ast.unparse(ast.fix_missing_locations(tree))


def _limit_cpu(seconds: float) -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (int(seconds), int(seconds) + 5))


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)
