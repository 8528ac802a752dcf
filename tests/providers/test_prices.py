"""The estimate of a request and the bill of the fakes: all ids, sizes, numbers of references and options."""

import math
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from itertools import chain, product
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

import generator
from app.config import Settings
from app.domain import MAX_REFERENCES, ImageRequest, ModelSpec, Reference, SampleImage, Size, TokenPrices
from app.providers import bailian, gemini, jimeng, openai_images, seedream, tokenhub
from app.providers.http import Response, ServiceClient
from app.web.serializers import sizes_json
from tests.providers.services import opened
from tests.specs import ANY
from tools.fakes.images import make_image
from tools.fakes.service import Call, FakeService


def request_for(spec: ModelSpec, ratio: str, resolution: str, references: int) -> ImageRequest:
    images = tuple(
        SampleImage(url=f"https://example.com/{number}.png", filename=f"{number}.png")
        for number in range(references)
    )
    request = ImageRequest(prompt="狐狸", aspect_ratio=ratio, resolution=resolution, sample_images=images)
    assert not spec.unsupported(request)
    return request


@pytest.fixture
def in_process(monkeypatch: pytest.MonkeyPatch, service: FakeService) -> FakeService:
    """The service, called without the network: for thousands of requests."""

    def call(
        _client: object, _session: object, method: str, url: str, headers: dict[str, str], content: bytes
    ) -> Response:
        parts = urlsplit(url)
        reply = service.serve(
            Call(
                method=method,
                path=parts.path,
                query=parse_qsl(parts.query),
                raw_query=parts.query,
                headers={"host": parts.netloc, **{name.lower(): value for name, value in headers.items()}},
                content=content,
            )
        )
        return Response(status=reply.status, headers=reply.headers, content=reply.content)

    monkeypatch.setattr(ServiceClient, "_call", call)
    return service


