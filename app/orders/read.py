"""Reads untrusted rows: fills their variables, finds their models and references, validates them."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from typing import Any

from app.domain import (
    MAX_ROW_NUMBER,
    MAX_ROWS_A_BATCH,
    ImageRequest,
    Models,
    ModelSpec,
    ReferenceInfo,
    RowExtras,
    SampleImage,
    fill_rows,
    is_empty_row,
)
from app.errors import AppError, BucketError, InvalidRequest, TryLater
from app.library.library import Library
from app.library.names import LibraryNames

# Adds the content to the references of all rows at once.
FixReferences = Callable[[Iterable[SampleImage]], Mapping[SampleImage, SampleImage]]
SKIP, AGAIN = "skip", "again"
REPEATS = (SKIP, AGAIN)
PAID = "paid"  # as SKIP, but what was charged without a picture is made once more


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedRow:
    """An untrusted row. ``request`` is None when it cannot be read; ``repeats`` is None when not given."""

    number: int
    request: ImageRequest | None
    extras: RowExtras
    problems: Sequence[InvalidRequest]
    repeats: str | None = None
    is_empty: bool = False


class RowErrors(AppError):
    """Invalid rows; ``problems`` are (row, error), ``number`` is the row number shown of the first."""

    def __init__(self, problems: Sequence[tuple[int, InvalidRequest]], *, number: int) -> None:
        _, first = problems[0]
        super().__init__(
            "第 {number} 行：{problem}（共 {n} 处问题，没有开始生成）",
            number=number,
            problem=first.message,
            n=len(problems),
        )
        self.problems = problems


@dataclass(frozen=True, slots=True, kw_only=True)
class RowReader:
    """Reads rows for these models, with the references of this library.

    ``find_model`` returns the model of a written name, of an empty one the default; it raises InvalidRequest.
    ``may_check_later``: while the library is out of reach, that is a problem of the rows that need it.
    """

    models: Models
    library: Library
    find_model: Callable[[str], ModelSpec]
    may_check_later: bool = False

    def read(
        self,
        rows: Sequence[Any],
        fix_references: FixReferences,
        *,
        date: str,
        model: str = "",
        most: int = MAX_ROWS_A_BATCH,
    ) -> list[ParsedRow]:
        """Fill and validate untrusted rows, whose problems are part of the result.

        ``date`` is ``{日期}``; ``model`` is that of the rows that name none. Raises InvalidRequest for more
        than ``most`` rows.
        """
        if len(rows) > most:
            text = "一个批次最多 {limit} 行，现在有 {n} 行"
            raise InvalidRequest("rows", text, limit=most, n=len(rows))
        given = [row.get("number") if isinstance(row, Mapping) else None for row in rows]
        numbers, wrong = _number_rows(given)
        filled = fill_rows(rows, numbers, date=date)
        find = cache(lambda written: self.find_model(written or model))
        parsed = []
        for position, (row, texts, number) in enumerate(zip(rows, filled, numbers, strict=True), 1):
            request, problems = texts.read()
            problems = [*([wrong[position]] if position in wrong else ()), *problems]
            repeats = row.get("repeats") if isinstance(row, Mapping) else None
            if repeats not in (None, *REPEATS):
                repeats = None
                problems.append(InvalidRequest("repeats", "repeats 应为 {choices}", choices=REPEATS))
            if request is not None:
                try:
                    request = replace(request, model=find(request.model).model_id)
                except InvalidRequest as problem:
                    request = None
                    problems.append(problem)
            parsed.append(
                ParsedRow(
                    number=number,
                    request=request,
                    extras=texts.extras,
                    repeats=repeats,
                    problems=problems,
                    is_empty=bool(problems) and isinstance(row, Mapping) and is_empty_row(row),
                )
            )
        return self.complete(parsed, fix_references)

    def complete(self, parsed: Sequence[ParsedRow], fix_references: FixReferences) -> list[ParsedRow]:
        """The rows with their references found by name and fixed, and with the problems of their models.

        A reference that is not found is a problem; so is a library out of reach, with ``may_check_later``.
        """
        names = LibraryNames(self.library)
        late = (BucketError, TryLater) if self.may_check_later else ()
        rows, named = list(parsed), dict[int, tuple[SampleImage, ...]]()
        for index, row in enumerate(rows):
            if any(problem.field == "sample_images" for problem in row.problems):
                rows[index] = replace(row, request=None)  # their names are not known
            elif row.request and row.request.sample_images:
                try:
                    named[index] = names.resolve(row.request.sample_images)
                except (InvalidRequest, *late) as error:
                    problem = InvalidRequest("sample_images", error.message)
                    rows[index] = replace(row, request=None, problems=[*row.problems, problem])
        fixed = fix_references(image for images in named.values() for image in images)
        facts_of = cache(self.library.facts)  # of many rows with the same references
        for index, row in enumerate(rows):
            if (request := row.request) is None:
                continue
            facts = dict[str, ReferenceInfo]()
            if index in named:
                request = replace(request, sample_images=tuple(fixed[image] for image in named[index]))
                facts = facts_of(request.sample_images)
            problems = self.models.of(request).validate(request, facts)
            rows[index] = replace(row, request=request, problems=[*row.problems, *problems])
        return rows

    def for_model(
        self, parsed: Sequence[ParsedRow], spec: ModelSpec, resolution: str, fix_references: FixReferences
    ) -> list[ParsedRow]:
        """The rows for this model, without what it ignores, at this resolution; empty: their own."""
        models, rows = Models([spec]), list[ParsedRow]()
        for row in parsed:
            if request := row.request:
                request = models.accept(replace(request.sized(None, resolution), model=spec.model_id))
                row = replace(row, request=request, problems=[])
            rows.append(row)
        return self.complete(rows, fix_references)


def today() -> str:
    """The local date, as ``{日期}`` is replaced."""
    return f"{datetime.now().astimezone():%Y-%m-%d}"


def _number_rows(given: Sequence[Any]) -> tuple[list[int], dict[int, InvalidRequest]]:
    """(row numbers, errors by position): the untrusted number of each row, else its 1-based position."""
    numbers: list[int] = []
    problems: dict[int, InvalidRequest] = {}
    taken: set[int] = set()
    for position, number in enumerate(given, 1):
        if number is None:
            number = position
        if type(number) is not int or not 1 <= number <= MAX_ROW_NUMBER:
            problems[position] = InvalidRequest("number", "行号应为 1–{limit} 的整数", limit=MAX_ROW_NUMBER)
            number = position
        elif number in taken:
            problems[position] = InvalidRequest("number", "行号 {number} 用了两次", number=number)
        taken.add(number)
        numbers.append(number)
    return numbers, problems
