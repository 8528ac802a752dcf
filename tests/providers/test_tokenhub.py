"""TokenHub against its fake: the form of each family, its sizes, and answers without an image."""

from dataclasses import replace
from typing import Any

import pytest

from app.config import Settings
from app.domain import Reference
from app.errors import Billed
from app.providers.tokenhub import TokenHub
from tests.providers.services import FOX, answer, failure, opened, outcome
from tools.fakes.tokenhub import FakeTokenHub

SERVICE = "tokenhub"
SEEDREAM = "seedream-image-v5.0-pro"
AT_HAND = Reference(filename="a.png", content=b"abc", media_type="image/png")
FAR = Reference(filename="b.png", url="https://example.com/b.png")
SENT = ["data:image/png;base64,YWJj", "https://example.com/b.png"]


def provider_for(model_id: str, **more: Any) -> TokenHub:
    return TokenHub(Settings(tokenhub_image_model=model_id, **more))


def test_hunyuan_gets_a_message(service: FakeTokenHub, model: TokenHub) -> None:
    model.submit(replace(FOX, negative_prompt="人物", seed=7, steps=30), [AT_HAND, FAR])
    images = [{"type": "image_url", "image_url": {"url": url}} for url in SENT]
    text = {"type": "text", "text": "一只红狐狸\n画面中不要出现：人物"}
    assert service.submissions[0].body == {
        "model": "hy-image-v3.5-preview",
        "messages": [{"role": "user", "content": [text, *images]}],
        "size": "2720x1530",
        "seed": 7,
    }


def test_seedream_gets_a_prompt(service: FakeTokenHub) -> None:
    model = opened(service, tokenhub_image_model=SEEDREAM)
    result = model.submit(replace(FOX, seed=7), [AT_HAND, FAR])
    assert service.submissions[0].body == {
        "model": SEEDREAM,
        "prompt": "一只红狐狸",
        "images": SENT,
        "size": "2720x1530",
        "response_format": "url",
        "watermark": False,
    }
    assert result.usage == {"total_tokens": 30_000}


def test_every_size_of_hunyuan_is_kept(service: FakeTokenHub, model: TokenHub) -> None:
    """One that is out of range would come back as another, without an error."""
    for ratio, resolution in model.spec.sizes:
        request = replace(FOX, aspect_ratio=ratio, resolution=resolution)
        model.submit(request, ())
        made, size = service.submissions[-1], model.spec.size(request)
        assert (made.width, made.height) == (size.width, size.height)


@pytest.mark.parametrize("seed", [0, 1, 4_294_967_293])
def test_every_seed_is_sent_within_the_range_of_the_service(
    service: FakeTokenHub, model: TokenHub, seed: int
) -> None:
    model.submit(replace(FOX, seed=seed), ())
    assert service.submissions[0].body["seed"] == (seed or 4_294_967_295)


def test_only_seedream_has_a_switch_for_the_visible_mark(service: FakeTokenHub) -> None:
    hunyuan, seedream = (
        provider_for(model, watermark=True).spec for model in ("hy-image-v3.5-preview", SEEDREAM)
    )
    assert (hunyuan.watermark, seedream.watermark) == (None, True)
    assert "总有可见的标识" in hunyuan.setup.about
    opened(service, tokenhub_image_model=SEEDREAM, watermark=True).submit(FOX, ())
    assert service.submissions[0].body["watermark"] is True


@pytest.mark.parametrize("prompt", ["空", "关了", "上游"])
def test_no_image_may_be_billed_and_is_not_ordered_again(
    service: FakeTokenHub, model: TokenHub, prompt: str
) -> None:
    error = failure(lambda: model.submit(replace(FOX, prompt=prompt), ()))
    assert (error.billed, error.retryable, service.count("submit")) == (Billed.UNKNOWN, False, 1)


def test_an_unknown_model_pauses(service: FakeTokenHub) -> None:
    error = failure(lambda: opened(service, tokenhub_image_model="hy-image-v9").submit(FOX, ()))
    assert (error.billed, error.pauses_batch) == (Billed.NO, True)
    assert "TOKENHUB_IMAGE_MODEL" in str(error)
    row = outcome("tokenhub", 400, {"error": {"code": 400001, "message": "size is out of range"}})
    assert not row.pauses_batch


def test_an_unlisted_id_gets_what_every_model_takes_and_says_so() -> None:
    spec = provider_for("seedream-image-v9").spec
    assert (spec.label, spec.max_references, spec.is_priced) == ("seedream-image-v9", 0, False)
    assert {resolution for _, resolution in spec.sizes} == {"1K", "2K"}
    assert "不认识这个模型编号" in spec.setup.about


@pytest.mark.parametrize(
    ("model_id", "address", "is_priced"),
    [
        ("hy-image-v3.5-preview", "https://tokenhub.tencentmaas.com", True),
        ("hy-image-v3.5-preview", "https://tokenhub-intl.tencentcloudmaas.com", False),
        (SEEDREAM, "https://tokenhub.tencentmaas.com", False),
    ],
)
def test_only_what_is_published_in_cny_has_a_price(model_id: str, address: str, is_priced: bool) -> None:
    assert provider_for(model_id, tokenhub_base_url=address).spec.is_priced is is_priced


def test_either_form_of_an_answer_is_read() -> None:
    model, url = provider_for(SEEDREAM), "https://images.example.com/1.png"
    for fields in ({"data": [{"url": url}]}, {"choices": [{"delta": {"image": {"url": url}}}]}):
        assert model._read(answer(200, fields)).task_id == url