def own_sizes(spec: ModelSpec) -> Iterator[Size]:
    """The smallest and the largest, the longest, and on both sides of each line of the prices."""
    if not (rule := spec.own_sizes):
        return
    step = rule.multiple_of
    for area in (rule.min_area, *rule.lines, rule.max_area):
        for ratio in (1, rule.max_ratio):
            short = math.isqrt(area // ratio) // step * step
            sizes = {Size(width=w, height=short * ratio) for w in (short, short + step)}
            yield from sorted(filter(rule.accepts, sizes), key=str)


def all_requests(spec: ModelSpec) -> Iterator[ImageRequest]:
    """Every size with every number of references and every combination of options that the model takes.

    Of a range of numbers the ends and a middle, of own sizes those at the bounds and the lines of prices.
    """
    choices = {
        name: (None, offered.start, offered.stop // 3, offered.stop - 1)
        if isinstance(offered, range)
        else ("", *offered)
        for name, offered in spec.options.items()
    }
    counts = range(spec.max_references + 1)
    own = [(size.aspect_ratio, str(size)) for size in own_sizes(spec)]
    for pair, count in chain(product(spec.sizes, counts), product(own, (0, spec.max_references))):
        plain = request_for(spec, *pair, count)
        for values in product(*choices.values()):
            request = replace(plain, **dict(zip(choices, values, strict=True)))  # type: ignore[arg-type]
            if not spec.unsupported(request):
                yield spec.strip_unsupported(request)


PICTURE = make_image(64, 64)


def reference_for(image: SampleImage, is_bytes: bool) -> Reference:
    if is_bytes:
        return Reference(filename=image.filename, content=PICTURE)
    return Reference(filename=image.filename, url=image.url)


def require_equal(service: Any, provider: generator.Provider) -> None:
    """Order everything that the model takes: the bill is the estimate."""
    requests = list(all_requests(provider.spec))
    for request in requests:
        is_bytes = provider.spec.reference_form == "bytes"
        images = [reference_for(image, is_bytes) for image in request.sample_images]
        result = generator.submit(provider, request, images)
        assert result.task_id or result.image
        assert provider.spec.price(request) == service.bill(service.submissions[-1]), request
    assert service.charges == len(requests)
    assert len(requests) >= len(provider.spec.sizes) * (provider.spec.max_references + 1)


@pytest.mark.parametrize("service", ["seedream"], indirect=True)
@pytest.mark.parametrize("model_id", sorted(seedream.MODELS))
def test_seedream_bills_what_was_estimated(in_process: FakeService, model_id: str) -> None:
    in_process.keeps_old_models = True  # type: ignore[attr-defined]
    require_equal(in_process, opened(in_process, seedream_model=model_id))


@pytest.mark.parametrize("service", ["bailian"], indirect=True)
@pytest.mark.parametrize("model_id", [id for id, family in bailian.MODELS.items() if not family.retirement])
def test_bailian_bills_what_was_estimated(in_process: FakeService, model_id: str) -> None:
    require_equal(in_process, opened(in_process, bailian_model=model_id))


@pytest.mark.parametrize("service", ["gemini"], indirect=True)
@pytest.mark.parametrize("model_id", list(gemini.MODELS))
@pytest.mark.usefixtures("one_picture")
def test_a_reseller_of_gemini_bills_the_price_that_is_set(in_process: FakeService, model_id: str) -> None:
    settings = {"gemini_image_model": model_id, "gemini_price": Decimal("0.30")}
    require_equal(in_process, opened(in_process, **settings))


@pytest.mark.parametrize("service", ["gemini"], indirect=True)
@pytest.mark.parametrize("model_id", list(gemini.MODELS))
@pytest.mark.usefixtures("one_picture")
def test_google_bills_the_estimate_and_the_words(in_process: Any, model_id: str) -> None:
    """What is booked is the bill; before, the words and the thoughts about them are not known."""
    in_process.is_google = True
    address = "https://generativelanguage.googleapis.com"
    settings = {"gemini_image_model": model_id, "gemini_base_url": address, "usd_cny": Decimal("7.1")}
    provider = opened(in_process, **settings)
    words = set()
    for request in all_requests(provider.spec):
        images = [reference_for(image, is_bytes=True) for image in request.sample_images]
        result = generator.submit(provider, request, images)
        bill = in_process.bill(in_process.submissions[-1])
        assert result.cost == bill
        words.add(bill - (provider.spec.price(request) or 0))
    assert len(words) == 1
    assert 0 < words.pop() < Decimal("0.06")


@pytest.mark.parametrize("service", ["tokenhub"], indirect=True)
@pytest.mark.parametrize("model_id", list(tokenhub.MODELS))
def test_tokenhub_bills_what_was_estimated(in_process: FakeService, model_id: str) -> None:
    require_equal(in_process, opened(in_process, tokenhub_image_model=model_id))


@pytest.mark.parametrize("service", ["jimeng"], indirect=True)
@pytest.mark.parametrize("req_key", [id for id, family in jimeng.MODELS.items() if family.scale])
def test_jimeng_bills_what_was_estimated(in_process: FakeService, req_key: str) -> None:
    require_equal(in_process, opened(in_process, jimeng_req_key=req_key))


@pytest.mark.parametrize("service", ["openai"], indirect=True)
@pytest.mark.parametrize("model_id", ["gpt-image-2", "gpt-image-2.5-flare", "gpt-image-2.6-sunburst"])
@pytest.mark.usefixtures("one_picture")
def test_openai_bills_the_estimate_and_the_words(in_process: Any, model_id: str) -> None:
    """What is booked is the bill. Before, the words are not known, and a reference or 2.6 only from above."""
    address = {"openai_base_url": "https://api.openai.com/v1", "usd_cny": in_process.rate}
    provider = opened(in_process, openai_image_model=model_id, **address)
    words = 7 * 5 * in_process.rate / 1_000_000
    qualities = ("", *provider.spec.options["quality"])
    sizes = [*provider.spec.sizes, *((each.aspect_ratio, str(each)) for each in own_sizes(provider.spec))]
    for (ratio, resolution), count, quality in product(sizes, (0, 1, 16), qualities):
        request = replace(request_for(provider.spec, ratio, resolution, count), quality=quality)
        images = [reference_for(image, is_bytes=True) for image in request.sample_images]
        result = generator.submit(provider, request, images)
        bill = in_process.bill(in_process.submissions[-1])
        estimate = provider.spec.price(request) or Decimal(0)
        assert result.cost == bill
        if count or "2.6" in model_id:
            assert bill < estimate + words
        else:
            assert bill == estimate + words


@pytest.mark.parametrize("model_id", ["gpt-image-2", "flux-1"])
def test_without_a_rate_or_a_set_price_the_price_is_not_known(model_id: str) -> None:
    spec = openai_images.OpenAIImages(Settings(openai_image_model=model_id)).spec
    assert {spec.price(request) for request in all_requests(spec)} == {None}


@pytest.mark.parametrize("name", ["sdapi", "demo"])
def test_what_runs_at_home_costs_nothing(name: str) -> None:
    (spec,) = (each for each in generator.list_specs(Settings()) if each.name == name)
    assert {spec.price(replace(request, sample_images=())) for request in all_requests(spec)} == {0}


@pytest.mark.parametrize("default", ["jimeng", "seedream", "openai"])
def test_the_price_per_image_is_that_of_the_default_provider_alone(default: str) -> None:
    def listed(**prices: Decimal) -> dict[str, object]:
        settings = Settings(image_model=default, **prices)  # type: ignore[arg-type]
        return {f"{spec.name} {spec.model_id}": spec.prices for spec in generator.list_specs(settings)}

    own, general = listed(**{f"{default}_price": Decimal("0.77")}), listed(price_per_image=Decimal("0.77"))
    assert general == own
    assert [name for name, price in listed().items() if price != general[name]] == [
        next(name for name in general if name.startswith(default))
    ]


def test_a_surcharge_begins_after_the_included_references() -> None:
    free, paid = replace(ANY, price_extra_reference=Decimal("0.05")), Decimal("0.05")
    from_the_first = replace(free, included_references=0)
    for count in range(ANY.max_references + 1):
        request = request_for(ANY, "1:1", "2K", count)
        base = Decimal("0.22")
        assert free.price(request) == base + max(count - 1, 0) * paid
        assert from_the_first.price(request) == base + count * paid


def test_a_price_may_depend_on_size_and_quality() -> None:
    tokens = TokenPrices(units={"low": 16, "high": 32}, usual="low", each=Decimal("0.001"))
    spec = replace(ANY, token_prices=tokens, price_extra_reference=Decimal("0.1"))
    prices = {
        resolution: [
            spec.price(replace(request_for(spec, "1:1", resolution, 2), quality=quality))
            for quality in ("", "low", "high", "max")
        ]
        for resolution in ("1K", "2K", "2000x2000")
    }
    assert prices["1K"] == [Decimal("0.296"), Decimal("0.296"), Decimal("0.881"), Decimal("0.296")]
    assert prices["2000x2000"][0] == Decimal("0.484")
    offer = sizes_json(spec)["1:1|2K"]
    assert (offer["price"], offer["qualities"]) == ("0.397", {"low": "0.397", "high": "1.586"})


def test_the_most_references_are_those_of_the_tables() -> None:
    def most(**fields: str) -> int:
        settings = Settings(**fields)  # type: ignore[arg-type]
        return generator.open_provider(settings).spec.max_references

    assert most(image_model="jimeng") == 10
    assert most(image_model="jimeng", jimeng_req_key="jimeng_seedream46_cvtob") == 14
    assert most(image_model="jimeng", jimeng_req_key="jimeng_t2i_v99") == 4
    assert most(image_model="seedream") == 10
    assert most(image_model="seedream", seedream_model="seedream-4-5-251128") == 14
    assert most(image_model="openai") == MAX_REFERENCES == 16
    assert most(image_model="openai", openai_image_model="flux-1") == 4
    assert (most(image_model="sdapi"), most(image_model="demo")) == (1, 4)
