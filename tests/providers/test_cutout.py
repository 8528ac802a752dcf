"""The two models that keep the pixels of the goods: white ground in this process, and saliency_seg."""

import base64
import io
from decimal import Decimal

import pytest
from PIL import Image

import generator
from app.config import Settings
from app.domain import Edit, ImageRequest, Models, Reference, SampleImage
from app.domain.edits import WHOLE
from app.errors import Billed, InvalidRequest
from tests.images.test_cutout import goods, opened, packed
from tests.providers.services import failure, size_of
from tools.fakes.jimeng import CUT_OUT, FakeJimeng

SERVICE = "jimeng"
WHITE = "white-ground"
REQUEST = ImageRequest(
    prompt="杯子",
    aspect_ratio="3:2",
    resolution="1K",
    sample_images=(SampleImage(url="/output/a.png", filename="a.png"),),
    edit=Edit(kind=WHOLE, width=300, height=200),
)
PHOTO = packed(goods())


def models(service: FakeJimeng, **more: object) -> dict[str, generator.Provider]:
    opened_now = generator.open_providers(Settings(**service.settings(**more)))
    return {each.provider.spec.model_id: each.provider for each in opened_now}


def submitted(service: FakeJimeng, content: bytes = PHOTO, **settings: object) -> bytes:
    model = models(service, **settings)[CUT_OUT]
    result = model.submit(REQUEST, [Reference(filename="a.png", content=content)])
    assert result.image
    return result.image.content


def test_white_ground_is_there_without_keys_free_and_one_at_a_time() -> None:
    settings = Settings()
    (found,) = (each for each in generator.open_providers(settings) if each.provider.spec.model_id == WHITE)
    assert found.concurrency == 1
    spec = found.provider.spec
    assert (spec.price(REQUEST), spec.self_hosted, spec.is_for_rows) == (Decimal(0), True, False)
    assert [each.provider for each in generator.open_providers(settings, [found])].count(found.provider) == 1
    result = found.provider.submit(REQUEST, [Reference(filename="a.png", content=PHOTO)])
    assert result.image
    assert opened(result.image.content).getpixel((0, 0)) == (255, 255, 255)


def test_white_ground_says_why_nothing_was_made_and_costs_nothing() -> None:
    model = next(
        each.provider for each in generator.open_providers(Settings()) if each.provider.spec.model_id == WHITE
    )
    reference = Reference(filename="a.png", content=packed(goods((120, 90, 60))))
    error = failure(lambda: model.submit(REQUEST, [reference]))
    assert (error.billed, error.retryable, error.pauses_batch) == (Billed.NO, False, False)
    assert "底色 #785A3C 离白色太远" in str(error)


def test_rows_cannot_name_them_and_the_price_is_unknown_until_it_is_set(service: FakeJimeng) -> None:
    found = models(service)
    assert {CUT_OUT, WHITE} <= found.keys()
    choice = Models(each.spec for each in found.values())
    assert not {CUT_OUT, WHITE} & {*choice}
    with pytest.raises(InvalidRequest):
        choice.find(CUT_OUT)
    assert found[CUT_OUT].spec.price(REQUEST) is None
    priced = models(service, jimeng_cutout_price=Decimal("0.02"), price_per_image=Decimal(9))
    assert priced[CUT_OUT].spec.price(REQUEST) == Decimal("0.02")


def test_the_goods_of_a_picture_are_cut_out_at_once(service: FakeJimeng) -> None:
    made = opened(submitted(service))
    assert (made.mode, made.size) == ("RGBA", (300, 200))
    assert (made.getpixel((150, 100)), made.getchannel("A").getpixel((0, 0))) == (
        (20, 90, 60, 255),
        0,
    )
    (order,) = service.submissions
    assert order.body | {"binary_data_base64": None} == {
        "req_key": CUT_OUT,
        "binary_data_base64": None,
        "only_mask": 3,
        "refine_mask": 2,
        "rgb": [-1, -1, -1],
    }


@pytest.mark.parametrize(
    ("form", "size", "longest"), [("PNG", (4500, 1600), 4096), ("WEBP", (300, 200), 300)]
)
def test_a_picture_that_the_service_does_not_take_is_sent_smaller_and_comes_back_whole(
    service: FakeJimeng, form: str, size: tuple[int, int], longest: int
) -> None:
    picture = packed(goods().resize(size), form)
    assert size_of(submitted(service, picture)) == size
    sent = base64.b64decode(service.submissions[0].body["binary_data_base64"][0])
    with Image.open(io.BytesIO(sent)) as image:
        assert (image.format, max(image.size)) == ("JPEG", longest)
    assert len(sent) <= 4_700_000


@pytest.mark.parametrize("fault", ["reset", "drop", "cut", "html", "500", "502"])
def test_a_lost_answer_is_unknown_and_never_repeated(service: FakeJimeng, fault: str) -> None:
    service.fail_next(fault)
    error = failure(lambda: submitted(service))
    assert (error.billed, error.retryable, error.task_valid) == (Billed.UNKNOWN, False, False)
    assert service.count("submit") == 1


@pytest.mark.parametrize("fault", ["half", "garbled"])
def test_an_answer_that_is_no_picture_was_charged(service: FakeJimeng, fault: str) -> None:
    service.fail_next(fault)
    error = failure(lambda: submitted(service))
    assert (error.billed, error.retryable) == (Billed.YES, False)


def test_an_account_that_may_not_cut_out_stops_nothing_else_and_a_wrong_key_everything(
    service: FakeJimeng,
) -> None:
    service.entitled = False
    error = failure(lambda: submitted(service))
    assert (error.billed, error.pauses_batch, "没有开通即梦抠图" in str(error)) == (Billed.NO, False, True)
    service.fail_next("key")
    error = failure(lambda: submitted(service))
    assert (error.billed, error.pauses_batch, error.cause) == (Billed.NO, True, "key")
    service.fail_next("busy")
    error = failure(lambda: submitted(service))
    assert (error.billed, error.throttled, error.retryable) == (Billed.NO, True, True)


def test_a_picture_that_cannot_be_opened_is_not_sent(service: FakeJimeng) -> None:
    error = failure(lambda: submitted(service, PHOTO[:100]))
    assert (error.billed, service.count("submit")) == (Billed.NO, 0)
