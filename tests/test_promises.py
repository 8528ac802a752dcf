"""Every promise in docs/promises.md names existing tests."""

import ast
import functools
import re

from tools.server_process import ROOT

ROWS = [
    line
    for line in (ROOT / "docs" / "promises.md").read_text("utf-8").splitlines()
    if line.startswith("| ") and "verified by" not in line
]


def test_every_promise_names_existing_tests() -> None:
    names_of = functools.cache(names_in)
    for row in ROWS:
        named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", row)
        assert named, row
        assert len(named) == row.count("::"), row
        assert [f"{file}::{name}" for file, name in named if name not in names_of(file)] == []


def names_in(file: str) -> set[str]:
    tree = ast.parse((ROOT / file).read_text("utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
