"""The OpenAI images API against its fake."""

import io
from dataclasses import replace
from decimal import Decimal

import pytest
from PIL import Image

from app.config import Settings
from app.domain import GeneratedImage, ImageRequest, Reference, Size
from app.domain.sizes import tokens
from app.errors import Billed
from app.providers.openai_images import MODELS, OpenAIImages
from tests.providers import services
from tests.providers.services import failure, opened, size_of
from tools.fakes.clock import Clock
from tools.fakes.images import make_image
from tools.fakes.openai_images import FakeOpenAIImages

SERVICE = "openai"
OWN = "https://api.openai.com/v1"
FOX = replace(services.FOX, aspect_ratio="3:2")
PNG = make_image(8, 8)


def made(model: OpenAIImages, request: ImageRequest = FOX) -> GeneratedImage:
    result = model.submit(request, ())
    return result.image or model.fetch(result.task_id or "", Clock().sleep)


@pytest.mark.parametrize("answers", ["b64_json", "url", "relative_url", "lines", "data_url", "data_in_b64"])
def test_the_image_is_accepted_in_every_documented_form(answers: str) -> None:
    with FakeOpenAIImages(answers=answers) as service:
        content = made(opened(service)).content
    assert size_of(content) == (2496, 1664)


def test_a_submission_sends_exactly_the_requested_fields(
    service: FakeOpenAIImages, model: OpenAIImages
) -> None:
    model.submit(replace(FOX, negative_prompt="人物", seed=7, steps=30), ())
    assert service.submissions[0].body == {
        "model": "gpt-image-2",
        "prompt": "一只红狐狸\n画面中不要出现：人物",
        "n": 1,
        "size": "2496x1664",
        "quality": "medium",
    }


def test_4k_has_the_documented_size(model: OpenAIImages) -> None:
    assert str(model.spec.sizes["16:9", "4K"]) == "3840x2160"


def test_options_are_sent_when_they_are_set(service: FakeOpenAIImages, model: OpenAIImages) -> None:
    request = replace(FOX, background="transparent", quality="high")
    content = made(model, request).content
    model.submit(replace(request, output_format="webp"), [Reference(filename="a.png", content=PNG)])
    first, second = (order.body for order in service.submissions)
    assert (first["background"], first["quality"], first["output_format"]) == ("transparent", "high", "png")
    assert (second["background"], second["output_format"]) == ("transparent", "webp")
    with Image.open(io.BytesIO(content)) as image:
        assert (image.format, image.mode) == ("PNG", "RGBA")
    (problem,) = model.spec.validate(replace(request, output_format="jpeg"))
    assert problem.field == "output_format"


@pytest.mark.parametrize(
    ("model_id", "qualities"),
    [
        ("gpt-image-2", 3),
        ("gpt-image-2.5-flare", 5),
        ("gpt-image-2.6-sunburst", 5),
        ("gpt-image-1.5", 0),
        ("flux-1", 0),
    ],
)
@pytest.mark.usefixtures("one_picture")
def test_options_follow_the_family(service: FakeOpenAIImages, model_id: str, qualities: int) -> None:
    model = opened(service, openai_image_model=model_id)
    assert len(model.spec.options.get("quality", ())) == qualities
    assert bool(model.spec.options) is bool(qualities)
    for name, values in model.spec.options.items():
        for value in values:
            model.submit(replace(FOX, **{name: value}), ())
            assert service.submissions[-1].body[name] == value
    if not model.spec.options:
        model.submit(replace(FOX, quality="max", background="opaque"), ())
        assert not {"quality", "background"} & service.submissions[-1].body.keys()


@pytest.mark.parametrize(
    ("units", "size", "published"),
    [
        (48, (1024, 1024), 1756),
        (96, (1536, 1024), 5488),
        (16, (1536, 1024), 158),
        (16, (2048, 2048), 397),
        (96, (3840, 2160), 13_342),
        (24, (2560, 1440), 478),
        (64, (1536, 1024), 2459),
        (64, (3840, 2160), 5930),
    ],
)
def test_the_tokens_are_those_that_were_published(units: int, size: tuple[int, int], published: int) -> None:
    width, height = size
    assert {tokens(Size(width=w, height=h), units) for w, h in (size, (height, width))} == {published}


