"""Print the mutants of a module as JSON, those of some functions if named ("": outside functions).

Needs cosmic-ray: ``python -m tools.mutants.generate app/worker/pipeline.py Pipeline.produce``
"""

import ast
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import parso
from cosmic_ray.mutating import mutate_code
from cosmic_ray.operators import boolean_replacer as booleans
from cosmic_ray.operators import comparison_operator_replacement as comparisons
from cosmic_ray.operators import unary_operator_replacement as unary
from cosmic_ray.operators.operator import Operator
from parso.python.tree import Operator as Leaf

from tools.mutants.sql import edits, is_sql

_PAIRS = ("Eq_NotEq", "NotEq_Eq", "Lt_LtE", "LtE_Lt", "Gt_GtE", "GtE_Gt", "Is_IsNot", "IsNot_Is")
_REPLACEMENTS = (
    *(booleans.ReplaceAndWithOr, booleans.ReplaceOrWithAnd),
    *(booleans.ReplaceTrueWithFalse, booleans.ReplaceFalseWithTrue),
)
_NOT_CONDITIONS = ("@dataclass", "strict=", "durable=", "shared=", "@lru_cache", "deterministic=")


class FixCondition(Operator):  # type: ignore[misc]
    """The condition of an if, a while, a conditional expression or a comprehension becomes True, or False."""

    def mutation_positions(self, node: Any) -> Iterator[tuple[object, object]]:
        """Two positions a condition."""
        for index in _conditions(node):
            for _ in _values(node):
                yield node.children[index].start_pos, node.children[index].end_pos

    def mutate(self, node: Any, index: int) -> Any:
        """The statement with a constant instead of its condition."""
        values = _values(node)
        place = list(_conditions(node))[index // len(values)]
        node.children[place] = parso.parse(f" {values[index % len(values)]}")
        return node

    @classmethod
    def examples(cls) -> tuple[object, ...]:
        """None."""
        return ()


class NegateMembership(FixCondition):
    """``in`` becomes ``not in``; and the reverse."""

    def mutation_positions(self, node: Any) -> Iterator[tuple[object, object]]:
        """At most one position."""
        if node.type == "comparison" and node.children[1].get_code().split() in (["in"], ["not", "in"]):
            yield node.start_pos, node.end_pos

    def mutate(self, node: Any, index: int) -> Any:
        """The other of the two."""
        other = "in" if "not" in node.children[1].get_code() else "not in"
        node.children[1] = parso.parse(f" {other}")
        return node


class InCondition(FixCondition):
    """Another operator, but not of a whole condition: one that becomes True or False is harder to notice."""

    def __init__(self, operator: Operator) -> None:
        self._operator = operator

    def mutation_positions(self, node: Any) -> Iterator[tuple[object, object]]:
        """Those of the other operator."""
        parent = node.parent
        if parent is None or not any(parent.children[index] is node for index in _conditions(parent)):
            yield from self._operator.mutation_positions(node)

    def mutate(self, node: Any, index: int) -> Any:
        """As the other operator."""
        return self._operator.mutate(node, index)


class ChangeSqlCondition(Operator):  # type: ignore[misc]
    """Drops a term of an AND or OR, a NOT or a value of an IN list, or changes a comparison."""

    def mutation_positions(self, node: Any) -> Iterator[tuple[object, object]]:
        """One position an edit."""
        if _has_sql(node):
            for _ in edits(node.get_code(include_prefix=False)):
                yield node.start_pos, node.end_pos

    def mutate(self, node: Any, index: int) -> Any:
        """The string after one of its edits."""
        code = node.get_code(include_prefix=False)
        start, end, text = list(edits(code))[index]
        return Leaf(code[:start] + text + code[end:], node.start_pos, node.get_first_leaf().prefix)

    @classmethod
    def examples(cls) -> tuple[object, ...]:
        """None."""
        return ()


def _has_sql(node: Any) -> bool:
    if node.type not in ("string", "fstring") or node.parent.type == "simple_stmt":  # a docstring
        return False
    return is_sql(node.get_code(include_prefix=False))


def _conditions(node: Any) -> Iterator[int]:
    """The indexes of the conditions among the children."""
    if node.type in ("if_stmt", "while_stmt"):
        keywords = [str(getattr(child, "value", "")) for child in node.children]
        yield from (i + 1 for i, word in enumerate(keywords) if word in ("if", "elif", "while"))
    elif node.type == "test" and node.children[1].get_code().strip() == "if":
        yield 2
    elif node.type == "comp_if":
        yield 1


def _values(node: Any) -> tuple[str, ...]:
    return ("False",) if node.type == "while_stmt" else ("True", "False")


def mutants(path: Path) -> Iterator[dict[str, Any]]:
    """Each mutant: file, kind, line, what it replaces by what, and the whole source."""
    source = path.read_text("utf-8")
    parts = [getattr(comparisons, f"ReplaceComparisonOperator_{pair}")() for pair in _PAIRS]
    parts += [unary.ReplaceUnaryOperator_Delete_Not(), NegateMembership()]
    operators = [("python", InCondition(part)) for part in parts]
    operators += [("python", replace()) for replace in _REPLACEMENTS]
    operators += [("python", FixCondition()), ("sql", ChangeSqlCondition())]
    seen = {source}
    for kind, operator in operators:
        number = 0
        while (mutated := mutate_code(source, operator, number)) is not None:
            number += 1
            line, before, after = _difference(source, mutated)
            if mutated not in seen and not any(word in before for word in _NOT_CONDITIONS):
                seen.add(mutated)
                yield {
                    "file": str(path),
                    "kind": kind,
                    "line": line,
                    "before": before,
                    "after": after,
                    "source": mutated,
                }


def _difference(source: str, mutated: str) -> tuple[int, str, str]:
    """The number of the first line that differs, and the lines that differ, before and after."""
    old, new = source.splitlines(), mutated.splitlines()
    first = next(i for i, (a, b) in enumerate(zip(old, new, strict=False)) if a != b)
    last = next(i for i, (a, b) in enumerate(zip(old[::-1], new[::-1], strict=False)) if a != b)
    changed = (lines[first : max(len(lines) - last, first + 1)] for lines in (old, new))
    before, after = (" ".join(" ".join(lines).split()) for lines in changed)
    return first + 1, before, after


def lines_of_functions(path: Path) -> dict[int, str]:
    """The lines of the bodies of functions and methods -> the name of the outermost one."""
    tree = ast.parse(path.read_text("utf-8"))
    classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    lines: dict[int, str] = {}
    for prefix, body in [("", tree.body), *((f"{each.name}.", each.body) for each in classes)]:
        for function in body:
            if isinstance(function, ast.FunctionDef):
                assert function.end_lineno
                span = range(function.body[0].lineno, function.end_lineno + 1)
                lines |= dict.fromkeys(span, prefix + function.name)
    return lines


if __name__ == "__main__":
    module = Path(sys.argv[1])
    names, functions = lines_of_functions(module), sys.argv[2:]
    chosen = (each | {"function": names.get(each["line"])} for each in mutants(module))
    json.dump([each for each in chosen if not functions or (each["function"] or "") in functions], sys.stdout)
