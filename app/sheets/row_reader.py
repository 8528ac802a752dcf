"""Reads the rows of a sheet: the cells of each under their header, validated against its model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from app.domain import (
    MAX_OWN_COLUMNS,
    MAX_OWN_TEXT_LENGTH,
    MAX_REFERENCES,
    READERS,
    ImageRequest,
    ModelSpec,
    Status,
    own_size,
)
from app.errors import InvalidRequest, Message, message
from app.sheets.cells import TEXT_FIELDS, Problem, parse_cell, problem, split_names, truncate
from app.sheets.headers import FIELD_LABELS, RESULT_STATUSES, Header, status_named
from app.sheets.import_notes import DEFAULTS
from app.sheets.table import SheetRow, display_text, own_text

_SIZE = frozenset(("aspect_ratio", "resolution"))
_REQUEST_FIELDS = tuple(name for name in FIELD_LABELS if name != "references")


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedRow:
    """One row to review. ``number`` is the sheet's; ``fields`` use the API's names and keep invalid text.

    ``fields["model"]`` is the id of the model, empty for that of the whole table.
    ``references`` are names of reference images as written, ``sent_references`` those with their variables
    replaced. ``columns`` are all own columns of the sheet, in its order. Only in a results workbook there are
    ``status``, a Status value or "" for a line that was never submitted, and ``origin``, the row's number in
    the batch.
    """

    number: int
    fields: Mapping[str, Any]
    references: tuple[str, ...] = ()
    sent_references: tuple[str, ...] = ()
    columns: Mapping[str, str] = field(default_factory=dict)
    status: str | None = None
    origin: int | None = None

    def as_json(self) -> dict[str, Any]:
        """The JSON form used by the API."""
        as_dict = {"number": self.number, **self.fields, "references": list(self.references)}
        as_dict |= {"columns": self.columns} if self.columns else {}
        return as_dict if self.status is None else {**as_dict, "status": self.status}


@dataclass(slots=True)
class SheetRowReader:
    """Reads rows under a header; ``problems`` collects those of their cells."""

    header: Header
    own: Mapping[int, str]
    find_model: Callable[[str], ModelSpec] | None
    is_known: Callable[[str], bool]
    problems: list[Problem] = field(default_factory=list)
    is_cut: bool = False
    known_models: int = 0
    unknown_models: int = 0

    def read(self, row: SheetRow) -> ImportedRow:
        """The row, validated against its model unless its picture is finished."""
        status = self._read_status(row) if self.header.of_results else None
        texts, bad = self._read_texts(row)
        spec = self._read_model(row.number, texts, bad, is_finished=status == Status.SUCCESS)
        names = split_names(texts["references"], self.is_known)
        if "references" not in bad and (error := _references_error(names, spec)):
            self.problems.append(problem(row.number, "references", texts["references"], error))
        if self.header.has_prompt:
            fields = self._read_fields(row.number, texts, bad, spec)
        else:
            fields = self._read_fields(row.number, {**texts, "prompt": "·"}, bad, spec) | {"prompt": ""}
        return ImportedRow(
            number=row.number,
            fields=fields,
            references=tuple(names),
            sent_references=tuple(names),
            columns=self._read_own(row),
            status=status,
        )

    def notes(self) -> Iterator[Message]:
        """What was left out of the own columns, and a column that may not be meant for the model."""
        if self.unknown_models and not self.known_models:
            yield message("「模型」这一列没有一格是可选的模型；如果它是自己的列，请改个列名再导入")
        if self.is_cut or len(self.own) < len(self.header.own):
            yield message(
                "自己的列最多保留 {columns} 列、每格 {length} 字，多出的没有导入",
                columns=MAX_OWN_COLUMNS,
                length=MAX_OWN_TEXT_LENGTH,
            )

    def model_of(self, fields: Mapping[str, Any]) -> ModelSpec | None:
        """The model of a row as read; None when there is no such model, or none to validate against."""
        with suppress(InvalidRequest):
            return self.find_model(fields["model"]) if self.find_model else None
        return None

    def _read_model(
        self, number: int, texts: dict[str, str], bad: set[str], *, is_finished: bool
    ) -> ModelSpec | None:
        """The model to validate the row against; in ``texts`` its id replaces what the cell says."""
        if self.find_model is None or "model" in bad:
            return None
        try:
            spec = self.find_model(texts["model"])
        except InvalidRequest as error:
            bad.add("model")
            if not is_finished:
                self.unknown_models += 1
                self.problems.append(problem(number, "model", texts["model"], error.message))
            return None
        if texts["model"]:
            texts["model"] = spec.model_id
            self.known_models += 1
        return None if is_finished else spec

    def _read_own(self, row: SheetRow) -> dict[str, str]:
        texts = {name: own_text(row.own.get(column)) for column, name in self.own.items()}
        self.is_cut = self.is_cut or any(len(text) > MAX_OWN_TEXT_LENGTH for text in texts.values())
        return {name: text[:MAX_OWN_TEXT_LENGTH] for name, text in texts.items()}

    def _read_status(self, row: SheetRow) -> str:
        text = display_text(row.values.get(self.header.columns["status"], "")).strip()
        status = status_named(text)
        if text and status is None:
            known = tuple(RESULT_STATUSES.values())
            error = message("不认识的状态，可选：{known}；不再生成的行请删掉", known=known)
            self.problems.append(problem(row.number, "status", text[:60], error))
        return status or ""

    def _read_texts(self, row: SheetRow) -> tuple[dict[str, str], set[str]]:
        """The text of each field, and the fields that are not readable."""
        texts = dict.fromkeys(FIELD_LABELS, "")
        bad: set[str] = set()
        for name in FIELD_LABELS:
            if (value := row.values.get(self.header.columns.get(name, 0))) is None:
                continue
            texts[name], issue = parse_cell(row.number, name, value)
            if issue:
                self.problems.append(issue)
                if issue.fixed is None:
                    bad.add(name)
        return texts, bad

    def _read_fields(
        self, number: int, texts: Mapping[str, str], bad: set[str], spec: ModelSpec | None
    ) -> dict[str, Any]:
        """The fields of a row, parsed, or the raw text where a problem was found."""
        raw = {
            name: texts[name] if name in TEXT_FIELDS else truncate(texts[name]) for name in _REQUEST_FIELDS
        }
        request, errors = ImageRequest.read({**raw, **dict.fromkeys(bad)} if bad else raw)
        for error in errors:
            if error.field not in bad:
                bad.add(error.field)
                self.problems.append(problem(number, error.field, raw[error.field], error.message))
        if request is None:
            good = {name: text for name, text in raw.items() if name not in bad}
            request = ImageRequest.parse({"prompt": "·", **good})
        for error in spec.validate(request) if spec else ():
            if error.field not in _SIZE or not bad & _SIZE:
                seen = raw[error.field] or DEFAULTS.get(error.field, "")
                self.problems.append(problem(number, error.field, seen, error.message))
        fields = {name: texts[name] if name in bad else getattr(request, name) for name in _REQUEST_FIELDS}
        if own_size(request.resolution):  # it stays where it was written
            return fields | {name: READERS[name](raw[name]) if raw[name] else "" for name in _SIZE - bad}
        return fields


def _references_error(names: Sequence[str], spec: ModelSpec | None) -> str | Message | None:
    count = len(names)
    if spec and names and spec.local_reference_problem:
        return spec.local_reference_problem
    if spec and count > spec.max_references:
        model, limit = message(spec.label), spec.max_references
        return message("{model} 最多接受 {limit} 张参考图", model=model, limit=limit)
    if count > MAX_REFERENCES:
        return message("参考图有 {count} 张，一行最多 {limit} 张", count=count, limit=MAX_REFERENCES)
    return None