@pytest.mark.parametrize(
    ("model_id", "address", "is_priced", "said"),
    [
        ("gpt-image-2", OWN, True, "账上以它报的用量为准"),
        ("gpt-image-2.6-flare", OWN, True, "上限"),
        ("gpt-image-2", "https://relay.example.com/v1", False, "任何兼容"),
        ("gpt-image-1.5", OWN, False, "任何兼容"),
    ],
)
def test_only_openai_itself_has_a_list_price(model_id: str, address: str, is_priced: bool, said: str) -> None:
    settings = {"openai_image_model": model_id, "openai_base_url": address}
    spec = OpenAIImages(Settings(**settings, usd_cny=Decimal("7.1"))).spec  # type: ignore[arg-type]
    assert spec.is_priced is is_priced
    assert said in spec.setup.about
    assert not OpenAIImages(Settings(**settings)).spec.is_priced  # type: ignore[arg-type]


def test_a_set_price_is_the_estimate(model: OpenAIImages) -> None:
    spec = OpenAIImages(Settings(usd_cny=Decimal("7.1"), price_per_image=Decimal("0.5"))).spec
    assert {spec.price(replace(FOX, quality=quality)) for quality in ("", "low", "high")} == {Decimal("0.5")}


def test_the_end_of_a_model_points_to_the_newest() -> None:
    end = OpenAIImages(Settings(openai_image_model="gpt-image-1")).spec.retirement
    assert end
    assert end.successor == next(iter(MODELS))


@pytest.mark.parametrize("count", [1, 3])
def test_references_are_sent_as_files(service: FakeOpenAIImages, model: OpenAIImages, count: int) -> None:
    model.submit(FOX, [Reference(filename="猫.png", content=PNG)] * count)
    assert service.images == [[PNG] * count]
    assert service.submissions[0].body["prompt"] == "一只红狐狸"


def test_a_reference_with_a_url_is_fetched_first(service: FakeOpenAIImages, model: OpenAIImages) -> None:
    model.submit(FOX, ())
    address = service.image_url(service.submissions[0])
    model.submit(FOX, [Reference(filename="a.png", url=address)])
    assert service.images[1] == [service.image_of(service.submissions[0])]


def test_a_local_server_needs_no_key() -> None:
    with FakeOpenAIImages(key="") as service:
        assert made(opened(service)).content


def test_a_404_pauses_and_names_the_setting(service: FakeOpenAIImages) -> None:
    model = opened(service, openai_base_url=f"{service.address}/v2")
    error = failure(lambda: model.submit(FOX, ()))
    assert error.pauses_batch
    assert "OPENAI_BASE_URL" in str(error)


def test_a_server_error_with_a_message_is_free_for_a_free_model(service: FakeOpenAIImages) -> None:
    model = opened(service, price_per_image=Decimal(0))
    error = failure(lambda: model.submit(replace(FOX, prompt="崩"), ()))
    assert (error.cause, error.billed) == ("service", Billed.NO)
    assert "something broke" in str(error)


@pytest.mark.parametrize("price", [None, Decimal("0.3")])
def test_a_server_error_with_a_message_is_unknown_for_a_paid_model(
    service: FakeOpenAIImages, price: Decimal | None
) -> None:
    model = opened(service, price_per_image=price)
    error = failure(lambda: model.submit(replace(FOX, prompt="崩"), ()))
    assert (error.cause, error.billed, error.retryable) == ("service", Billed.UNKNOWN, False)


def test_plain_text_errors_are_parsed() -> None:
    with FakeOpenAIImages(text_errors=True) as service:
        error = failure(lambda: opened(service).submit(replace(FOX, prompt="违禁"), ()))
    assert "safety system" in str(error)
    assert error.billed is Billed.NO
