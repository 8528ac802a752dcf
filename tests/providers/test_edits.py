"""What is sent to change a picture, and that the fakes refuse what the services would."""

import base64
from dataclasses import replace
from email import message_from_bytes
from typing import Any

import pytest

from app.domain import Edit, ImageRequest, Reference
from app.images import masks
from app.providers import openai_images
from app.providers.kit import size_like
from tests.providers.services import failure, opened
from tools.fakes.bailian import FakeBailian
from tools.fakes.images import make_image
from tools.fakes.jimeng import INPAINT, OUTPAINT, UPSCALER, FakeJimeng
from tools.fakes.openai_images import FakeOpenAIImages
from tools.fakes.sdapi import FakeSdApi

SIZE = (1000, 750)
BOX = (100, 50, 300, 400)
PICTURE = Reference(filename="猫.png", content=make_image(*SIZE))
MASK = Reference(filename="蒙版.png", content=masks.box_mask(BOX, *SIZE))
CLEAR = replace(MASK, content=masks.as_alpha(MASK.content or b""))
EDIT = Edit(kind="mask", width=SIZE[0], height=SIZE[1], boxes=(BOX,))
FLOWER = ImageRequest(prompt="一朵花", aspect_ratio="4:3", resolution="1K", edit=EDIT)


def plain(reference: Reference) -> str:
    return base64.b64encode(reference.content or b"").decode()


def test_jimeng_redraws_with_the_picture_then_the_grey_mask_and_chance() -> None:
    with FakeJimeng() as service:
        opened(service, jimeng_req_key=INPAINT).submit(FLOWER, [PICTURE, MASK])
        assert service.submissions[0].body == {
            "req_key": INPAINT,
            "prompt": "一朵花",
            "seed": -1,
            "binary_data_base64": [plain(PICTURE), plain(MASK)],
        }


def test_jimeng_extends_by_fractions_of_the_sides() -> None:
    edit = replace(EDIT, kind="expand", boxes=(), edges=(0.1, 0.2, 0.3, 0.4))
    with FakeJimeng() as service:
        model = opened(service, jimeng_req_key=OUTPAINT)
        model.submit(replace(FLOWER, edit=edit), [PICTURE])
        body = service.submissions[0].body
        assert [body[side] for side in ("left", "top", "right", "bottom")] == [0.1, 0.2, 0.3, 0.4]
        assert (service.submissions[0].width, service.submissions[0].height) == (1400, 1200)
        assert model.spec.price(FLOWER) is None


@pytest.mark.parametrize("req_key", [INPAINT, UPSCALER])
def test_what_is_not_opened_at_jimeng_stops_nothing_else(req_key: str) -> None:
    with FakeJimeng(entitled=False) as service:
        model = opened(service, jimeng_req_key=req_key)
        pictures = [PICTURE, MASK] if req_key == INPAINT else [PICTURE]
        problem = failure(lambda: model.submit(FLOWER, pictures))
        assert ("没有开通即梦" in str(problem), problem.pauses_batch) == (True, False)


def test_openai_s_form_has_one_picture_and_a_mask_that_is_clear_where_it_changes() -> None:
    with FakeOpenAIImages() as service:
        opened(service).submit(FLOWER, [PICTURE, CLEAR])
        (_, call), *_ = service.calls
        head = f"Content-Type: {call.headers['content-type']}\r\n\r\n".encode()
        parts: Any = message_from_bytes(head + call.content).get_payload()
        names = [part.get_param("name", header="content-disposition") for part in parts]
        assert names[-2:] == ["image", "mask"]
        order = service.submissions[0]
        assert (order.width % 16, order.height % 16) == (0, 0)
        assert order.width / order.height == pytest.approx(SIZE[0] / SIZE[1], rel=0.01)


@pytest.mark.parametrize("size", [SIZE, (3000, 1000), (1000, 2100)])
def test_openai_s_estimate_is_of_the_size_that_is_asked_for(size: tuple[int, int]) -> None:
    edit = replace(EDIT, width=size[0], height=size[1])
    with FakeOpenAIImages() as service:
        spec = opened(service, openai_base_url="https://api.openai.com/v1", usd_cny=service.rate).spec
    plain = replace(FLOWER, edit=None, resolution=str(openai_images.size_of(edit)))
    for quality in spec.options["quality"]:
        estimate = spec.price(replace(plain, quality=str(quality)))
        assert estimate
        assert spec.price(replace(plain, edit=edit, resolution="1K", quality=str(quality))) == estimate


def test_wan_gets_boxes_in_pixels_and_keeps_the_ratio() -> None:
    with FakeBailian() as service:
        opened(service).submit(FLOWER, [PICTURE])
        body = service.submissions[0].body
        assert body["parameters"] == {"size": "1K", "n": 1, "watermark": False, "bbox_list": [[[*BOX]]]}


def test_a_stable_diffusion_server_begins_with_what_is_there() -> None:
    with FakeSdApi() as service:
        opened(service).submit(FLOWER, [PICTURE, MASK])
        body = service.submissions[0].body
        assert (body["init_images"], body["mask"]) == ([plain(PICTURE)], plain(MASK))
        assert (body["width"], body["height"]) == (1000, 752)
        assert (body["inpainting_fill"], body["inpaint_full_res"], body["denoising_strength"]) == (
            1,
            False,
            0.75,
        )


SMALL = replace(MASK, content=masks.box_mask(BOX, 500, 500))
WRONG = [
    (FakeJimeng, {"jimeng_req_key": INPAINT}, [PICTURE, SMALL]),
    (FakeJimeng, {"jimeng_req_key": INPAINT}, [PICTURE]),
    (FakeJimeng, {"jimeng_req_key": INPAINT}, [PICTURE, CLEAR]),
    (FakeOpenAIImages, {}, [PICTURE, replace(CLEAR, content=masks.as_alpha(SMALL.content or b""))]),
    (FakeOpenAIImages, {}, [PICTURE, MASK]),
    (FakeSdApi, {}, [PICTURE, SMALL]),
]


@pytest.mark.parametrize(("kind", "fields", "references"), WRONG)
def test_a_mask_of_another_form_is_refused_free_of_charge(kind: Any, fields: Any, references: Any) -> None:
    with kind() as service:
        failure(lambda: opened(service, **fields).submit(FLOWER, references))
        assert service.submissions == []


def test_more_than_two_boxes_are_refused() -> None:
    boxes = tuple((n, 0, n + 1, 1) for n in (0, 10, 20))
    request = replace(FLOWER, edit=replace(EDIT, boxes=boxes))
    with FakeBailian() as service:
        model = opened(service)
        failure(lambda: model.submit(request, [PICTURE]))
        assert service.submissions == []
        assert [problem.field for problem in model.spec.unsupported(request)] == ["mask"]


@pytest.mark.parametrize("size", [(333, 217), (4096, 4096), (5404, 3040), (700, 2000), (1024, 1024)])
def test_a_size_of_nearly_the_same_ratio_is_found(size: tuple[int, int]) -> None:
    found = size_like(*size, minimum=655_360, maximum=3840 * 2160, multiple_of=16)
    assert found.width / found.height == pytest.approx(size[0] / size[1], rel=0.01)
    assert 655_360 <= found.area <= 3840 * 2160
