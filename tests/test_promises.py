"""Every promise in docs/promises.md names existing tests, and so does every fault that one guards against."""

import ast
import functools
import re

from tools.mutants.faults import read_faults
from tools.server_process import ROOT


def test_every_promise_names_existing_tests() -> None:
    rows = [line for line in (ROOT / "docs/promises.md").read_text("utf-8").splitlines() if line[:2] == "| "]
    for row in rows:
        named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", row)
        assert bool(named) is ("verified by" not in row), row
        assert len(named) == row.count("::"), row
        assert [f"{file}::{name}" for file, name in named if name not in names_in(file)] == []


@functools.cache
def names_in(file: str) -> set[str]:
    tree = ast.parse((ROOT / file).read_text("utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_each_fault_is_in_its_file_once_and_found_by_tests_that_a_promise_names() -> None:
    promises = (ROOT / "docs/promises.md").read_text("utf-8")
    for fault in read_faults():
        assert (ROOT / fault["file"]).read_text("utf-8").count(fault["text"]) == 1, fault
        assert [f"`{test}`" in promises for test in fault["tests"]] == [True] * (len(fault["tests"]) or 1), (
            fault
        )
