"""The conditions of SQL in strings, and what they may be changed to."""

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

_TOKEN = re.compile(
    r"""(?P<space>\s+)|(?P<hole>\{[^{}]*\})|(?P<quote>\"+|[fr]+\")|(?P<text>'[^']*')|(?P<open>\()|(?P<close>\))
    |(?P<sign><>|<=|>=|[<>=,+*/|-]+)|(?P<word>:?[A-Za-z_][\w.]*)|(?P<other>.)""",
    re.VERBOSE | re.DOTALL,
)
_IS_SQL = re.compile(r"\b(SELECT|UPDATE|DELETE|WHERE|AND|OR|NULL|IN)\b|\w (=|<>|<=?|>=?) [:'\w{]")
_CLAUSES = {
    "SELECT",
    "FROM",
    "WHERE",
    "SET",
    "ON",
    "GROUP",
    "ORDER",
    "LIMIT",
    "RETURNING",
    "UNION",
    "JOIN",
    "LEFT",
}
_CLAUSES |= {
    "VALUES",
    "CROSS",
    "CASE",
    "WHEN",
    "THEN",
    "ELSE",
    "END",
    "AS",
    "UPDATE",
    "DO",
    "CONFLICT",
    "PARTITION",
}
_ORDER = {"<": "<=", "<=": "<", ">": ">=", ">=": ">"}
_EQUALITY = {"=": "<>", "<>": "="}  # not of a term that is dropped, which is harder to notice


class _Token(NamedTuple):
    kind: str
    text: str
    start: int
    end: int


class _Term(NamedTuple):
    """What stands between two clauses, commas, parentheses, ANDs or ORs; and the word before and after it."""

    before: str
    tokens: list[_Token]
    after: str


def is_sql(code: str) -> bool:
    """Whether a string in the code has conditions of SQL."""
    return code.isascii() and bool(_IS_SQL.search(code))


def edits(sql: str) -> Iterator[tuple[int, int, str]]:
    """(start, end, new text) of each change of one condition."""
    tokens = [
        _Token(str(match.lastgroup), match.group(), match.start(), match.end())
        for match in _TOKEN.finditer(sql)
        if match.lastgroup not in ("space", "quote")
    ]
    for term in _terms(tokens):
        yield from _edits_of(term)
    for first, second in pairwise(tokens):
        if first.text == "IN" and second.text == "(":
            yield from _edits_of_list(tokens[tokens.index(second) + 1 :])


def _terms(tokens: list[_Token]) -> Iterator[_Term]:
    """The terms of the text, those in parentheses after the one that they are part of."""
    term: list[_Token] = []
    before, depth, is_range, inner = "", 0, False, list[_Token]()
    for token in (*tokens, _Token("close", ")", 0, 0)):
        if depth or (token.kind == "open" and token.end):
            depth += {"open": 1, "close": -1}.get(token.kind, 0)
            term.append(token)
            inner.append(token)
            if not depth:
                yield from _terms(inner[1:-1])
                inner = []
        elif token.text == "BETWEEN" or (is_range and token.text == "AND"):
            is_range = token.text == "BETWEEN"
            term.append(token)
        elif token.kind == "close" or token.text in ("AND", "OR", ",") or token.text in _CLAUSES:
            yield _Term(before, term, token.text)
            before = "SET" if before == "SET" and token.text == "," else token.text
            term = []
        else:
            term.append(token)


def _edits_of(term: _Term) -> Iterator[tuple[int, int, str]]:
    if not term.tokens or term.before == "SET":
        return
    is_one_of_several = "AND" in (term.before, term.after) or "OR" in (term.before, term.after)
    if is_one_of_several:
        nothing = "1 = 1" if "AND" in (term.before, term.after) else "1 = 0"
        yield term.tokens[0].start, term.tokens[-1].end, nothing
    depth = 0
    for index, token in enumerate(term.tokens):
        depth += {"open": 1, "close": -1}.get(token.kind, 0)
        if depth:
            continue
        words = [other.text for other in term.tokens[index : index + 3]]
        if token.text in _ORDER or (token.text in _EQUALITY and not is_one_of_several):
            yield token.start, token.end, (_ORDER | _EQUALITY)[token.text]
        elif words == ["IS", "NOT", "NULL"] and not is_one_of_several:
            yield token.start, term.tokens[index + 1].end, "IS"
        elif words[:2] == ["IS", "NULL"] and not is_one_of_several:
            yield token.start, token.end, "IS NOT"
        elif token.text == "NOT" and (index == 0 or term.tokens[index - 1].text != "IS"):
            yield token.start, token.end, ""


def _edits_of_list(tokens: list[_Token]) -> Iterator[tuple[int, int, str]]:
    """Without each of the values of ``IN (…)``."""
    values = []
    for value, sign in zip(tokens[::2], tokens[1::2], strict=False):
        if value.kind != "text":
            return
        values.append(value)
        if sign.text == ")":
            break
    for value in values if len(values) > 1 else ():
        yield value.start, value.end, next(other.text for other in values if other is not value)
