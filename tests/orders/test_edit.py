"""The change of a made picture: by which model it is made and with what, and what is offered."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import database
from app.config import Settings
from app.domain import Models, ModelSpec, Record, ReferenceLimits
from app.domain.models import EditRules
from app.errors import AppError
from app.orders.edit import Offers, Wish, edit, offers, stem_for
from tests.core.queue import queue
from tests.orders.test_doors import UPSCALER, Case, new_case
from tests.specs import ANY

MADE = "status = 'success', image_path = '/output/a.png', filename = 'a.png', width = 1024, height = 1024"
SHOWN, OTHER = "https://example.com/a.png", "https://example.com/b.png"
OPTIONS: dict[str, Any] = {"reference_strength": range(1, 101), "output_format": ("png", "webp")}
MASKS = replace(ANY, model_id="masks", name="masks", edit=EditRules(takes="mask"), options=OPTIONS)
BOXES = replace(MASKS, model_id="boxes", name="boxes", edit=EditRules(takes="boxes", boxes=2))
WHOLE = replace(ANY, model_id="whole", name="whole", edit=EditRules(takes="whole", only=True))
EXPANDS = replace(ANY, model_id="expands", name="expands", edit=EditRules(expands=True))
SQUARE_FIRST = {pair: ANY.sizes[pair] for pair in [("1:1", "4K"), ("16:9", "4K")]}
AREA = Wish(prompt="花", region={"x": 0.25, "y": 0.25, "width": 0.5, "height": 0.25})
VARIED, ENLARGED = Wish(varies=True), Wish(enlarges=True)
Open = Callable[..., Case]


@pytest.fixture
def opened(db: database.Connection, settings: Settings) -> Open:
    """Makes a case with these models."""
    return lambda *specs, without_key="": new_case(db, settings, Models(specs), without_key=without_key)


def made(case: Case, assignments: str = "", **row: Any) -> int:
    """The id of a record with a picture."""
    _, (record_id,) = case.ended(MADE, {"prompt": "猫", **row})
    if assignments:
        queue.set_fields(case.db, assignments, record_id)
    return record_id


def changed(case: Case, record_id: int, wish: Wish, **fields: Any) -> Record:
    """The record that is queued for it."""
    (queued,) = edit(case.conditions, record_id, wish, address=lambda _: SHOWN, **fields).ids
    return database.get_record(case.db, queued)


def offered(case: Case, record_id: int) -> Offers:
    record = database.get_record(case.db, record_id)
    return offers(case.conditions, record, address=lambda _: SHOWN)


@pytest.mark.parametrize(
    ("pictures", "number", "reserved", "stem"),
    [(1, 1, "猫_1", "猫_1"), (2, 1, "猫_1", "猫"), (1, 2, "猫_2", "猫"), (2, 1, "_1", "猫")],
)
def test_the_name_of_one_more_picture_has_no_number_of_another(
    opened: Open, tmp_path: Path, pictures: int, number: int, reserved: str, stem: str
) -> None:
    case = opened(ANY)
    record = database.get_record(case.db, made(case))
    row: dict[str, Any] = {"num_images": pictures, "picture_number": number, "reserved_stem": reserved}
    assert stem_for(tmp_path, replace(record, **row)) == stem


@pytest.mark.parametrize(
    ("assignments", "problem"), [("status = 'failed'", "做好的图片"), ("height = NULL", "尺寸")]
)
def test_nothing_is_offered_for_what_is_no_picture(opened: Open, assignments: str, problem: str) -> None:
    case = opened(MASKS)
    assert problem in str(offered(case, made(case, assignments)).problem)


@pytest.mark.parametrize(
    ("specs", "model", "without_key", "wish", "expected"),
    [
        ([ANY, BOXES, MASKS], "masks", "", AREA, "masks"),
        ([ANY, BOXES, MASKS], "test-1", "", AREA, "boxes"),
        ([ANY, BOXES, MASKS], "test-1", "boxes", AREA, "masks"),
        ([ANY], "test-1", "", AREA, "没有能这样改图的模型"),
        ([ANY, WHOLE], "test-1", "", Wish(), "请写要用的模型"),
        ([ANY, MASKS], "test-1", "", replace(AREA, model="test-1"), "测试模型 不能这样改图"),
        ([ANY, WHOLE], "whole", "", VARIED, "不能变一变"),
    ],
)
def test_a_change_is_made_by_the_model_that_can_or_is_refused(
    opened: Open, specs: list[ModelSpec], model: str, without_key: str, wish: Wish, expected: str
) -> None:
    case = opened(*specs, without_key=without_key)
    record_id = made(case, f"model = '{model}'")
    try:
        outcome = changed(case, record_id, wish).model
    except AppError as error:
        outcome = str(error.message)
    assert expected in outcome


@pytest.mark.parametrize(("spec", "boxes"), [(MASKS, ()), (BOXES, ((256, 256, 768, 512),))])
def test_only_a_model_of_boxes_gets_boxes(opened: Open, spec: ModelSpec, boxes: tuple[Any, ...]) -> None:
    case = opened(spec)
    change = changed(case, made(case), AREA).request.edit
    assert change
    assert change.boxes == boxes


def test_a_canvas_is_not_extended_beyond_what_can_be_opened(opened: Open) -> None:
    case = opened(EXPANDS)
    with pytest.raises(AppError, match="超过 40,000,000 像素"):
        changed(case, made(case, "width = 6000, height = 6000"), Wish(edges={"left": 0.25}))


def test_a_change_has_the_options_of_the_picture_at_its_own_model_alone(opened: Open) -> None:
    case = opened(MASKS, BOXES)
    reference: dict[str, Any] = {
        "reference_strength": 40,
        "sample_images": [{"url": OTHER, "filename": "b.png"}],
    }
    record_id = made(case, output_format="webp", **reference)
    records = [changed(case, record_id, replace(AREA, model=model)) for model in ("masks", "boxes")]
    assert [each.request.options for each in records] == [{"output_format": "webp"}, {}]


def test_a_variation_keeps_the_references_of_a_row_but_not_those_of_a_change(opened: Open) -> None:
    case = opened(MASKS)
    record_id = made(case, reference_strength=40, sample_images=[{"url": OTHER, "filename": "b.png"}])
    change = changed(case, record_id, AREA)
    queue.set_fields(case.db, MADE, change.id)
    varied = [changed(case, each, VARIED).request for each in (record_id, change.id)]
    assert [[image.url for image in each.sample_images] for each in varied] == [[OTHER, SHOWN], [SHOWN]]
    assert [each.reference_strength for each in varied] == [40, 60]


@pytest.mark.parametrize(("ratio", "expected"), [("16:9", "16:9"), ("3:4", "1:1")])
def test_an_enlargement_has_the_ratio_of_the_picture_or_the_first(
    opened: Open, ratio: str, expected: str
) -> None:
    case = opened(ANY, replace(UPSCALER, sizes=SQUARE_FIRST))
    assert changed(case, made(case, aspect_ratio=ratio), ENLARGED).aspect_ratio == expected


def test_the_model_of_the_picture_is_offered_first_and_one_that_does_not_take_it_is_not(opened: Open) -> None:
    small = replace(
        MASKS, reference_limits=ReferenceLimits(formats=("png",), max_bytes=9, max_side=9, max_ratio=9)
    )
    case = opened(BOXES, MASKS)
    record_id = made(case, "model = 'masks'")
    assert offered(case, record_id).default == "masks"
    refused = offered(opened(small), record_id)
    assert (refused.models, "用不了参考图" in str(refused.problem)) == ([], True)
    without_key = opened(ANY, UPSCALER, without_key=UPSCALER.model_id)
    assert offered(without_key, record_id).enlarge is None
    queue.set_fields(case.db, "model = 'gone'", record_id)
    found = offered(case, record_id)
    assert (found.vary, found.enlarge, found.problem) == (None, None, None)


def test_a_repeated_call_is_answered_also_when_the_picture_is_gone(opened: Open) -> None:
    case = opened(MASKS)
    record_id = made(case)
    first = changed(case, record_id, AREA, key=queue.KEY)
    queue.set_fields(case.db, "status = 'failed'", record_id)
    assert changed(case, record_id, AREA, key=queue.KEY).id == first.id
