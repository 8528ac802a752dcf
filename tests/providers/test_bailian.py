"""Bailian against its fake: requests and families."""

import base64
from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

import database
import generator
from app.config import Settings
from app.domain import Reference, Status
from app.errors import Billed
from app.providers.bailian import MODELS, Bailian
from tests.harness import open_harness
from tests.providers.services import FOX, failure, opened
from tools.fakes.bailian import FakeBailian
from tools.fakes.service import Submission

SERVICE = "bailian"
CURRENT = [model for model, family in MODELS.items() if not family.retirement]


def provider_for(model_id: str, **more: object) -> Bailian:
    return Bailian(Settings(bailian_model=model_id, **more))  # type: ignore[arg-type]


def test_a_submission_sends_exactly_the_requested_fields(service: FakeBailian) -> None:
    request = replace(FOX, negative_prompt="人物", seed=7, steps=30)
    opened(service, bailian_model="qwen-image-2.0").submit(request, ())
    assert service.submissions[0].body == {
        "model": "qwen-image-2.0",
        "input": {"messages": [{"role": "user", "content": [{"text": "一只红狐狸"}]}]},
        "parameters": {
            "size": "2560*1440",
            "n": 1,
            "watermark": False,
            "negative_prompt": "人物",
            "prompt_extend": False,
            "seed": 7,
        },
    }


def test_a_negative_prompt_is_appended_where_there_is_no_field_for_it(
    service: FakeBailian, model: Bailian
) -> None:
    model.submit(replace(FOX, negative_prompt="人物"), ())
    body = service.submissions[0].body
    assert body["input"]["messages"][0]["content"] == [{"text": "一只红狐狸\n画面中不要出现：人物"}]
    assert body["parameters"] == {"size": "2560*1440", "n": 1, "watermark": False}


def test_the_number_of_images_is_reported(model: Bailian) -> None:
    assert model.submit(FOX, ()).usage == {"generated_images": 1, "width": 2560, "height": 1440}


def test_references_are_sent_as_urls_or_data_urls(service: FakeBailian, model: Bailian) -> None:
    at_hand = Reference(filename="a.png", content=b"abc", media_type="image/png")
    far = Reference(filename="b.png", url="https://example.com/b.png")
    model.submit(FOX, [at_hand, far])
    content = service.submissions[0].body["input"]["messages"][0]["content"]
    assert content[1:] == [{"image": "data:image/png;base64,YWJj"}, {"image": "https://example.com/b.png"}]


@pytest.mark.parametrize(("seed", "sent"), [(2**31 - 1, 2**31 - 1), (2**31, 0), (4_294_967_293, 2**31 - 3)])
def test_every_seed_is_sent_within_the_range_of_the_service(
    service: FakeBailian, model: Bailian, seed: int, sent: int
) -> None:
    model.submit(replace(FOX, seed=seed), ())
    assert service.submissions[0].body["parameters"]["seed"] == sent


def test_one_key_opens_every_current_model(service: FakeBailian) -> None:
    listed = [
        each.provider.spec.model_id for each in generator.open_providers(Settings(**service.settings()))
    ]
    assert sorted(listed[: len(CURRENT)]) == sorted(CURRENT)


@pytest.mark.parametrize("model_id", ["wan2.7-image", "qwen-image-3.0-pro", "qwen-image-2.1", "wan9-image"])
def test_a_model_without_a_published_price_in_cny_has_none(model_id: str) -> None:
    assert not provider_for(model_id).spec.is_priced
    set_price = provider_for(model_id, price_per_image=Decimal("0.4")).spec.price(FOX)
    assert set_price == Decimal("0.4")


@pytest.mark.parametrize(
    ("address", "is_priced"),
    [
        ("https://dashscope.aliyuncs.com", True),
        ("https://ws-1.cn-beijing.maas.aliyuncs.com", True),
        ("https://dashscope-intl.aliyuncs.com", False),
        ("https://ws-1.ap-southeast-1.maas.aliyuncs.com", False),
    ],
)
def test_other_regions_have_no_price_in_cny(address: str, is_priced: bool) -> None:
    assert provider_for("qwen-image-3.0", dashscope_base_url=address).spec.is_priced is is_priced


def test_a_dated_id_is_the_model_of_that_date_at_its_price() -> None:
    dated, plain = (provider_for(f"qwen-image-2.0-pro{day}").spec for day in ("-2026-06-22", ""))
    assert (dated.label, dated.prices, dated.is_priced) == (plain.label, plain.prices, True)


def test_an_unlisted_id_gets_what_every_model_takes_and_says_so() -> None:
    spec = provider_for("wan9-image").spec
    assert (spec.label, spec.max_references, spec.negative_prompt) == ("wan9-image", 0, "folded")
    assert "不认识这个模型编号" in spec.setup.about


@pytest.mark.parametrize("model_id", ["qwen-image", "qwen-image-plus", "qwen-image-max", "qwen-image-edit"])
def test_the_old_ids_have_ended(model_id: str) -> None:
    spec = provider_for(model_id).spec
    assert not spec.is_retired(date(2026, 10, 9))
    assert spec.is_retired(date(2026, 10, 10))
    assert "改用 qwen-image-3.0" in str(spec.retirement_notice(date(2026, 10, 10)))


def test_moderation_with_http_status_200_is_final_and_may_be_billed(
    service: FakeBailian, model: Bailian
) -> None:
    error = failure(lambda: model.submit(replace(FOX, prompt="违禁"), ()))
    assert (error.cause, error.billed, error.retryable) == ("moderation", Billed.UNKNOWN, False)
    assert not error.pauses_batch
    assert "没有通过审核" in str(error)
    assert "可能已计费" in str(error)


@pytest.mark.parametrize("as_data", [True, False])
def test_an_image_in_the_answer_itself_is_saved_and_an_endless_address_is_not_kept(
    settings: Settings, db: database.Connection, as_data: bool
) -> None:
    class Inline(FakeBailian):
        def image_url(self, order: Submission, token: str = "0") -> str:
            data = base64.b64encode(self.image_of(order)).decode()
            return f"data:image/png;base64,{data}" if as_data else f"https://example.com/{data}"

    with Inline() as service:
        harness = open_harness(settings, service, db)
        record = harness.make("猫")
        assert record.status is (Status.SUCCESS if as_data else Status.UNKNOWN)
        assert (record.task_id, service.charges) == (None, 1)
        assert harness.outcomes() == ["billed" if as_data else "unknown"]
