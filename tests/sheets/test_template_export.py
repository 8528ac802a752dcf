"""The template and the export: how they look in Excel, and that they are read back unchanged."""

import io
import zipfile
from dataclasses import replace
from typing import IO, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain import ImageRequest, Models, ModelSpec
from app.errors import SpreadsheetError
from app.sheets import read_workbook, write_requests, write_template
from tests.sheets.tables import opened
from tests.specs import ANY
from tools.workbooks.written import HEADER, saved


def content_of(file: IO[bytes]) -> bytes:
    """The bytes of a workbook."""
    with file:
        return file.read()


MODELS = Models([ANY, replace(ANY, model_id="test-2", label="Model 2")])


def back(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Export rows and import them."""
    content = content_of(write_requests(rows, [*MODELS.values()]))
    found = read_workbook(content, "a.xlsx", find_model=MODELS.find)
    return [{**row.fields, "references": list(row.references)} for row in found.rows]


def test_the_template_has_frozen_headers_over_columns_of_text() -> None:
    table = opened(write_template()).worksheets[0]

    assert (table.title, table.freeze_panes) == ("提示词表", "A2")
    assert [cell.value for cell in table[1]] == list(HEADER)
    assert {table.column_dimensions[letter].number_format for letter in "ABCDEFGHI"} == {"@"}


def test_the_template_has_drop_downs_for_all_rows_a_batch_may_have(spec: ModelSpec) -> None:
    small = {key: size for key, size in spec.sizes.items() if key[1] != "4K"}

    table = opened(write_template([replace(spec, sizes=small)])).worksheets[0]

    choices = {str(v.sqref): v.formula1 for v in table.data_validations.dataValidation}
    assert choices == {
        "C2:C20001": '"1:1,2:3,3:2,3:4,4:3,16:9,9:16,4:5,5:4,21:9,9:21,1:4,4:1,1:8,8:1"',
        "D2:D20001": '"1K,2K"',
        "E2:E20001": '"1,2,3,4,5,6,7,8,9,10"',
    }


def test_the_template_explains_every_column_with_an_example(spec: ModelSpec) -> None:
    noted = replace(spec, field_notes={"seed": "这个模型没有种子。"})

    explained = opened(write_template([noted]))["说明"]

    lines = [[str(cell.value or "") for cell in row] for row in explained.iter_rows(min_row=2)]
    for number, label in enumerate(HEADER):
        assert label in lines[number][0]
        assert all(lines[number])
    assert "这个模型没有种子。" in lines[7][1]


@pytest.mark.parametrize("most", [1, 4, 14])
def test_the_template_says_how_many_references_the_model_takes(spec: ModelSpec, most: int) -> None:
    explained = opened(write_template([replace(spec, max_references=most)]))["说明"]

    assert f"最多 {most} 个" in str(explained.cell(row=HEADER.index("参考示例图") + 2, column=2).value)


def test_the_template_is_small() -> None:
    assert len(content_of(write_template())) < 20_000


def test_the_unfilled_template_has_no_rows() -> None:
    with pytest.raises(SpreadsheetError, match=r"「提示词表」.*下面还没有内容"):
        read_workbook(content_of(write_template()), "模板.xlsx")


def test_a_filled_template_is_read() -> None:
    book = opened(write_template())
    table = book.worksheets[0]
    table["A2"], table["C2"], table["E2"] = "猫", "16:9", "3"

    found = read_workbook(saved(book), "a.xlsx")

    assert found.rows[0].fields["num_images"] == 3
    assert (found.problems, found.notes) == ((), ())


@pytest.mark.parametrize(
    "text", ["=1+1", "+1", "-1", "@SUM(A1)", "=cmd|' /C calc'!A0", "#N/A", "1.0", "TRUE", "16:09", "猫"]
)
def test_text_that_resembles_other_types_stays_text(text: str) -> None:
    cell = opened(write_requests([{"prompt": text}])).worksheets[0]["A2"]
    assert (cell.value, cell.data_type, cell.number_format) == (text, "s", "@")
    assert cell.quotePrefix is text.startswith(("=", "+", "-", "@"))
    assert back([{"prompt": text}])[0]["prompt"] == text


def test_no_formula_is_ever_written() -> None:
    content = content_of(
        write_requests([{"prompt": "=1", "filename": "=2", "references": ["=3"], "seed": "=4"}])
    )

    sheet = zipfile.ZipFile(io.BytesIO(content)).read("xl/worksheets/sheet1.xml")
    assert b"<f" not in sheet.replace(b"<formula1", b"")


def test_invalid_rows_are_exported_unchanged() -> None:
    (row,) = back(
        [{"filename": "猫", "aspect_ratio": "21:9", "num_images": "很多", "seed": None, "steps": 20}]
    )

    assert (row["aspect_ratio"], row["num_images"], row["steps"]) == ("21:9", "很多", 20)


def test_reference_images_are_exported_by_name() -> None:
    images = [{"url": "https://x/1.png", "filename": "a,b.png"}, {"url": "/samples/2", "filename": ' "c"'}]

    assert back([{"prompt": "猫", "sample_images": images}])[0]["references"] == ["a,b.png", ' "c"']


def test_text_longer_than_a_cell_is_refused_not_cut() -> None:
    with pytest.raises(SpreadsheetError, match=r"第 3 行的负面提示词有 32768 字") as refusal:
        write_requests([{"prompt": "猫"}, {"prompt": "狗", "negative_prompt": "长" * 32_768}])

    assert (refusal.value.row, refusal.value.column) == (3, "负面提示词")


def test_text_of_the_maximum_cell_length_is_kept() -> None:
    text = "\x01" * 9_999 + "_x0041_"

    assert back([{"prompt": "猫" + text}])[0]["prompt"] == "猫" + text


any_text = st.text(st.characters(codec=None), max_size=60)
tricky_text = st.text(
    st.sampled_from("=+-@'\"_x0041D,，;；\n\r\t\x00\x0b\x1f\ud800\ufffe\U0001f431猫 \u3000:16"), max_size=20
)
names = st.lists(any_text.filter(str.strip) | tricky_text.filter(str.strip), max_size=4)


@settings(max_examples=60, deadline=None)
@given(
    prompt=any_text | tricky_text,
    negative_prompt=any_text | tricky_text,
    filename=any_text | tricky_text,
    num_images=st.integers(1, 10),
    seed=st.none() | st.integers(0, 4_294_967_293),
    steps=st.none() | st.integers(1, 150),
    aspect_ratio=st.sampled_from(["1:1", "2:3", "3:2", "3:4", "4:3", "16:9", "9:16"]),
    resolution=st.sampled_from(["1K", "2K", "4K"]),
    model=st.sampled_from(["", *MODELS]),
    reference_strength=st.none() | st.integers(1, 100),
    background=st.sampled_from(["", "transparent", "opaque"]),
    output_format=st.sampled_from(["", "png", "jpeg", "webp"]),
    quality=st.sampled_from(["", "low", "medium", "high", "xhigh", "max"]),
)
def test_an_export_is_imported_unchanged(**fields: Any) -> None:
    request, _ = ImageRequest.read({**fields, "prompt": "猫" + fields["prompt"]})
    assert request is not None
    expected = {name: getattr(request, name) for name in fields}

    (row,) = back([expected])

    assert row == {**expected, "references": []}


@settings(max_examples=60, deadline=None)
@given(names)
def test_reference_names_are_imported_unchanged(references: list[str]) -> None:
    assert back([{"prompt": "猫", "references": references}])[0]["references"] == references
