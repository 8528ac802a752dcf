"""What is read of untrusted rows, and which of their problems are told."""

from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import pytest

from app.config import Settings
from app.domain import MAX_ROW_NUMBER, ImageRequest, Models, RowExtras, SampleImage
from app.errors import InvalidRequest, TryLater
from app.library.library import Library
from app.orders.read import ParsedRow, RowReader
from tests.specs import ANY

MODELS = Models([ANY])
NAMED = {"prompt": "猫", "sample_images": [{"url": "", "filename": "茶.png"}]}


@pytest.fixture
def reader(settings: Settings) -> RowReader:
    return RowReader(models=MODELS, library=Library(settings), find_model=MODELS.find)


def read(reader: RowReader, *rows: Any, **fields: Any) -> list[ParsedRow]:
    return reader.read(rows, reader.library.pin, date="", **fields)


def fields_of(row: ParsedRow) -> list[str]:
    return [problem.field for problem in row.problems]


@pytest.mark.parametrize("number", [1, MAX_ROW_NUMBER, 0, MAX_ROW_NUMBER + 1, True, "3"])
def test_the_number_of_a_row_is_an_integer_within_its_limits(reader: RowReader, number: Any) -> None:
    (row,) = read(reader, {"prompt": "猫", "number": number})
    assert fields_of(row) == ([] if number in (1, MAX_ROW_NUMBER) and number is not True else ["number"])
    assert row.request, "the other fields are read"


def test_there_are_no_more_rows_than_asked_for(reader: RowReader) -> None:
    assert len(read(reader, NAMED, most=1)) == 1
    with pytest.raises(InvalidRequest, match="最多 1 行"):
        read(reader, NAMED, NAMED, most=1)


def test_references_that_cannot_be_read_have_no_other_problem(reader: RowReader) -> None:
    problems = [InvalidRequest("sample_images", "读不了")]
    request = ImageRequest(prompt="猫", sample_images=(SampleImage(url="", filename="没有.png"),))
    row = ParsedRow(number=1, request=request, extras=RowExtras(), problems=problems)
    assert reader.complete([row], reader.library.pin)[0].problems == problems


@pytest.mark.parametrize("later", [True, False])
def test_a_library_out_of_reach_is_a_problem_of_a_row_only_where_it_is_checked_later(
    reader: RowReader, monkeypatch: pytest.MonkeyPatch, later: bool
) -> None:
    def fail(_: Library) -> None:
        raise TryLater("请稍后再试")

    monkeypatch.setattr(Library, "list_images", fail)
    with nullcontext() if later else pytest.raises(TryLater):
        (row,) = read(replace(reader, may_check_later=True) if later else reader, NAMED)
        assert [str(each) for each in row.problems] == ["请稍后再试"]
        assert fields_of(row) == ["sample_images"]


def test_rows_are_read_for_another_model_at_its_resolution(reader: RowReader) -> None:
    other = replace(ANY, model_id="other")
    (row,) = reader.for_model(read(reader, {"prompt": "猫"}), other, "4K", reader.library.pin)
    assert row.request
    assert (row.request.model, row.request.resolution) == ("other", "4K")
