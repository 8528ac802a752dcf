"""Every promise in docs/promises.md names existing tests."""

import ast
import functools
import re

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
